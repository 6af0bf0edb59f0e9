// ngtcp2_path.h: our addresses as ngtcp2 has them, and back. For the engine's own files.
#pragma once
#include <ngtcp2/ngtcp2.h>

#include <cstring>

#include "net/address.h"

namespace fairlead::quic {

inline ngtcp2_socklen fill(ngtcp2_sockaddr_union& into, const net::SocketAddress& from) {
  if (from.ip.is_v4()) {
    into.in = {};
    into.in.sin_family = AF_INET;
    into.in.sin_port = htons(from.port);
    std::memcpy(&into.in.sin_addr, from.ip.data(), 4);
    return sizeof into.in;
  }
  into.in6 = {};
  into.in6.sin6_family = AF_INET6;
  into.in6.sin6_port = htons(from.port);
  std::memcpy(&into.in6.sin6_addr, from.ip.data(), 16);
  return sizeof into.in6;
}

inline net::SocketAddress from_ngtcp2(const ngtcp2_addr& from) {
  if (from.addr->sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, from.addr, sizeof in);
    return {net::IpAddress::v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
  }
  sockaddr_in6 in6;
  std::memcpy(&in6, from.addr, sizeof in6);
  std::array<std::uint8_t, 16> bytes;
  std::memcpy(bytes.data(), &in6.sin6_addr, 16);
  return {net::IpAddress::v6(bytes), ntohs(in6.sin6_port)};
}

// A path with the memory that its addresses are in.
class PathStorage {
 public:
  PathStorage() { ngtcp2_path_storage_zero(&storage_); }
  PathStorage(const net::SocketAddress& local, const net::SocketAddress& peer) {
    storage_.path = {{&storage_.local_addrbuf.sa, fill(storage_.local_addrbuf, local)},
                     {&storage_.remote_addrbuf.sa, fill(storage_.remote_addrbuf, peer)},
                     nullptr};
  }
  PathStorage(const PathStorage&) = delete;
  PathStorage& operator=(const PathStorage&) = delete;
  ngtcp2_path* get() { return &storage_.path; }

 private:
  ngtcp2_path_storage storage_;
};

}  // namespace fairlead::quic
