#include "pki/folder.h"

#include <algorithm>
#include <optional>
#include <sstream>

#include "pki/files.h"
#include "pki/printable.h"

namespace fairlead::pki {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNewRevocationList =
    "# Who is no longer to be let in. One entry a line; takes effect at once, on sessions that are up too.\n"
    "#   node NAME\n"
    "#   fingerprint HEX   (a key, as `fairlead cert show` prints it)\n"
    "#   serial HEX        (one certificate)\n";

bool there(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

// Before the files themselves are read: the mistakes that people make with folders.
Result<void> check_kind(const fs::path& dir, const char* own, const char* others, std::string_view is, std::string_view other_is,
                        std::string_view make) {
  if (!there(dir)) return fail(Code::not_found, "{} does not exist: make it with {}", dir.native(), make);
  if (there(dir / own)) return {};
  if (there(dir / others))
    return fail(Code::invalid, "{} is {} folder, not {}: it has {} and no {}", dir.native(), other_is, is, others, own);
  return fail(Code::not_found, "{} is not {} folder: it has no {}; make one with {}", dir.native(), is, own, make);
}
Result<void> check_is_cloud(const fs::path& dir) {
  return check_kind(dir, file_name::kCloud, file_name::kEdge, "a cloud's", "an edge's", "`fairlead init --dir DIR`");
}
Result<void> check_is_edge(const fs::path& dir) {
  return check_kind(dir, file_name::kEdge, file_name::kCloud, "an edge's", "a cloud's",
                    "`fairlead cert issue --node NAME --out DIR` in the cloud and copy it here");
}

// The CA that issued `chain`, behind it: an edge that joins knows nothing but that CA's fingerprint, and must see its certificate.
void add_issuer(std::vector<Certificate>& chain, const TrustStore& trust) {
  if (chain.size() >= kMaxChain) return;
  for (const Certificate& authority : trust.authorities()) {
    const auto alone = TrustStore::from_certificates({authority});
    if (!alone || alone->verify(chain) != TrustStore::Verdict::trusted) continue;
    if (chain.back().fingerprint() != authority.fingerprint()) chain.push_back(authority);
    return;
  }
}

enum class Show : std::uint8_t { own_chain, with_issuer };
Result<std::shared_ptr<const Credentials>> load_credentials(const fs::path& dir, const char* certificate, const char* key, Show show) {
  const fs::path certificate_file = dir / certificate, key_file = dir / key, authority_file = dir / file_name::kAuthority;
  TRY_ASSIGN(TrustStore trust, TrustStore::load(authority_file));
  TRY_ASSIGN(std::string pem, read_file(certificate_file, kMaxBundleSize));
  TRY_ASSIGN(std::vector<Certificate> chain, Certificate::bundle_from_pem(pem, certificate_file.native()));
  TRY_ASSIGN(PrivateKey own, PrivateKey::load(key_file));
  if (chain.size() <= kMaxChain && trust.verify(chain) != TrustStore::Verdict::trusted)
    return fail(Code::invalid, "{} was not issued by a CA in {}: the two files come from different folders", certificate_file.native(),
                authority_file.native());
  if (show == Show::with_issuer) add_issuer(chain, trust);
  auto made = Credentials::make(std::move(chain), own, std::move(trust));
  if (!made)
    return fail(Error::wrap(fmt::format("{} and {} do not belong together", certificate_file.native(), key_file.native()), made.error()));
  return made;
}

Result<void> write_certificate(const fs::path& file, const Certificate& certificate) {
  return write_file(file, certificate.to_pem(), 0644);
}

}  // namespace

Result<void> init_cloud_folder(const fs::path& dir, const std::vector<HostName>& names, WallTime now, AlsoWrite also) {
  return make_folder(dir, [&](const fs::path& staging) -> Result<void> {
    const Authority authority = Authority::create(now);
    const PrivateKey key = PrivateKey::generate();
    TRY_ASSIGN(Certificate certificate, authority.issue_server(names, key.public_key(), now));
    TRY(write_certificate(staging / file_name::kAuthority, authority.certificate()));
    TRY(authority.key().save(staging / file_name::kAuthorityKey));
    TRY(write_certificate(staging / file_name::kCloud, certificate));
    TRY(key.save(staging / file_name::kCloudKey));
    MasterSecret secret = MasterSecret::generate();
    secret.set_authorities({authority.certificate().fingerprint()});
    TRY(secret.save(staging / file_name::kSecret));
    TRY(write_file(staging / file_name::kRevoked, kNewRevocationList, 0644));
    return also(staging);
  });
}

Result<Certificate> issue_edge_folder(const fs::path& cloud_dir, const NodeName& node, const fs::path& out, WallTime now, Duration lifetime,
                                      AlsoWrite also) {
  TRY_ASSIGN(Authority authority, load_authority(cloud_dir));
  const PrivateKey key = PrivateKey::generate();
  TRY_ASSIGN(Certificate certificate, authority.issue_edge(node, key.public_key(), now, lifetime));
  TRY_ASSIGN(std::string authorities, read_file(cloud_dir / file_name::kAuthority, kMaxBundleSize));
  TRY(make_folder(out, [&](const fs::path& staging) -> Result<void> {
    TRY(write_file(staging / file_name::kAuthority, authorities, 0644));
    TRY(write_certificate(staging / file_name::kEdge, certificate));
    TRY(key.save(staging / file_name::kEdgeKey));
    return also(staging);
  }));
  return certificate;
}

Result<Certificate> renew_cloud_certificate(const fs::path& dir, const std::vector<HostName>& names, WallTime now, Duration lifetime) {
  TRY_ASSIGN(Authority authority, load_authority(dir));
  TRY_ASSIGN(PrivateKey key, PrivateKey::load(dir / file_name::kCloudKey));
  std::vector<HostName> all = names;
  if (all.empty()) {
    TRY_ASSIGN(std::string pem, read_file(dir / file_name::kCloud, kMaxBundleSize));
    TRY_ASSIGN(std::vector<Certificate> old, Certificate::bundle_from_pem(pem, (dir / file_name::kCloud).native()));
    std::vector<std::string> texts = old.front().dns_names();
    texts.insert(texts.end(), old.front().ip_addresses().begin(), old.front().ip_addresses().end());
    TRY_ASSIGN(all, HostName::parse_all(texts));
  }
  TRY_ASSIGN(Certificate certificate, authority.issue_server(all, key.public_key(), now, lifetime));
  TRY(write_certificate(dir / file_name::kCloud, certificate));
  return certificate;
}

Result<void> add_revocation(const fs::path& dir, const Revocable& what, std::string_view comment) {
  TRY(check_is_cloud(dir));
  TRY_ASSIGN(FolderLock lock, FolderLock::take(dir));
  const fs::path file = dir / file_name::kRevoked;
  TRY_ASSIGN(std::string text, read_file(file, RevocationList::kMaxFileSize));
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  if (const auto* node = std::get_if<NodeName>(&what)) text += fmt::format("node {}", *node);
  if (const auto* key = std::get_if<Fingerprint>(&what)) text += fmt::format("fingerprint {}", *key);
  if (const auto* serial = std::get_if<Serial>(&what)) text += fmt::format("serial {}", *serial);
  text += comment.empty() ? "\n" : fmt::format("  # {}\n", printable(comment));
  TRY(RevocationList::parse(text, file.native()));
  if (text.size() > RevocationList::kMaxFileSize)
    return fail(Code::too_large, "{} would have more than {} bytes", file.native(), RevocationList::kMaxFileSize);
  return write_file(file, text, 0644);
}

Result<void> remove_revocation(const fs::path& dir, const NodeName& node) {
  TRY(check_is_cloud(dir));
  TRY_ASSIGN(FolderLock lock, FolderLock::take(dir));
  const fs::path file = dir / file_name::kRevoked;
  TRY_ASSIGN(const std::string text, read_file(file, RevocationList::kMaxFileSize));
  TRY(RevocationList::parse(text, file.native()));
  std::string kept;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find('\n', from), text.size() - 1) + 1;
    const std::string line = text.substr(from, end - from);
    std::istringstream words(line.substr(0, line.find('#')));
    std::string kind, name;
    words >> kind >> name;
    if (kind != "node" || name != node.value()) kept += line;
    from = end;
  }
  if (kept == text) return {};
  return write_file(file, kept, 0644);
}

