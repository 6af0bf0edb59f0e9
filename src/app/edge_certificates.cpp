#include "app/edge_certificates.h"

#include "pki/files.h"
#include "pki/folder.h"
#include "runtime/off_loop.h"

namespace fairlead::app {
namespace {

namespace file_name = pki::file_name;
using Held = enrol::RenewalStore::Held;

Result<Held> read(const std::filesystem::path& dir) {
  TRY_ASSIGN(std::string trust, pki::read_file(dir / file_name::kAuthority, pki::kMaxBundleSize));
  TRY_ASSIGN(std::string pem, pki::read_file(dir / file_name::kEdge, pki::kMaxBundleSize));
  TRY_ASSIGN(std::vector<pki::Certificate> chain, pki::Certificate::bundle_from_pem(pem, (dir / file_name::kEdge).native()));
  TRY_ASSIGN(pki::PrivateKey key, pki::PrivateKey::load(dir / file_name::kEdgeKey));
  return Held{.certificate = chain.front(), .trust_pem = std::move(trust), .key = std::move(key)};
}

// The CAs first: they go with the old certificate, too.
Result<pki::EdgeIdentity> write(const std::filesystem::path& dir, const std::string& trust, const std::string& certificate) {
  if (!trust.empty()) TRY(pki::write_file(dir / file_name::kAuthority, trust, 0644));
  if (!certificate.empty()) TRY(pki::write_file(dir / file_name::kEdge, certificate, 0644));
  return pki::load_edge(dir);
}

}  // namespace

Task<Result<Held>> EdgeCertificates::load() {
  std::move_only_function<Result<Held>()> work = [dir = dir_] { return read(dir); };
  auto held = co_await off_loop<Result<Held>>(loop_, std::move(work));
  co_return held;
}

Task<Result<void>> EdgeCertificates::save(std::string trust_pem, std::string certificate_pem) {
  std::move_only_function<Result<pki::EdgeIdentity>()> work =
      [dir = dir_, trust = std::move(trust_pem), certificate = std::move(certificate_pem)] { return write(dir, trust, certificate); };
  auto identity = co_await off_loop<Result<pki::EdgeIdentity>>(loop_, std::move(work));
  if (!identity) co_return std::unexpected(identity.error());
  trust_.replace(identity->credentials);
  co_return Result<void>{};
}

}  // namespace fairlead::app
