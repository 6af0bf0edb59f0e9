// message.h: an HTTP message as values (RFC 9110), whatever its framing was: what parsers give, encoders take and the wire carries.
//
// Everything is a view of the buffer that it was parsed from, or of what the one who made it keeps alive. Fields keep their order
// and the case they were sent in.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace fairlead::http {

namespace detail {
class HeadLines;
}

struct Field {
  std::string_view name;
  std::string_view value;  // without white space at the ends
  friend bool operator==(const Field&, const Field&) = default;
};

namespace detail {
bool equal_but_for_case(std::string_view a, std::string_view b);  // of equal size
}
// Field names, tokens: ASCII case is ignored. Most of what is asked is told apart by size or first letter.
inline bool equal_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  return a.empty() || (((a[0] ^ b[0]) & ~0x20) == 0 && detail::equal_but_for_case(a, b));
}

class Fields {
 public:
  void add(std::string_view name, std::string_view value) { all_.push_back({name, value}); }
  void clear() { all_.clear(); }
  // The first of that name, or null.
  const Field* find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  // Replaces all of that name by one, at the place of the first, or adds it.
  void set(std::string_view name, std::string_view value);
  std::size_t remove(std::string_view name);
  template <class Predicate>
  std::size_t remove_if(Predicate p) {
    return std::erase_if(all_, p);
  }
  // Whether a list field (RFC 9110, 5.6.1; several lines are one list) has `token`, case ignored. Quoted strings are one item.
  bool has_token(std::string_view name, std::string_view token) const;

  std::size_t size() const { return all_.size(); }
  bool empty() const { return all_.empty(); }
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  friend bool operator==(const Fields&, const Fields&) = default;

 private:
  friend class detail::HeadLines;  // whose buffer may move while it fills this
  std::vector<Field> all_;
};

// How long the content is said to be. `unknown`: until its end is told, which must be there.
struct BodyLength {
  enum class Kind : std::uint8_t { none, exact, unknown };
  Kind kind = Kind::none;
  std::uint64_t size = 0;  // of exact
  static BodyLength none() { return {}; }
  static BodyLength exact(std::uint64_t n) { return {Kind::exact, n}; }
  static BodyLength unknown() { return {Kind::unknown, 0}; }
  friend bool operator==(const BodyLength&, const BodyLength&) = default;
};

// What goes on from hop to hop. `fields` have no Host, Content-Length, Transfer-Encoding, Expect, Upgrade or hop-by-hop field once
// strip_hop_by_hop() was called: those are the members beside it.
struct Request {
  std::string_view method;
  std::string_view scheme;     // "http" or "https"
  std::string_view authority;  // host[:port], as the client sent it
  std::string_view target;     // origin form ("/path?query"), or "*"; what came in absolute form is made this
  Fields fields;
  BodyLength body;
  std::string_view upgrade;  // the protocol asked for (RFC 9110, 7.8): "websocket"; empty: none
  bool expect_continue = false;
};

struct Response {
  unsigned status = 0;
  std::string_view reason;
  Fields fields;
  BodyLength body;           // none for HEAD, 204, 304 and 1xx, where the fields may still say a Content-Length: see content_length
  std::string_view upgrade;  // of 101
  // What a Content-Length field said where no body follows (HEAD, 304); empty: no such field.
  std::string_view content_length;
};

// Removes Connection, what it names, Keep-Alive, Proxy-Connection, TE, Trailer (kept apart by who needs it), Transfer-Encoding,
// Upgrade, Host, Content-Length and Expect (RFC 9110, 7.6.1). What Connection must not name (RFC 9110, 7.6.1: end-to-end fields such
// as Cache-Control stay out of our judgement; Host and Content-Length are gone anyway).
void strip_hop_by_hop(Fields& fields);

}  // namespace fairlead::http