namespace {

std::vector<Fingerprint> keys_of(const std::vector<Certificate>& authorities) {
  std::vector<Fingerprint> keys;
  for (const Certificate& authority : authorities) keys.push_back(authority.fingerprint());
  return keys;
}

Result<void> check_same_authorities(const MasterSecret& secret, const TrustStore& trust, const fs::path& dir) {
  const std::vector<Fingerprint> held = keys_of(trust.authorities());
  for (const Fingerprint& wanted : secret.authorities())
    if (std::ranges::find(held, wanted) == held.end())
      return fail(Code::invalid,
                  "{} is shared with a cloud whose CA sha256:{} is not in {}: replicas have the same CAs. Copy ca.pem, cloud.pem and their "
                  "keys from where that CA was made; a cloud of its own has a secret.key of its own (`openssl rand -hex 32`)",
                  (dir / file_name::kSecret).native(), wanted, (dir / file_name::kAuthority).native());
  return {};
}

enum class Write : std::uint8_t { always, first };
Result<void> write_authorities(const fs::path& dir, const std::vector<Fingerprint>& authorities, Write when) {
  std::error_code error;
  const fs::path link = dir / file_name::kSecret, file = fs::canonical(link, error);
  if (error) return fail(Error::from_errno(error.value(), "find " + link.native()));
  std::optional<FolderLock> there;  // the caller has that of `dir`
  if (!fs::equivalent(file.parent_path(), dir, error)) {
    TRY_ASSIGN(FolderLock lock, FolderLock::take(file.parent_path()));
    there.emplace(std::move(lock));
  }
  TRY_ASSIGN(MasterSecret secret, MasterSecret::load(file));
  if (when == Write::first && !secret.authorities().empty()) return {};
  secret.set_authorities(authorities);
  return secret.save(file);
}

}  // namespace

