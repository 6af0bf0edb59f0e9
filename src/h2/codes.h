// codes.h: the error codes of GOAWAY and RST_STREAM (RFC 9113, 7), and how ours are written in them.
//
// Below 0x100 they are HTTP/2's own; 0x100 and more are a TLS alert with which a peer's certificate was refused, as in QUIC
// (RFC 9001, 4.8); from 0x10000 on an application's code.
#pragma once
#include <cstdint>

namespace fairlead::h2 {

inline constexpr std::uint32_t kAlert = 0x100;
inline constexpr std::uint32_t kApplication = 0x10000;
inline constexpr std::uint32_t kRefusedStream = 0x7;
// A MuxClose's transport code for one of HTTP/2's own: apart from QUIC's.
inline constexpr std::uint64_t kHttp2Error = 0x200;

inline std::uint32_t on_wire(std::uint64_t application_code) {
  constexpr std::uint64_t kMost = UINT32_MAX - kApplication;
  return kApplication + static_cast<std::uint32_t>(application_code < kMost ? application_code : kMost);
}
inline bool is_application(std::uint32_t code) { return code >= kApplication; }
inline bool is_alert(std::uint32_t code) { return code >= kAlert && code < kAlert + 0x100; }

}  // namespace fairlead::h2
