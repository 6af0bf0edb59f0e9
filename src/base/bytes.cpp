#include "base/bytes.h"

namespace fairlead {

std::string to_hex(Bytes bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(bytes.size() * 2, '\0');
  char* at = text.data();
  for (std::byte b : bytes) {
    *at++ = kDigits[std::to_integer<unsigned>(b) >> 4];
    *at++ = kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return text;
}

}  // namespace fairlead
