#include "route/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "route/suggestion.h"

namespace fairlead::route {

std::string Field::path() const {
  if (parent_ == nullptr) return "";
  std::string path = parent_->path();
  if (key_.empty()) return path + fmt::format("[{}]", index_);
  if (!path.empty()) path += '.';
  // A label may have dots in its name; a key from outside may have anything.
  const bool plain = std::all_of(key_.begin(), key_.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
  });
  return path + (plain ? std::string(key_) : shown(key_));
}

void Field::report(Severity severity, Position at, std::string_view message) const { in_->problems.add(severity, at, path(), message); }

std::string_view Field::kind_name() const {
  switch (node_->kind) {
    case Node::Kind::null: return "null";
    case Node::Kind::boolean: return "true or false";
    case Node::Kind::number: return "a number";
    case Node::Kind::string: return "text";
    case Node::Kind::sequence: return "a list";
    case Node::Kind::mapping: return "a mapping";
  }
  return "";
}

std::optional<std::string_view> Field::string() const {
  if (node_->kind == Node::Kind::string) return node_->text;
  if (node_->kind == Node::Kind::number || node_->kind == Node::Kind::boolean)
    error("{} is {} here, and text is needed: write \"{}\"", node_->text, kind_name(), node_->text);
  else
    error("text is needed, not {}", kind_name());
  return {};
}

std::optional<bool> Field::boolean() const {
  if (node_->kind == Node::Kind::boolean) return node_->text == "true";
  if (node_->kind == Node::Kind::string)
    error("{} is text; true or false is needed{}", shown(node_->text), node_->quoted ? ", without quotes" : "");
  else
    error("true or false is needed, not {}", kind_name());
  return {};
}

std::optional<std::int64_t> Field::whole_number() const {
  const std::string& text = node_->text;
  if (node_->kind == Node::Kind::string) {
    const bool is_one = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
    if (is_one)
      error("\"{}\" in quotes is text, and a number is needed: write {}", text, text);
    else
      error("{} is not a whole number", shown(text));
    return {};
  }
  if (node_->kind != Node::Kind::number) {
    error("a whole number is needed, not {}", kind_name());
    return {};
  }
  const std::string_view digits = std::string_view(text).substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty() || digits.find_first_not_of("0123456789") != digits.npos) {
    error("{} is not a whole number in decimal digits", text);
    return {};
  }
  if (digits.size() > 1 && digits[0] == '0') {  // YAML 1.1 takes it as octal, YAML 1.2 does not
    error("{} begins with 0, which some readers take as octal", text);
    return {};
  }
  std::int64_t n = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), n).ec != std::errc()) {
    error("{} is too large", text);
    return {};
  }
  return n;
}

void Field::items(std::size_t at_least, std::size_t at_most, FunctionRef<void(const Field&)> each) const {
  if (node_->kind != Node::Kind::sequence) return error("a list is needed, not {}", kind_name());
  const std::size_t n = node_->items.size();
  if (n < at_least) error("at least {} needed, {} here", at_least, n);
  if (n > at_most) return error("at most {} allowed, {} here", at_most, n);
  for (std::size_t i = 0; i < n; i++) each(Field(node_->items[i], *this, i));
}

void Field::entries(FunctionRef<void(const Member&, const Field&)> each) const {
  if (node_->kind != Node::Kind::mapping) return error("a mapping is needed, not {}", kind_name());
  for (const Member& m : node_->members) each(m, Field(m.value, *this, m.name));
}

Object::Object(const Field& field) : field_(field), members_(field.node().kind == Node::Kind::mapping ? &field.node().members : nullptr) {
  if (members_ == nullptr) {
    field.error("a mapping is needed, not {}", field.kind_name());
    return;
  }
  known_.reserve(16);
  used_.resize(members_->size());
}

Object::~Object() {
  if (members_ == nullptr) return;
  for (std::size_t i = 0; i < members_->size(); i++) {
    const Member& m = (*members_)[i];
    if (!used_[i]) field_.report(Severity::error, m.at, fmt::format("unknown key {}{}", shown(m.name), did_you_mean(m.name, known_)));
  }
}

bool Object::has(std::string_view key) const {
  if (members_ == nullptr) return false;
  return std::any_of(members_->begin(), members_->end(),
                     [&](const Member& m) { return m.name == key && m.value.kind != Node::Kind::null; });
}

void Object::not_supported(std::string_view key) {
  if (std::optional<Field> f = find(key, false)) f->error("not supported by this version");
  if (members_ != nullptr) known_.pop_back();  // no good suggestion
}

std::optional<Field> Object::find(std::string_view key, bool must_be_there) {
  if (members_ == nullptr) return {};
  known_.push_back(key);
  for (std::size_t i = 0; i < members_->size(); i++) {
    const Member& m = (*members_)[i];
    if (m.name != key) continue;
    used_[i] = true;
    if (m.value.kind == Node::Kind::null) break;
    return Field(m.value, field_, key);
  }
  if (must_be_there) field_.report(Severity::error, field_.node().at, fmt::format("\"{}\" is missing", key));
  return {};
}

void decode(const Field& f, bool& out) {
  if (auto b = f.boolean()) out = *b;
}

void decode(const Field& f, std::string& out) {
  if (auto s = f.string()) out = *s;
}

void decode_whole(const Field& f, std::int64_t min, std::int64_t max, FunctionRef<void(std::int64_t)> into) {
  const std::optional<std::int64_t> n = f.whole_number();
  if (!n) return;
  if (*n < min || *n > max) return f.error("{} is not from {} to {}", *n, min, max);
  into(*n);
}

std::optional<std::size_t> decode_word(const Field& f, std::size_t count, FunctionRef<std::string_view(std::size_t)> word) {
  const std::optional<std::string_view> text = f.string();
  if (!text) return {};
  std::vector<std::string_view> words;
  for (std::size_t i = 0; i < count; i++) {
    words.push_back(word(i));
    if (words.back() == *text) return i;
  }
  if (count == 1)
    f.error("{} is not {}{}", shown(*text), words[0], did_you_mean(*text, words));
  else
    f.error("{} is none of {}{}", shown(*text), fmt::join(words, ", "), did_you_mean(*text, words));
  return {};
}

}  // namespace fairlead::route
