#include "route/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace fairlead::route {

namespace {

// Control characters escaped, cut after `most` bytes, never inside of a UTF-8 sequence; `quotes`: those escaped too.
std::string fit(std::string_view text, std::size_t most, bool quotes) {
  const bool cut = text.size() > most;
  std::size_t end = cut ? most : text.size();
  while (cut && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) end--;
  std::string out;
  for (std::size_t i = 0; i < end; i++) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool c1 = c == 0xc2 && i + 1 < end && static_cast<unsigned char>(text[i + 1]) < 0xa0;  // U+0080 to U+009F steer terminals too
    if (c < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", c);
    } else if (c1) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[++i]));
    } else {
      if (quotes && (c == '"' || c == '\\')) out += '\\';
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::string shown(std::string_view text) { return '"' + fit(text, kMaxShown, true) + (text.size() > kMaxShown ? "\"..." : "\""); }

std::string Problem::to_text() const {
  std::string text = file;
  if (at.line != 0) text += fmt::format(":{}:{}", at.line, at.column);
  text += severity == Severity::warning ? ": warning: " : ": ";
  if (!path.empty()) text += path + ": ";
  return text + message;
}

void Problems::add(Severity severity, Position at, std::string_view path, std::string_view message) {
  has_errors_ = has_errors_ || severity == Severity::error;
  if (list_.size() == kMaxPerFile) {
    left_out_++;
    return;
  }
  auto place = std::upper_bound(list_.begin(), list_.end(), at, [](Position a, const Problem& p) { return a < p.at; });
  list_.insert(place, {severity, file_, at, fit(path, kMaxLine, false), fit(message, kMaxLine, false)});
}

std::vector<Problem> Problems::take() {
  if (left_out_ > 0)
    list_.push_back({has_errors_ ? Severity::error : Severity::warning, file_, {}, "", fmt::format("{} more are not shown", left_out_)});
  left_out_ = 0;
  has_errors_ = false;
  return std::exchange(list_, {});
}

bool has_errors(const std::vector<Problem>& problems) {
  return std::any_of(problems.begin(), problems.end(), [](const Problem& p) { return p.severity == Severity::error; });
}

std::string to_text(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& p : problems) text += p.to_text() + "\n";
  return text;
}

std::string to_json(const std::vector<Problem>& problems) {
  boost::json::array list;
  for (const Problem& p : problems) {
    boost::json::object o{{"severity", p.severity == Severity::error ? "error" : "warning"}, {"file", p.file}};
    if (p.at.line != 0) {
      o["line"] = p.at.line;
      o["column"] = p.at.column;
    }
    if (!p.path.empty()) o["field"] = p.path;
    o["message"] = p.message;
    list.push_back(std::move(o));
  }
  return boost::json::serialize(boost::json::object{{"valid", !has_errors(problems)}, {"problems", std::move(list)}});
}

Error to_error(const std::vector<Problem>& problems) {
  std::string text = to_text(problems);
  if (!text.empty()) text.pop_back();
  return Error(Code::invalid, std::move(text));
}

}  // namespace fairlead::route
