#include "cli/defaults.h"

#include "app/config.h"
#include "pki/files.h"

namespace fairlead::cli {

Result<void> write_defaults(const std::filesystem::path& dir, std::string_view config) {
  TRY(pki::write_file(dir / app::kConfigFile, config, 0644));
  const std::filesystem::path routes = dir / app::kRoutesFolder;
  std::error_code error;
  if (!std::filesystem::create_directory(routes, error)) return fail(Error::from_errno(error.value(), "make " + routes.native()));
  return pki::write_file(routes / "README", app::routes_readme(), 0644);
}

}  // namespace fairlead::cli
