// json_reader.cpp: JSON (RFC 8259) by the events of Boost.JSON to Nodes. The value parser of the same library would keep the last of
// two equal keys and turn numbers into doubles.
#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <limits>

#include "route/node_builder.h"

namespace fairlead::route {
namespace {

namespace json = boost::json;

// Turns pointers into the text into places, moving forward only.
class Places {
 public:
  explicit Places(std::string_view text) : text_(text) {}

  // Unchanged when `data` is outside of the text, as for a text with escapes.
  Position at(const char* data) {
    const auto begin = reinterpret_cast<std::uintptr_t>(text_.data());
    const auto p = reinterpret_cast<std::uintptr_t>(data);
    if (p >= begin + seen_ && p <= begin + text_.size()) advance(p - begin);
    return at_;
  }
  Position at_offset(std::size_t offset) {
    if (offset >= seen_) advance(std::min(offset, text_.size()));
    return at_;
  }

 private:
  void advance(std::size_t offset) {
    const std::string_view passed = text_.substr(0, offset);  // never looks further: all of a file may be one line
    for (std::size_t next; (next = passed.find('\n', seen_)) != passed.npos; seen_ = line_start_ = next + 1) at_.line++;
    seen_ = offset;
    at_.column = static_cast<std::uint32_t>(offset - line_start_) + 1;
  }
  std::string_view text_;
  std::size_t seen_ = 0;
  std::size_t line_start_ = 0;
  Position at_{1, 1};
};

struct Events {
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();

  Events(std::string_view text, Problems& problems) : places(text), build(problems) {}

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code& ec) { return go_on(build.begin(Node::Kind::mapping, last), ec); }
  bool on_object_end(std::size_t, json::error_code& ec) { return go_on(build.end(), ec); }
  bool on_array_begin(json::error_code& ec) { return go_on(build.begin(Node::Kind::sequence, last), ec); }
  bool on_array_end(std::size_t, json::error_code& ec) { return go_on(build.end(), ec); }
  bool on_key_part(json::string_view s, std::size_t, json::error_code&) { return part(s); }
  bool on_key(json::string_view s, std::size_t, json::error_code& ec) {
    part(s);
    return go_on(build.key(std::exchange(text, {}), last), ec);
  }
  bool on_string_part(json::string_view s, std::size_t, json::error_code&) { return part(s); }
  bool on_string(json::string_view s, std::size_t, json::error_code& ec) {
    part(s);
    return scalar(Node::Kind::string, ec);
  }
  bool on_number_part(json::string_view s, json::error_code&) { return part(s); }
  bool on_int64(std::int64_t, json::string_view s, json::error_code& ec) { return number(s, ec); }
  bool on_uint64(std::uint64_t, json::string_view s, json::error_code& ec) { return number(s, ec); }
  bool on_double(double, json::string_view s, json::error_code& ec) { return number(s, ec); }
  bool on_bool(bool b, json::error_code& ec) {
    text = b ? "true" : "false";
    return scalar(Node::Kind::boolean, ec);
  }
  bool on_null(json::error_code& ec) { return scalar(Node::Kind::null, ec); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

  Places places;
  NodeBuilder build;
  std::string text;  // of the scalar that is being read
  Position last{1, 1};
  bool stopped = false;

 private:
  bool part(json::string_view s) {
    if (text.empty()) last = places.at(s.data());
    text.append(s.data(), s.size());
    return true;
  }
  bool number(json::string_view s, json::error_code& ec) {
    part(s);
    return scalar(Node::Kind::number, ec);
  }
  bool scalar(Node::Kind kind, json::error_code& ec) {
    return go_on(build.add({.kind = kind, .quoted = kind == Node::Kind::string, .at = last, .text = std::exchange(text, {})}), ec);
  }
  bool go_on(bool more, json::error_code& ec) {
    if (more) return true;
    stopped = true;
    ec = json::error::array_too_large;  // never shown
    return false;
  }
};

}  // namespace

std::vector<Node> read_json(std::string_view text, Problems& problems) {
  json::parse_options options;
  options.max_depth = kMaxDepth + 1;  // the builder counts too, and says where
  json::basic_parser<Events> parser(options, text, problems);
  json::error_code ec;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), ec);
  Events& events = parser.handler();
  if (!ec && read < text.size()) ec = json::error::extra_data;
  if (ec && !events.stopped)
    problems.add(Severity::error, events.places.at_offset(read), "", fmt::format("not valid JSON: {}", ec.message()));
  return events.build.take();
}

}  // namespace fairlead::route
