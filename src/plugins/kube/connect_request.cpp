#include "plugins/kube/connect_request.h"

#include "http/grammar.h"
#include "http/target.h"

namespace fairlead::kube_plugin {
namespace {

using Refusal = ConnectReader::Refusal;

std::unexpected<Refusal> bad(unsigned status, std::string_view text) { return std::unexpected(Refusal{status, text}); }

constexpr std::string_view kMethod = "CONNECT ";
constexpr std::string_view kPreface = "PRI * HTTP/2";  // RFC 9113, 3.4
constexpr char kTlsHandshake = 0x16;                   // the first byte of a ClientHello's record (RFC 8446, 5.1)

// Field values may have HTAB, SP, VCHAR and obs-text (RFC 9110, 5.5).
bool may_stand_in_value(char c) { return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f); }

}  // namespace

std::expected<std::size_t, Refusal> ConnectReader::feed(std::string_view piece) {
  std::size_t taken = 0;
  while (taken < piece.size() && state_ != State::done) {
    if (++size_ > kMaxHead) return bad(431, "the head is longer than 1 MiB");
    auto stepped = step(piece[taken]);
    if (!stepped) return std::unexpected(stepped.error());
    taken++;
  }
  return taken;
}

std::expected<void, Refusal> ConnectReader::step(char c) {
  switch (state_) {
    case State::line:
      if (c == '\r') {
        state_ = State::line_end;
        return {};
      }
      if (line_.empty() && c == kTlsHandshake) return bad(400, "this is TLS, and plain HTTP is spoken here");
      if (c == '\n' || !may_stand_in_value(c)) return bad(400, "the request line is malformed");
      if (line_.size() == kMaxLine) return bad(414, "the request line is too long");
      line_.push_back(c);
      // As soon as it can be told: a client of another kind may send no line end at all.
      if (line_ == kPreface) return bad(505, "HTTP/2 is not spoken here");
      if (!line_.starts_with(kMethod) && !kMethod.starts_with(line_) && !kPreface.starts_with(line_))
        return bad(405, "only CONNECT is answered here");
      return {};
    case State::line_end: {
      if (c != '\n') return bad(400, "a line ends in CR without LF");
      state_ = State::field_start;
      return read_line();
    }
    case State::field_start:
      if (c == '\r') {
        state_ = State::last_lf;
        return {};
      }
      if (!http::is_token_char(c)) return bad(400, "a field is malformed");
      state_ = State::field_name;
      return {};
    case State::field_name:
      if (c == ':') {
        state_ = State::field_value;
        return {};
      }
      if (!http::is_token_char(c)) return bad(400, "a field name is malformed");
      return {};
    case State::field_value:
      if (c == '\r') {
        state_ = State::field_end;
        return {};
      }
      if (!may_stand_in_value(c)) return bad(400, "a field value has a control character");
      return {};
    case State::field_end:
      if (c != '\n') return bad(400, "a line ends in CR without LF");
      state_ = State::field_start;
      return {};
    case State::last_lf:
      if (c != '\n') return bad(400, "a line ends in CR without LF");
      state_ = State::done;
      return {};
    case State::done: return {};
  }
  return {};
}

std::expected<void, Refusal> ConnectReader::read_line() {
  std::string_view rest(line_);
  if (!rest.starts_with(kMethod)) return bad(400, "the request line is malformed");
  rest.remove_prefix(kMethod.size());
  const std::size_t space = rest.find(' ');
  if (space == rest.npos) return bad(400, "the request line is malformed");
  const std::string_view version = rest.substr(space + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return bad(505, "only HTTP/1.1 is spoken here");
  const auto authority = http::parse_authority(rest.substr(0, space));
  if (!authority || authority->host.empty()) return bad(400, "the target is not a host and a port");
  if (!authority->port || *authority->port == 0) return bad(400, "the target has no port");
  target_ = {http::canonical_host(authority->host), *authority->port};
  return {};
}

}  // namespace fairlead::kube_plugin
