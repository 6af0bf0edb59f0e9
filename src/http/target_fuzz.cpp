// Paths, authorities and queries: what is normal stays as it is, and no reader resolves it out of where a rule saw it.
#include <vector>

#include "http/fuzz_support.h"
#include "http/target.h"

namespace fairlead::http {
namespace {

// As the most generous service would read it: every escape undone, backslashes as slashes, parameters cut off.
std::vector<std::string> segments_as_others_read_them(std::string_view path) {
  std::vector<std::string> all(1);
  for (std::size_t i = 0; i < path.size(); i++) {
    char c = path[i];
    if (c == '%') {
      c = static_cast<char>(hex_value(path[i + 1]) * 16 + hex_value(path[i + 2]));
      i += 2;
    }
    if (c == '/' || c == '\\')
      all.emplace_back();
    else
      all.back() += c;
  }
  for (std::string& s : all) s.erase(std::min(s.find(';'), s.size()));
  return all;
}

void path(std::string_view text) {
  std::string scratch, more;
  const auto made = normalize_path(text, scratch);
  if (!made) {
    must(made.error().status == 400 && made.error().code == "bad-path");
    return;
  }
  must(made->starts_with('/'));
  const char* const end = made->data() + made->size();
  must(skip_visible(made->data(), end) == end && made->find_first_of("#\\") == made->npos);
  const auto again = normalize_path(*made, more);
  must(again && *again == *made);
  for (const std::string& s : segments_as_others_read_them(*made)) must(s != "." && s != ".." && s.find('\0') == s.npos);
}

void authority(std::string_view text) {
  const auto made = parse_authority(text);
  if (!made) return;
  must(!made->host.empty() && made->host.size() <= 255);
  must(made->host.find_first_of("@/ ,[]%?#\\") == made->host.npos);
  const bool v6 = made->host.find(':') != made->host.npos;
  std::string written = v6 ? "[" + std::string(made->host) + "]" : std::string(made->host);
  if (made->port) written += ":" + std::to_string(*made->port);
  const auto again = parse_authority(written);
  must(again && again->host == made->host && again->port == made->port);
  must(canonical_host(canonical_host(made->host)) == canonical_host(made->host));
}

void query(std::string_view text) {
  // Each parameter that has a name of its own is found.
  const Target t = split_target(text);
  must(t.path.size() + t.query.size() + t.has_query == text.size());
  std::string scratch;
  const std::string_view pair = t.query.substr(0, t.query.find('&'));
  const std::string_view name = pair.substr(0, pair.find('='));
  if (name.empty() || name.find_first_of("%+") != name.npos) return;
  const auto value = query_parameter(t.query, name, scratch);
  must(value.has_value() && value->size() <= pair.size());
}

}  // namespace
}  // namespace fairlead::http

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace fairlead::http;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  path(text);
  path(split_target(text).path);
  authority(text);
  query(text);
  return 0;
}
