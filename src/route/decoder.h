// decoder.h: from a tree of Nodes to typed values. Manifests and the configuration file are both read with it.
//
//   void decode(const Field& f, Listener& out) {
//     Object o(f);
//     o.required("name", out.name);
//     o.optional("port", out.port);                                        // what is in `out` is the default
//     o.required("protocol", one_of(out.protocol, {{"TCP", Protocol::tcp}, {"UDP", Protocol::udp}}));
//     o.optional("weight", in_range(out.weight, 0, 1'000'000));
//   }
//
// Whatever is wrong is reported with file, place and field path, and decoding goes on: what comes out is to be used only if the
// Problems have no error. A key that no decoder asked for is an error. values.h has decode() for the types used everywhere.
#pragma once
#include <fmt/core.h>

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "route/document.h"

namespace fairlead::route {

// Which durations are taken: those of the Gateway API (GEP-2257: "1h30m", units h, m, s, ms), or days and microseconds as well.
enum class Durations : std::uint8_t { gateway_api, config };

struct Decoding {
  Problems& problems;
  Durations durations = Durations::gateway_api;
};

// A value and the way to it. A Field refers to the Field it was reached from, and to the Node: both outlive it.
class Field {
 public:
  Field(const Node& document, Decoding& in) : node_(&document), in_(&in) {}

  const Node& node() const { return *node_; }
  Decoding& decoding() const { return *in_; }
  std::string path() const;  // "spec.listeners[0].port"

  template <class... Args>
  void error(fmt::format_string<Args...> text, Args&&... args) const {
    report(Severity::error, node_->at, fmt::vformat(text, fmt::make_format_args(args...)));
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> text, Args&&... args) const {
    report(Severity::warning, node_->at, fmt::vformat(text, fmt::make_format_args(args...)));
  }
  void report(Severity severity, Position at, std::string_view message) const;

  // The value, or nothing and a report when it is of another kind.
  std::optional<std::string_view> string() const;
  std::optional<bool> boolean() const;
  std::optional<std::int64_t> whole_number() const;

  // Calls `each` for the items of a list. Reports what is not a list, or has fewer or more items.
  void items(std::size_t at_least, std::size_t at_most, FunctionRef<void(const Field&)> each) const;
  // Calls `each` for the keys of a mapping whose keys are the user's own.
  void entries(FunctionRef<void(const Member&, const Field&)> each) const;

  std::string_view kind_name() const;  // "a number"

 private:
  friend class Object;
  Field(const Node& node, const Field& parent, std::string_view key) : node_(&node), in_(parent.in_), parent_(&parent), key_(key) {}
  Field(const Node& node, const Field& parent, std::size_t index) : node_(&node), in_(parent.in_), parent_(&parent), index_(index) {}

  const Node* node_;
  Decoding* in_;
  const Field* parent_ = nullptr;
  std::string_view key_;
  std::size_t index_ = 0;  // in a list, if the key is empty
};

// A mapping with known keys. When it goes out of scope it reports the keys that nobody asked for. A key whose value is null is
// taken as absent, as Kubernetes does. Keys are string literals.
class Object {
 public:
  explicit Object(const Field& field);
  ~Object();
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  // `into`: something decode(const Field&, T&) takes, or a function of a const Field&.
  template <class T>
  void required(std::string_view key, T&& into) {
    if (std::optional<Field> f = find(key, true)) read(*f, into);
  }
  template <class T>
  void optional(std::string_view key, T&& into) {
    if (std::optional<Field> f = find(key, false)) read(*f, into);
  }

  bool has(std::string_view key) const;
  void ignore(std::string_view key) { find(key, false); }
  // A field that the API has and this version does not: refused, with a sentence of its own.
  void not_supported(std::string_view key);

  const Field& field() const { return field_; }

 private:
  std::optional<Field> find(std::string_view key, bool must_be_there);
  template <class T>
  static void read(const Field& f, T& into) {
    if constexpr (std::invocable<T&, const Field&>) {
      into(f);
    } else {
      decode(f, into);
    }
  }

  Field field_;
  const std::vector<Member>* members_;  // none: this is no mapping, and nothing more is said about it
  std::vector<std::string_view> known_;
  std::vector<bool> used_;
};

void decode(const Field& f, bool& out);
void decode(const Field& f, std::string& out);
void decode_whole(const Field& f, std::int64_t min, std::int64_t max, FunctionRef<void(std::int64_t)> into);

template <std::integral T>
  requires(!std::same_as<T, bool>)
void decode(const Field& f, T& out) {
  constexpr std::int64_t kMax =
      sizeof(T) < 8 ? static_cast<std::int64_t>(std::numeric_limits<T>::max()) : std::numeric_limits<std::int64_t>::max();
  decode_whole(f, static_cast<std::int64_t>(std::numeric_limits<T>::min()), kMax, [&](std::int64_t n) { out = static_cast<T>(n); });
}

template <class T>
void decode(const Field& f, std::optional<T>& out) {
  decode(f, out.emplace());
}

template <class T>
void decode(const Field& f, std::vector<T>& out) {
  out.clear();
  f.items(0, kMaxNodes, [&](const Field& item) { decode(item, out.emplace_back()); });
}

// A list of so many items.
template <class T>
auto list_of(std::vector<T>& out, std::size_t at_least, std::size_t at_most) {
  return [&out, at_least, at_most](const Field& f) {
    out.clear();
    f.items(at_least, at_most, [&](const Field& item) { decode(item, out.emplace_back()); });
  };
}

// A whole number from `min` to `max`.
template <std::integral T>
auto in_range(T& out, std::int64_t min, std::int64_t max) {
  return [&out, min, max](const Field& f) { decode_whole(f, min, max, [&](std::int64_t n) { out = static_cast<T>(n); }); };
}

// One of a set of words. The table is used before the end of the full expression that one_of() stands in.
std::optional<std::size_t> decode_word(const Field& f, std::size_t count, FunctionRef<std::string_view(std::size_t)> word);
template <class E>
auto one_of(E& out, std::initializer_list<std::pair<std::string_view, E>> words) {
  return [&out, words](const Field& f) {
    if (auto i = decode_word(f, words.size(), [&](std::size_t n) { return (words.begin() + n)->first; }))
      out = (words.begin() + *i)->second;
  };
}

// The one document of a configuration file; an empty file is an empty mapping.
template <class T>
Result<T> decode_config(std::string file, std::string_view text) {
  Problems problems(std::move(file));
  Decoding in{problems, Durations::config};
  std::vector<Node> documents = parse_document(text, format_of(problems.file()), problems);
  if (documents.size() > 1) problems.add(Severity::error, documents[1].at, "", "more than one document");
  if (documents.empty()) documents.push_back({.kind = Node::Kind::mapping, .at = {1, 1}});
  T out{};
  if (!problems.has_errors()) decode(Field(documents[0], in), out);
  if (problems.has_errors()) return std::unexpected(to_error(problems.take()));
  return out;
}

}  // namespace fairlead::route
