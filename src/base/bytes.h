// bytes.h: views of raw bytes. They never own.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace fairlead {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline const std::uint8_t* as_u8(Bytes bytes) { return reinterpret_cast<const std::uint8_t*>(bytes.data()); }
inline std::uint8_t* as_u8(MutableBytes bytes) { return reinterpret_cast<std::uint8_t*>(bytes.data()); }
inline Bytes from_u8(const std::uint8_t* data, std::size_t size) { return std::as_bytes(std::span(data, size)); }

std::string to_hex(Bytes bytes);

inline namespace literals {
constexpr std::size_t operator""_KiB(unsigned long long n) { return static_cast<std::size_t>(n) << 10; }
constexpr std::size_t operator""_MiB(unsigned long long n) { return static_cast<std::size_t>(n) << 20; }
constexpr std::size_t operator""_GiB(unsigned long long n) { return static_cast<std::size_t>(n) << 30; }
}  // namespace literals

}  // namespace fairlead
