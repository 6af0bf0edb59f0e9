// printable.h: text that a stranger wrote, made fit for a message: printable ASCII, of limited length.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace fairlead::pki {

std::string printable(std::string_view text, std::size_t limit = 120);

}  // namespace fairlead::pki
