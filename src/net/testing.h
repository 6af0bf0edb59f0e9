// testing.h: what tests do with streams and datagrams. For tests only.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "net/network.h"
#include "runtime/scope.h"

namespace fairlead::net {

// Byte `i` of a stream of test data: errors of order and position show.
inline std::byte pattern_at(std::size_t i) { return static_cast<std::byte>((i * 2654435761U) >> 13); }

inline std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; i++) bytes[i] = pattern_at(i);
  return bytes;
}

// What the stream still brings: its end, or the code of what ended it.
struct Rest {
  std::size_t size = 0;
  bool intact = true;  // all of it is pattern(), from `at` on
  Result<void> end;
};
inline Task<Rest> read_rest(Stream& stream, std::size_t at = 0) {
  Rest rest;
  std::vector<std::byte> buffer(32_KiB);
  for (;;) {
    auto n = co_await stream.read(buffer);
    if (!n) rest.end = std::unexpected(n.error());
    if (!n || *n == 0) co_return rest;
    for (std::size_t i = 0; i < *n; i++) rest.intact = rest.intact && buffer[i] == pattern_at(at + rest.size + i);
    rest.size += *n;
  }
}
inline Task<void> read_rest_into(Stream& stream, Rest& rest) { rest = co_await read_rest(stream); }

inline Task<void> write_pattern(Stream& stream, std::size_t size) {
  const std::vector<std::byte> bytes = pattern(size);
  auto written = co_await stream.write(bytes);
  EXPECT_TRUE(written) << written.error().describe();
}
inline Task<void> write_pattern_and_shut(Stream& stream, std::size_t size) {
  co_await write_pattern(stream, size);
  EXPECT_TRUE(stream.shut());
}

inline Task<Code> code_of_read(Stream& stream) {
  std::byte byte[1];
  auto n = co_await stream.read(byte);
  EXPECT_FALSE(n) << *n << " bytes";
  co_return n ? Code::internal : n.error().code();
}
inline Task<void> expect_reset(Stream& stream) {
  const Code first = co_await code_of_read(stream);
  EXPECT_EQ(first, Code::reset);
  const Code again = co_await code_of_read(stream);
  EXPECT_EQ(again, Code::reset);
  auto written = co_await stream.write(as_bytes("x"));
  EXPECT_FALSE(written);
  if (!written) EXPECT_EQ(written.error().code(), Code::reset);
}

inline Task<void> echo_one(std::unique_ptr<Stream> stream) {
  std::vector<std::byte> buffer(4_KiB);
  for (;;) {
    auto n = co_await stream->read(buffer);
    if (!n || *n == 0) break;
    auto written = co_await stream->write(std::span(buffer).first(*n));
    if (!written) break;
  }
  std::ignore = stream->shut();
}
inline Task<void> echo_all(Network& network, Listener& listener, int count) {
  Scope scope(network.loop());
  for (int i = 0; i < count; i++) {
    auto incoming = co_await listener.accept();
    EXPECT_TRUE(incoming);
    if (incoming) scope.spawn(echo_one(network.adopt(*std::move(incoming))));
  }
  co_await scope.done();
}
struct Received {
  SocketAddress from;
  SocketAddress to;
  Ecn ecn;
  std::vector<std::byte> payload;
};

inline std::size_t receive_into(DatagramSocket& socket, std::size_t limit, std::vector<Received>& all) {
  return socket.receive(limit, [&](const Datagram& d) { all.push_back({d.from, d.to, d.ecn, {d.payload.begin(), d.payload.end()}}); });
}
inline Task<std::vector<Received>> receive_at_least(DatagramSocket& socket, std::size_t count) {
  std::vector<Received> all;
  while (all.size() < count) {
    co_await socket.readable();
    receive_into(socket, 64, all);
  }
  co_return all;
}

}  // namespace fairlead::net
