#include "enrol/joining_folder.h"

#include <sys/stat.h>

namespace fairlead::enrol {
namespace {

namespace fs = std::filesystem;

// A mount point cannot be replaced: better known before the token is spent than after.
Result<void> check_no_mount_point(const fs::path& target) {
  struct stat own{}, parent{};
  if (::stat(target.c_str(), &own) != 0) return {};
  const fs::path above = target.has_parent_path() ? target.parent_path() : fs::path(".");
  if (::stat(above.c_str(), &parent) == 0 && own.st_dev != parent.st_dev)
    return fail(Code::invalid, "{} is a mount point: give the name of a new folder in it", target.native());
  return {};
}

// What a try that was killed has left, its key apart.
Result<void> clear(const fs::path& staging) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(staging, error)) {
    if (entry.path().filename() == pki::file_name::kEdgeKey) continue;
    fs::remove_all(entry.path(), error);
    if (error) break;
  }
  if (error) return fail(Error::from_errno(error.value(), "clear " + staging.native()));
  return {};
}

}  // namespace

Result<JoiningFolder> JoiningFolder::open(const fs::path& dir) {
  TRY_ASSIGN(const fs::path target, pki::new_folder(dir));
  TRY(check_no_mount_point(target));
  const fs::path staging = target.parent_path() / ("." + target.filename().native() + ".joining");
  if (::mkdir(staging.c_str(), 0700) != 0 && errno != EEXIST) return fail(Error::from_errno(errno, "make " + staging.native()));
  TRY_ASSIGN(pki::FolderLock lock, pki::FolderLock::take(staging));
  std::error_code error;
  if (!fs::exists(staging, error)) return fail(Code::exists, "another process has just joined into {}", target.native());
  TRY(clear(staging));
  const fs::path file = staging / pki::file_name::kEdgeKey;
  if (!fs::exists(file, error)) TRY(pki::PrivateKey::generate().save(file));
  TRY_ASSIGN(pki::PrivateKey key, pki::PrivateKey::load(file));
  return JoiningFolder(target, staging, std::move(lock), std::move(key));
}

Result<void> JoiningFolder::complete(const Joined& joined, pki::AlsoWrite also) {
  TRY(clear(staging_));
  TRY(also(staging_));
  TRY(pki::write_file(staging_ / pki::file_name::kAuthority, joined.trust_pem, 0644));
  TRY(pki::write_file(staging_ / pki::file_name::kEdge, joined.certificate_pem, 0644));
  return pki::put_in_place(staging_, target_);
}

}  // namespace fairlead::enrol
