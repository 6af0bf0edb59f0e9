#include "route/validation.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <istream>
#include <unordered_set>

#include "route/manifest_file.h"
#include "route/manifests.h"
#include "route/snapshot.h"

namespace fairlead::route {
namespace {

std::string counted(std::size_t n, std::string_view what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

bool is_directory(const std::string& path) {
  struct stat s{};
  return stat(path.c_str(), &s) == 0 && S_ISDIR(s.st_mode);
}

Result<std::string> read_all(std::istream& in) {
  std::string text;
  char block[65536];
  while (in.read(block, sizeof block) || in.gcount() > 0) {
    text.append(block, static_cast<std::size_t>(in.gcount()));
    if (text.size() > kMaxFileBytes) return fail(Code::too_large, "more than {} bytes", kMaxFileBytes);
  }
  return text;
}

class Validator {
 public:
  void add(const std::string& path, std::istream& standard_input) {
    if (path == "-") return add_text("standard input", read_all(standard_input));
    if (!is_directory(path)) return add_file(path);
    Result<std::vector<std::string>> names = list_manifests(path);
    if (!names) return report_.problems.push_back({Severity::error, path, {}, "", names.error().describe()});
    for (const std::string& name : *names) add_file(path + "/" + name);
  }

  Report finish() {
    report_.objects = all_.size();
    append(find_duplicates(all_));
    // What a wrong file would have defined cannot be looked up.
    if (!has_errors(report_.problems))
      for (Site::Role role : {Site::Role::cloud, Site::Role::edge}) append(Snapshot::build(all_, Site::any_of(role))->warnings());
    return std::move(report_);
  }

 private:
  void add_file(const std::string& path) {
    Result<FileText> file = read_file(path);
    add_text(path, file ? Result<std::string>(std::move(file->text)) : std::unexpected(file.error()));
  }

  void add_text(const std::string& name, Result<std::string> text) {
    report_.files++;
    Problems problems(name);
    if (text)
      all_.append(decode_manifests(*text, format_of(name), problems));
    else
      problems.add(Severity::error, {}, "", text.error().describe());
    append(problems.take());
  }

  // Once each: what is wrong for the cloud may be wrong for the edge as well.
  void append(const std::vector<Problem>& problems) {
    for (const Problem& p : problems)
      if (said_.insert(p.to_text()).second) report_.problems.push_back(p);
  }

  Report report_;
  std::unordered_set<std::string> said_;
  Manifests all_;
};

}  // namespace

std::string Report::to_text() const {
  const auto errors = static_cast<std::size_t>(
      std::count_if(problems.begin(), problems.end(), [](const Problem& p) { return p.severity == Severity::error; }));
  const std::size_t warnings = problems.size() - errors;
  std::string sum = fmt::format("{}, {}: ", counted(files, "file"), counted(objects, "object"));
  sum += errors > 0 ? counted(errors, "error") : "valid";
  if (warnings > 0) sum += ", " + counted(warnings, "warning");
  return route::to_text(problems) + sum + "\n";
}

std::string Report::to_json() const {
  return fmt::format(R"({{"files":{},"objects":{},{})", files, objects, route::to_json(problems).substr(1));
}

Report validate(std::span<const std::string> paths, std::istream& standard_input) {
  Validator validator;
  for (const std::string& path : paths) validator.add(path, standard_input);
  return validator.finish();
}

}  // namespace fairlead::route
