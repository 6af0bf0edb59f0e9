// defaults.h: what a new folder has besides its identity: the configuration with every key at its default, and a place for rules.
#pragma once
#include <filesystem>
#include <string_view>

#include "base/error.h"

namespace fairlead::cli {

Result<void> write_defaults(const std::filesystem::path& dir, std::string_view config);

}  // namespace fairlead::cli
