#include "enrol/backup.h"

#include <fmt/format.h>

#include <algorithm>

#include "enrol/archive.h"
#include "pki/files.h"
#include "pki/folder.h"

namespace fairlead::enrol {
namespace {

namespace fs = std::filesystem;

constexpr char kCopy[] = ".state.db.backup";
constexpr int kDepth = 8;

struct Removed {
  fs::path file;
  ~Removed() {
    std::error_code ignored;
    fs::remove(file, ignored);
  }
};

bool is_state(std::string_view name) { return name.starts_with(kStateFile); }

// Files that are being written have names with a dot in front; sockets and the like are made anew by who uses them.
Result<void> collect(const fs::path& dir, const std::string& prefix, int depth, std::vector<ArchiveEntry>& into) {
  std::error_code error;
  for (const fs::directory_entry& each : fs::directory_iterator(dir, error)) {
    const std::string name = each.path().filename().native();
    if (name.starts_with('.') || name.ends_with(".lock") || (prefix.empty() && is_state(name))) continue;
    std::error_code gone;
    const fs::file_status status = each.status(gone);
    if (fs::is_directory(status)) {
      if (depth == 0) return fail(Code::too_large, "{} lies too deep", each.path().native());
      TRY(collect(each.path(), prefix + name + "/", depth - 1, into));
    } else if (fs::is_regular_file(status)) {
      TRY_ASSIGN(std::string content, pki::read_file(each.path(), kMaxArchive));
      into.push_back(
          {.path = prefix + name, .mode = static_cast<unsigned>(status.permissions()) & 0777u, .content = Secret(std::move(content))});
    }
  }
  if (error) return fail(Error::from_errno(error.value(), "read " + dir.native()));
  return {};
}

}  // namespace

Result<std::size_t> back_up(const fs::path& dir, const fs::path& file, Registry& registry, const Actor& by, WallTime now) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(file, ignored))) return fail(Code::exists, "{} exists already: nothing was changed", file.native());
  const fs::path folder = fs::weakly_canonical(dir, ignored), target = fs::weakly_canonical(file, ignored);
  if (std::ranges::mismatch(folder, target).in1 == folder.end())
    return fail(Code::invalid, "{} lies in the cloud's folder: each backup would hold those before it", file.native());
  const AuditLine line{
      .at = now, .who = by.who, .from = by.from, .what = "cloud.backup", .subject = file.filename().native(), .detail = ""};
  TRY(registry.note({&line, 1}));

  TRY_ASSIGN(const pki::FolderLock lock, pki::FolderLock::take(dir));
  std::vector<ArchiveEntry> entries;
  TRY(collect(dir, "", kDepth, entries));
  const Removed copy{dir / kCopy};
  fs::remove(copy.file, ignored);  // of a call that was killed
  TRY(registry.copy_to(copy.file));
  TRY_ASSIGN(std::string state, pki::read_file(copy.file, kMaxArchive));
  entries.push_back({.path = kStateFile, .mode = 0600, .content = Secret(std::move(state))});
  TRY_ASSIGN(const Secret archive, write_archive(entries));
  TRY(pki::write_file(file, archive.reveal(), 0600));
  return entries.size();
}

Result<Restored> restore(const fs::path& file, const fs::path& dir, const Actor& by, WallTime now) {
  TRY_ASSIGN(const Secret archive, pki::read_secret_file(file, kMaxArchive));
  TRY_ASSIGN(const std::vector<ArchiveEntry> entries, read_archive(archive.reveal()));
  Restored done{.files = entries.size(), .tokens_revoked = 0};
  TRY(pki::make_folder(dir, [&](const fs::path& staging) -> Result<void> {
    for (const ArchiveEntry& entry : entries) {
      const fs::path to = staging / entry.path;
      std::error_code error;
      fs::create_directories(to.parent_path(), error);
      if (error) return fail(Error::from_errno(error.value(), "make " + to.parent_path().native()));
      TRY(pki::write_file(to, entry.content.reveal(), entry.mode));
    }
    TRY(pki::load_cloud(staging));
    TRY_ASSIGN(Registry registry, Registry::open(staging));
    TRY_ASSIGN(const std::vector<TokenRecord> tokens, registry.tokens());
    for (const TokenRecord& token : tokens) {
      if (token.state(now) != TokenRecord::State::good) continue;
      TRY(registry.revoke_token(token.id, by, now));
      done.tokens_revoked++;
    }
    const AuditLine line{.at = now,
                         .who = by.who,
                         .from = by.from,
                         .what = "cloud.restore",
                         .subject = file.filename().native(),
                         .detail = fmt::format("{} tokens revoked", done.tokens_revoked)};
    return registry.note({&line, 1});
  }));
  return done;
}

}  // namespace fairlead::enrol
