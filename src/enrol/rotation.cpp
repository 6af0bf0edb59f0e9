#include "enrol/rotation.h"

#include <fmt/format.h>

#include <algorithm>

#include "enrol/renewal.h"
#include "pki/authority.h"
#include "pki/files.h"
#include "pki/folder.h"
#include "pki/trust.h"

namespace fairlead::enrol {
namespace {

namespace fs = std::filesystem;
namespace file_name = pki::file_name;

// The new CA's key before it is in force, so that a crash leaves no CA without its key.
constexpr char kNextKey[] = "ca-key.pem.next";

Result<std::vector<pki::Certificate>> read_bundle(const fs::path& file) {
  TRY_ASSIGN(const std::string pem, pki::read_file(file, pki::kMaxBundleSize));
  return pki::Certificate::bundle_from_pem(pem, file.native());
}

bool there(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

Result<bool> issued_by(const std::vector<pki::Certificate>& chain, const pki::Certificate& authority) {
  TRY_ASSIGN(const pki::TrustStore alone, pki::TrustStore::from_certificates({authority}));
  return alone.verify(chain) == pki::TrustStore::Verdict::trusted;
}

Result<void> put_next_key_in_force(const fs::path& dir) {
  std::error_code error;
  fs::rename(dir / kNextKey, dir / file_name::kAuthorityKey, error);
  if (error) return fail(Error::from_errno(error.value(), "replace " + (dir / file_name::kAuthorityKey).native()));
  return {};
}

std::string names_of(const std::vector<NodeName>& nodes) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(nodes.size(), kShown); i++) text += (i > 0 ? ", " : "") + nodes[i].value();
  if (nodes.size() > kShown) text += fmt::format(" and {} more", nodes.size() - kShown);
  return text;
}

Result<void> note(Registry& registry, const Actor& by, WallTime now, std::string what, const pki::Fingerprint& authority,
                  std::string detail) {
  const AuditLine line{.at = now,
                       .who = by.who,
                       .from = by.from,
                       .what = std::move(what),
                       .subject = "CA " + authority.to_text().substr(0, 16),
                       .detail = std::move(detail)};
  return registry.note({&line, 1});
}

Result<std::vector<pki::Fingerprint>> keys_in_force(const fs::path& dir) {
  TRY_ASSIGN(const std::vector<pki::Certificate> bundle, read_bundle(dir / file_name::kAuthority));
  std::vector<pki::Fingerprint> keys;
  for (const pki::Certificate& one : bundle) keys.push_back(one.fingerprint());
  return keys;
}

// For who starts with this folder's state or shares its secret.
Result<void> record(const fs::path& dir, Registry& registry) {
  TRY_ASSIGN(const std::vector<pki::Fingerprint> keys, keys_in_force(dir));
  TRY(registry.agree_on_authorities(keys));
  return pki::write_secret_authorities(dir, keys);
}

}  // namespace

Result<RotationState> rotation_state(const fs::path& dir, Registry& registry, WallTime now) {
  TRY_ASSIGN(const std::string pem, pki::read_file(dir / file_name::kAuthority, pki::kMaxBundleSize));
  TRY_ASSIGN(const std::vector<pki::Certificate> authorities, read_bundle(dir / file_name::kAuthority));
  TRY_ASSIGN(const std::vector<pki::Certificate> cloud, read_bundle(dir / file_name::kCloud));
  std::optional<pki::Fingerprint> signer;
  if (there(dir / file_name::kAuthorityKey)) {
    TRY_ASSIGN(const pki::Authority authority, pki::load_authority(dir));
    signer = authority.certificate().fingerprint();
  }
  RotationState state{.authorities = {}, .under_way = authorities.size() > 1, .current = 0, .missing = {}};
  for (const pki::Certificate& authority : authorities) {
    TRY_ASSIGN(const bool issued, issued_by(cloud, authority));
    state.authorities.push_back({.key = authority.fingerprint(),
                                 .not_after = authority.not_after(),
                                 .signs = signer == authority.fingerprint(),
                                 .issued_cloud = issued});
  }
  const pki::Sha256 digest = trust_digest(pem);
  TRY_ASSIGN(const std::vector<NodeRecord> nodes, registry.nodes());
  for (const NodeRecord& node : nodes) {
    if (!node.key || node.revoked || node.not_after <= now) continue;
    if (node.trust == digest)
      state.current++;
    else
      state.missing.push_back(node.name);
  }
  return state;
}

Result<pki::Fingerprint> rotate_authority(const fs::path& dir, Registry& registry, const Actor& by, WallTime now) {
  TRY_ASSIGN(const pki::FolderLock lock, pki::FolderLock::take(dir));
  TRY_ASSIGN(std::vector<pki::Certificate> authorities, read_bundle(dir / file_name::kAuthority));
  if (there(dir / kNextKey)) {
    // An earlier call was cut short.
    TRY_ASSIGN(const pki::PrivateKey next, pki::PrivateKey::load(dir / kNextKey));
    if (next.public_key().fingerprint() == authorities.front().fingerprint()) {
      TRY(put_next_key_in_force(dir));
      TRY(record(dir, registry));
      TRY(note(registry, by, now, "ca.rotate", authorities.front().fingerprint(), "went on"));
      return authorities.front().fingerprint();
    }
  }
  if (authorities.size() > 1)
    return fail(Code::exists, "a rotation is under way: `fairlead ca show` tells how far it is, `fairlead ca finish` ends it");
  TRY_ASSIGN(const pki::Authority old, pki::load_authority(dir));
  TRY(record(dir, registry));  // one that cannot be written is found while nothing has changed
  const pki::Authority made = pki::Authority::create(now);
  TRY(made.key().save(dir / kNextKey));
  authorities.insert(authorities.begin(), made.certificate());
  TRY(pki::write_file(dir / file_name::kAuthority, pki::to_pem(authorities), 0644));
  TRY(put_next_key_in_force(dir));
  TRY(record(dir, registry));
  TRY(note(registry, by, now, "ca.rotate", made.certificate().fingerprint(), "follows " + old.certificate().fingerprint().to_text()));
  return made.certificate().fingerprint();
}

Result<void> finish_rotation(const fs::path& dir, Registry& registry, const Actor& by, WallTime now, bool force) {
  TRY_ASSIGN(const pki::FolderLock lock, pki::FolderLock::take(dir));
  TRY_ASSIGN(const RotationState state, rotation_state(dir, registry, now));
  if (!state.under_way) return fail(Code::invalid, "no rotation is under way: ca.pem holds one CA");
  if (!state.missing.empty() && !force)
    return fail(
        Code::refused,
        "{} nodes do not hold the new CA yet: {}. They get it when they connect. --force goes on without them; they must then join anew",
        state.missing.size(), names_of(state.missing));
  TRY(record(dir, registry));
  TRY_ASSIGN(const pki::Authority authority, pki::load_authority(dir));
  if (authority.certificate().fingerprint() != state.authorities.front().key)
    return fail(Code::invalid, "the new CA does not sign yet, its start was cut short: `fairlead ca rotate` goes on with it");
  TRY(pki::renew_cloud_certificate(dir, {}, now));
  TRY(pki::write_secret_authorities(dir, {authority.certificate().fingerprint()}));
  TRY(pki::write_file(dir / file_name::kAuthority, authority.certificate().to_pem(), 0644));
  TRY(record(dir, registry));
  return note(registry, by, now, "ca.finish", authority.certificate().fingerprint(),
              state.missing.empty() ? "all nodes follow" : fmt::format("without {}", names_of(state.missing)));
}

}  // namespace fairlead::enrol
