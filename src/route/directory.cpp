#include "route/directory.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

namespace fairlead::route {

Result<std::string> read_manifest_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::unexpected(Error::from_errno(errno, fmt::format("{}: read", file.string())));
  std::string text;
  char block[65536];
  while (in.read(block, sizeof block) || in.gcount() > 0) {
    text.append(block, static_cast<std::size_t>(in.gcount()));
    if (text.size() > kMaxFileBytes) return fail(Code::too_large, "{}: larger than {} bytes", file.string(), kMaxFileBytes);
  }
  if (in.bad()) return fail(Code::io, "{}: cannot be read", file.string());
  return text;
}

std::vector<std::filesystem::path> manifest_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator i(folder, error), end; !error && i != end && files.size() < Directory::kMaxFiles;
       i.increment(error)) {
    const std::string ending = i->path().extension().string();
    if (i->path().filename().string().starts_with('.') || (ending != ".yaml" && ending != ".yml" && ending != ".json")) continue;
    files.push_back(i->path());
  }
  std::ranges::sort(files);
  return files;
}

std::map<std::filesystem::path, Directory::Stamp> Directory::look() const {
  std::map<std::filesystem::path, Stamp> found;
  for (const std::filesystem::path& file : manifest_files(path_)) {
    struct stat s{};  // of what a link points to
    if (::stat(file.c_str(), &s) != 0 || !S_ISREG(s.st_mode)) continue;
    found.emplace(file, Stamp(s.st_ino, s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec));
  }
  return found;
}

bool Directory::changed() const { return look() != seen_; }

Result<std::shared_ptr<const Snapshot>> Directory::reload() {
  seen_ = look();
  std::erase_if(files_, [&](const auto& file) { return !seen_.contains(file.first); });
  std::vector<Problem> problems;
  Manifests all;
  for (const auto& [path, stamp] : seen_) {
    File& file = files_[path];
    if (!file.manifests || file.stamp != stamp) {
      file = File{.stamp = stamp};
      Problems found(path.string());
      Manifests manifests;
      if (auto text = read_manifest_file(path))
        manifests = decode_manifests(*text, format_of(path.string()), found);
      else
        found.add(Severity::error, {}, "", text.error().describe());
      file.problems = found.take();
      file.manifests = std::make_shared<const Manifests>(std::move(manifests));
    }
    problems.insert(problems.end(), file.problems.begin(), file.problems.end());
    if (!has_errors(file.problems)) all.append(*file.manifests);
  }
  if (!has_errors(problems)) {
    std::vector<Problem> twice = find_duplicates(all);
    problems.insert(problems.end(), twice.begin(), twice.end());
  }
  if (has_errors(problems)) return std::unexpected(to_error(problems));
  return Snapshot::build(std::move(all), site_);
}

}  // namespace fairlead::route
