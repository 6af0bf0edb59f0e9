#include "pki/link_secrets.h"

#include <fmt/format.h>
#include <gnutls/crypto.h>

#include <algorithm>
#include <array>

#include "pki/files.h"
#include "pki/gnutls_raii.h"
#include "pki/random.h"

namespace fairlead::pki {
namespace {

constexpr std::size_t kMaxSecretFile = 1_KiB;
constexpr std::string_view kAuthorityWord = "ca ";
constexpr std::size_t kTicketKeySize = 64;  // what gnutls_session_ticket_enable_server takes

}  // namespace

MasterSecret MasterSecret::generate() {
  std::string bytes(kSize, '\0');
  random_bytes(std::as_writable_bytes(std::span(bytes)));
  return MasterSecret(Secret(std::move(bytes)));
}

Result<MasterSecret> MasterSecret::from_text(const Secret& text, std::string_view file) {
  std::string_view rest = text.reveal();
  const auto next_line = [&rest] {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  };
  const std::string_view hex = next_line();
  const gnutls_datum_t input = view(as_bytes(hex));
  Datum bytes;
  if (hex.size() != 2 * kSize || gnutls_hex_decode2(&input, bytes.out()) < 0 || bytes.bytes().size() != kSize)
    return fail(Code::invalid, "{} is not a master secret: {} hex digits on one line", file, 2 * kSize);
  MasterSecret made{Secret(bytes.text())};
  while (!rest.empty()) {
    const std::string_view line = next_line();
    if (line.empty()) continue;
    const auto authority = Fingerprint::parse(line.starts_with(kAuthorityWord) ? line.substr(kAuthorityWord.size()) : "");
    if (!authority) return fail(Code::invalid, "{} has a line after the secret that names no CA: \"ca\" and 64 hex digits", file);
    made.authorities_.push_back(*authority);
  }
  return made;
}

Result<MasterSecret> MasterSecret::load(const std::filesystem::path& file) {
  TRY_ASSIGN(Secret text, read_secret_file(file, kMaxSecretFile));
  return from_text(text, file.native());
}

Result<void> MasterSecret::save(const std::filesystem::path& file) const {
  std::string text;
  text.reserve(kMaxSecretFile);  // the secret is not left behind by growing
  text += to_hex(as_bytes(bytes_.reveal())) + "\n";
  for (const Fingerprint& authority : authorities_) text += fmt::format("{}{}\n", kAuthorityWord, authority);
  if (text.size() > kMaxSecretFile) return fail(Code::too_large, "{} CAs are too many for {}", authorities_.size(), file.native());
  const Secret whole(std::move(text));
  return write_file(file, whole.reveal(), 0600);
}

Secret MasterSecret::derive(std::string_view label, std::size_t size) const {
  static constexpr std::string_view kSalt = "fairlead/1";
  const gnutls_datum_t key = view(as_bytes(bytes_.reveal())), salt = view(as_bytes(kSalt)), info = view(as_bytes(label));
  std::array<std::byte, 32> extracted;
  must(gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &key, &salt, extracted.data()), "derive a key");
  const gnutls_datum_t seed = view(extracted);
  std::string out(size, '\0');
  must(gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &seed, &info, out.data(), out.size()), "derive a key");
  gnutls_memset(extracted.data(), 0, extracted.size());
  return Secret(std::move(out));
}

LinkSecrets::LinkSecrets(const MasterSecret& master)
    : session_ticket(master.derive("session ticket", kTicketKeySize)),
      address_token(master.derive("address token", 32)),
      stateless_reset(master.derive("stateless reset", 32)) {}

}  // namespace fairlead::pki