Result<void> write_secret_authorities(const fs::path& dir, const std::vector<Fingerprint>& authorities) {
  return write_authorities(dir, authorities, Write::always);
}

Result<void> write_first_secret_authorities(const fs::path& dir) {
  TRY_ASSIGN(const FolderLock lock, FolderLock::take(dir));
  TRY_ASSIGN(const TrustStore trust, TrustStore::load(dir / file_name::kAuthority));
  return write_authorities(dir, keys_of(trust.authorities()), Write::first);
}

Result<CloudIdentity> load_cloud(const fs::path& dir) {
  TRY(check_is_cloud(dir));
  TRY_ASSIGN(auto credentials, load_credentials(dir, file_name::kCloud, file_name::kCloudKey, Show::with_issuer));
  TRY_ASSIGN(MasterSecret master, MasterSecret::load(dir / file_name::kSecret));
  TRY(check_same_authorities(master, credentials->trust(), dir));
  // Must exist: a list that went missing would let everybody in again.
  TRY_ASSIGN(RevocationList revoked, RevocationList::load(dir / file_name::kRevoked));
  return CloudIdentity{std::move(credentials), std::move(master), std::move(revoked)};
}

Result<EdgeIdentity> load_edge(const fs::path& dir) {
  TRY(check_is_edge(dir));
  TRY_ASSIGN(auto credentials, load_credentials(dir, file_name::kEdge, file_name::kEdgeKey, Show::own_chain));
  const Certificate& own = *credentials->certificate();
  Result<NodeName> node = node_of(own.common_name(), own.organizations());
  if (!node) return fail(Error::wrap(fmt::format("{} names no node", (dir / file_name::kEdge).native()), node.error()));
  return EdgeIdentity{std::move(credentials), *std::move(node)};
}

Result<Authority> load_authority(const fs::path& cloud_dir) {
  TRY(check_is_cloud(cloud_dir));
  return Authority::load(cloud_dir / file_name::kAuthority, cloud_dir / file_name::kAuthorityKey);
}

}  // namespace fairlead::pki
