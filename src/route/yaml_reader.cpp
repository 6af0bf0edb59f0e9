// yaml_reader.cpp: YAML events of yaml-cpp to Nodes, by the core schema of YAML 1.2 (section 10.3.2).
//
// yaml-cpp is lax in ways that matter here, each refused below: a quoted text that runs into the end of the file, a second document
// on the line of the first, and a document that begins at a "," (on which its parser never ends).
#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/node/node.h>  // parser.h only declares it
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <span>
#include <spanstream>

#include "route/node_builder.h"

namespace fairlead::route {
namespace {

struct Stop {};  // the only way out of yaml-cpp's parser from inside one of its events

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?, 0o7, 0xf, .inf, .nan
bool is_number(std::string_view s) {
  if (s.starts_with("0o")) return s.size() > 2 && s.find_first_not_of("01234567", 2) == s.npos;
  if (s.starts_with("0x")) return s.size() > 2 && s.find_first_not_of("0123456789abcdefABCDEF", 2) == s.npos;
  if (s == ".nan" || s == ".NaN" || s == ".NAN") return true;
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  if (s == ".inf" || s == ".Inf" || s == ".INF") return true;
  auto digits = [&] {
    std::size_t n = 0;
    while (n < s.size() && is_digit(s[n])) n++;
    s.remove_prefix(n);
    return n;
  };
  std::size_t mantissa = digits();
  if (s.starts_with('.')) {
    s.remove_prefix(1);
    mantissa += digits();
  }
  if (mantissa == 0) return false;
  if (s.starts_with('e') || s.starts_with('E')) {
    s.remove_prefix(1);
    if (s.starts_with('-') || s.starts_with('+')) s.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return s.empty();
}

Node::Kind plain_kind(std::string_view s) {
  if (s.empty() || s == "~" || s == "null" || s == "Null" || s == "NULL") return Node::Kind::null;
  if (s == "true" || s == "True" || s == "TRUE" || s == "false" || s == "False" || s == "FALSE") return Node::Kind::boolean;
  return is_number(s) ? Node::Kind::number : Node::Kind::string;
}

constexpr std::string_view kCore = "tag:yaml.org,2002:";

// The text and where its lines begin, to look at what yaml-cpp has passed over.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {
    starts_.push_back(0);
    for (std::size_t at = 0; (at = text.find('\n', at)) != text.npos;) starts_.push_back(++at);
  }
  std::string_view from(Position at) const {  // to the end of the text
    if (at.line == 0 || at.line > starts_.size()) return {};
    return text_.substr(std::min(text_.size(), starts_[at.line - 1] + at.column - 1));
  }
  std::string_view line(std::size_t number) const {
    const std::string_view rest = from({static_cast<std::uint32_t>(number), 1});
    return rest.substr(0, rest.find('\n'));
  }

 private:
  std::string_view text_;
  std::vector<std::size_t> starts_;
};

Position position(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::uint32_t>(mark.line) + 1, static_cast<std::uint32_t>(mark.column) + 1};
}

class Events final : public YAML::EventHandler {
 public:
  Events(const Lines& lines, Problems& problems) : build(problems), lines_(lines), problems_(problems) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    const Position at = position(mark);
    const bool marked = at.column == 1 && lines_.from(at).starts_with("---");
    if (documents_++ > 0 && !marked && (at == started_ || !after_end_marker(at))) {
      problems_.add(Severity::error, at, "", "more text after the end of the document; a line \"---\" begins another one");
      throw Stop();
    }
    started_ = at;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { scalar(mark, "?", anchor, "null"); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    scalar(mark, tag, anchor, value);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    build.error(position(mark), "aliases (*name) are not allowed: write the value out");
    value_or_key({.at = position(mark)});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    begin(mark, tag, "seq", anchor, Node::Kind::sequence);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    begin(mark, tag, "map", anchor, Node::Kind::mapping);
  }
  void OnSequenceEnd() override { build.end(); }
  void OnMapEnd() override { build.end(); }

  Position last_quoted;  // the quoted text read last; {} when something else came after it
  NodeBuilder build;

 private:
  void begin(const YAML::Mark& mark, const std::string& tag, std::string_view core, YAML::anchor_t anchor, Node::Kind kind) {
    const Position at = position(mark);
    refuse_anchor(at, anchor);
    if (tag != "?" && tag != "!" && !(tag.starts_with(kCore) && tag.substr(kCore.size()) == core)) refuse_tag(at, tag);
    if (build.wants_key()) {
      build.error(at, "a key must be text, not a list or a mapping");
      throw Stop();
    }
    if (!build.begin(kind, at)) throw Stop();
    last_quoted = {};
  }

