// connect_request.h: the head of an HTTP CONNECT (RFC 9110, 9.3.6; RFC 9112), read piece by piece. No socket, no clock.
//
// The request target alone says where the tunnel goes: fields, `Host` too, are read past and not kept, so that a head of any size costs
// the memory of its first line. What comes after the head belongs to the tunnel.
#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "net/address.h"

namespace fairlead::kube_plugin {

class ConnectReader {
 public:
  // Beyond it nobody is a client of ours any more; the API server's own heads have some 80 bytes.
  static constexpr std::size_t kMaxHead = 1_MiB;
  // CONNECT, a name of 253, a port, the version.
  static constexpr std::size_t kMaxLine = 512;

  struct Refusal {
    unsigned status;        // 400, 405, 414, 431, 505
    std::string_view text;  // a sentence for a person
  };

  // How many of the first bytes of `piece` belong to the head: all of them until done(). After a refusal the connection is to be closed.
  std::expected<std::size_t, Refusal> feed(std::string_view piece);
  bool begun() const { return size_ > 0; }
  bool done() const { return state_ == State::done; }
  // Once the first line was read. A host without brackets.
  const net::HostPort& target() const { return target_; }

 private:
  enum class State : std::uint8_t { line, line_end, field_start, field_name, field_value, field_end, last_lf, done };
  std::expected<void, Refusal> step(char c);
  std::expected<void, Refusal> read_line();

  State state_ = State::line;
  std::size_t size_ = 0;
  std::string line_;
  net::HostPort target_;
};

}  // namespace fairlead::kube_plugin
