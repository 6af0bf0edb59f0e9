#include "enrol/issuer.h"

#include "pki/files.h"
#include "pki/folder.h"

namespace fairlead::enrol {

Result<std::shared_ptr<const Issuing>> load_issuing(const std::filesystem::path& dir, Duration edge_lifetime, Duration renew_grace) {
  Issuing issuing;
  issuing.edge_lifetime = edge_lifetime;
  issuing.renew_grace = renew_grace;
  TRY_ASSIGN(issuing.trust_pem, pki::read_file(dir / pki::file_name::kAuthority, pki::kMaxBundleSize));
  std::error_code ignored;
  if (std::filesystem::exists(dir / pki::file_name::kAuthorityKey, ignored)) {
    TRY_ASSIGN(issuing.authority, pki::load_authority(dir));
  }
  return std::make_shared<const Issuing>(std::move(issuing));
}

}  // namespace fairlead::enrol