  void scalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) {
    const Position at = position(mark);
    refuse_anchor(at, anchor);
    Node node{.at = at, .text = value};
    const bool is_core = tag.starts_with(kCore);
    const std::string_view core = is_core ? std::string_view(tag).substr(kCore.size()) : "";
    if (tag == "!" || core == "str") {
      node.kind = Node::Kind::string;
      node.quoted = true;
    } else {
      node.kind = plain_kind(value);
      if (tag != "?") {
        const bool fits = ((core == "int" || core == "float") && node.kind == Node::Kind::number) ||
                          (core == "bool" && node.kind == Node::Kind::boolean) || (core == "null" && node.kind == Node::Kind::null);
        if (!fits) refuse_tag(at, tag);
      }
    }
    if (node.kind == Node::Kind::boolean) node.text[0] == 't' || node.text[0] == 'T' ? node.text = "true" : node.text = "false";
    last_quoted = node.quoted ? at : Position{};
    value_or_key(std::move(node));
  }

  void value_or_key(Node node) {
    if (!build.wants_key()) {
      if (!build.add(std::move(node))) throw Stop();
      return;
    }
    if (node.kind == Node::Kind::null) build.error(node.at, "a key must be text, not null");
    if (!node.quoted && node.text == "<<") build.error(node.at, "merge keys (<<) are not allowed: write the values out");
    if (!build.key(std::move(node.text), node.at)) throw Stop();
  }

  void refuse_anchor(Position at, YAML::anchor_t anchor) {
    if (anchor != 0) build.error(at, "anchors (&name) are not allowed: write the value out where it is needed");
  }
  void refuse_tag(Position at, const std::string& tag) { build.error(at, fmt::format("the tag {} does not fit here", shown(tag))); }

  // Whether the last line above `at` that says anything is "...".
  bool after_end_marker(Position at) const {
    for (std::size_t n = at.line; n-- > 1;) {
      std::string_view line = lines_.line(n);
      const std::size_t first = line.find_first_not_of(" \t\r");
      if (first == line.npos || line[first] == '#' || line.starts_with('%')) continue;
      return line.starts_with("...");
    }
    return false;
  }

  const Lines& lines_;
  Problems& problems_;
  std::size_t documents_ = 0;
  Position started_;
};

// `text` begins with a quoted text, a tag before it perhaps: whether it also ends.
bool is_terminated(std::string_view text) {
  while (text.starts_with('!')) {
    text.remove_prefix(std::min(text.size(), text.find_first_of(" \t\r\n")));
    text.remove_prefix(std::min(text.size(), text.find_first_not_of(" \t\r\n")));
  }
  if (text.empty() || (text[0] != '"' && text[0] != '\'')) return true;  // a block scalar, or a plain one with the tag "!"
  const char quote = text[0];
  for (std::size_t i = 1; i < text.size(); i++) {
    if (quote == '"' && text[i] == '\\') {
      i++;
    } else if (text[i] == quote) {
      if (quote == '"' || !text.substr(i + 1).starts_with('\'')) return true;
      i++;  // '' is one quote inside
    }
  }
  return false;
}

// Most mistakes in YAML are one of these two, and the parser's own words help with neither.
std::string explain(const Lines& lines, const YAML::Exception& e, Position at) {
  for (std::size_t n = at.line; n + 2 > at.line && n > 0; n--) {
    const std::string_view line = lines.line(n);
    if (line.substr(0, line.find_first_not_of(" \t")).find('\t') != line.npos)
      return fmt::format("not valid YAML: a tab in the indentation of line {}; use spaces", n);
  }
  if (e.msg == YAML::ErrorMsg::MAP_VALUE || e.msg == YAML::ErrorMsg::MAP_KEY)
    return "not valid YAML: a key cannot stand here; look at the indentation, and put a text that has \": \" in it in quotes";
  if (e.msg == YAML::ErrorMsg::UNKNOWN_TOKEN) return "not valid YAML: no value can begin with this character; put it in quotes";
  return fmt::format("not valid YAML: {}", e.msg);
}

}  // namespace

std::vector<Node> read_yaml(std::string_view text, Problems& problems) {
  const Lines lines(text);
  Events events(lines, problems);
  std::ispanstream in(std::span<const char>(text.data(), text.size()));
  try {
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(events)) {
    }
    if (events.last_quoted.line != 0 && !is_terminated(lines.from(events.last_quoted)))
      problems.add(Severity::error, events.last_quoted, "", "the quoted text that begins here does not end");
  } catch (const YAML::Exception& e) {
    const Position at = position(e.mark);
    problems.add(Severity::error, at, "", explain(lines, e, at));
  } catch (const Stop&) {
    return events.build.take();  // reported by whoever threw it
  }
  return events.build.take();
}

}  // namespace fairlead::route
