// framing.h: what the fields of a head say about where the message ends and what becomes of the connection (RFC 9112, 6 and 9).
//
// A message whose end two readers could see in two places is refused: one Content-Length and one Transfer-Encoding at most, never both,
// a number of digits, the one coding `chunked`.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "http/head_parser.h"
#include "http/message.h"

namespace fairlead::http::detail {

// The fields of a head that the codec itself reads.
struct KnownFields {
  const Field* host = nullptr;
  const Field* length = nullptr;
  const Field* coding = nullptr;
  bool connection = false, expect = false, te = false, upgrade = false;  // there is such a field

  static std::expected<KnownFields, Refusal> find(const Fields& fields);
};

std::expected<std::uint64_t, Refusal> parse_length(std::string_view digits);

// Why a Transfer-Encoding cannot be taken; nullopt if it is `chunked`.
std::optional<Refusal> check_coding(std::string_view value, unsigned minor);

// The options of all Connection fields.
struct ConnectionOptions {
  bool close = false, keep_alive = false, upgrade = false;
  static ConnectionOptions read(const Fields& fields);
  bool keeps(unsigned minor) const { return !close && (minor == 1 || keep_alive); }
};

// The first protocol of an Upgrade that may be changed to here: h2c is not spoken and is passed over (RFC 9113, 3.1). Empty: none.
std::string_view read_upgrade(const Fields& fields);

}  // namespace fairlead::http::detail
