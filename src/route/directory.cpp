#include "route/directory.h"

#include <functional>

#include "route/manifests.h"

namespace fairlead::route {

bool Directory::is_same(const std::string& name, File& file) const {
  if (stamp_of(path_of(name)).value_or(FileStamp()) != file.stamp) return false;
  if (!file.young) return true;
  Result<FileText> text = read_file(path_of(name));
  if (!text || text->stamp != file.stamp || std::hash<std::string>()(text->text) != file.hash) return false;
  file.young = is_young(file.stamp);
  return true;
}

bool Directory::changed() {
  if (site_changed_) return true;
  Result<std::vector<std::string>> names = list_manifests(path_);
  if (!names) return names.error().describe() != list_error_;
  if (!list_error_.empty()) return true;
  if (names->size() != files_.size()) return true;
  auto file = files_.begin();
  for (const std::string& name : *names) {
    if (file->first != name || !is_same(name, file->second)) return true;
    ++file;
  }
  return ca_files_.changed();
}

Directory::File Directory::load(const std::string& name) const {
  File file;
  Problems problems(path_of(name));
  Result<FileText> text = read_file(path_of(name));
  if (!text) {
    problems.add(Severity::error, {}, "", text.error().describe());
    file.stamp = stamp_of(path_of(name)).value_or(FileStamp());
  } else {
    file.stamp = text->stamp;
    file.young = is_young(text->stamp);
    file.hash = std::hash<std::string>()(text->text);
    file.manifests = decode_manifests(text->text, format_of(name), problems);
  }
  file.problems = problems.take();
  return file;
}

Result<std::shared_ptr<const Snapshot>> Directory::reload() {
  Result<std::vector<std::string>> names = list_manifests(path_);
  site_changed_ = false;
  list_error_ = names ? "" : names.error().describe();
  if (!names) {
    problems_ = {{Severity::error, path_, {}, "", list_error_}};
    return std::unexpected(names.error());
  }
  std::map<std::string, File> files;
  Manifests all;
  problems_.clear();
  for (const std::string& name : *names) {
    auto known = files_.find(name);
    File file = known != files_.end() && is_same(name, known->second) ? std::move(known->second) : load(name);
    problems_.insert(problems_.end(), file.problems.begin(), file.problems.end());
    all.append(file.manifests);
    files.emplace(name, std::move(file));
  }
  files_ = std::move(files);
  const std::vector<Problem> duplicates = find_duplicates(all);
  problems_.insert(problems_.end(), duplicates.begin(), duplicates.end());
  ca_files_.load(all, problems_);
  if (has_errors(problems_)) return std::unexpected(to_error(problems_));
  current_ = Snapshot::build(std::move(all), site_);
  problems_.insert(problems_.end(), current_->warnings().begin(), current_->warnings().end());
  return current_;
}

void Directory::set_site(Site site) {
  site_ = std::move(site);
  site_changed_ = true;
}

}  // namespace fairlead::route
