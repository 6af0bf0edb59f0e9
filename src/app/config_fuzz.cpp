// Bytes to a configuration, of a cloud or, when the first byte is odd, of an edge. What is accepted keeps to its limits; what is refused
// says where.
#include <cstdint>

#include "app/config.h"

namespace {

using namespace fairlead;

void check(const app::Config& config) {
  if (config.memory.reserve * 2 > config.memory.process) __builtin_trap();
  if (config.link.survive < 5s || config.link.survive > 1h || config.drain < 0s || config.drain > 1h) __builtin_trap();
  if (config.admin_listen && !config.admin_listen->ip.is_loopback()) __builtin_trap();
  // The library may not give a connection up before the session does.
  if (app::engine_settings(config.link).idle_timeout <= app::session_options(config.link).survive) __builtin_trap();
}

void check(const Error& error) {
  if (error.describe().find("config.yaml") == std::string::npos) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = as_text(from_u8(data + 1, size - 1));
  if (data[0] % 2 == 0) {
    const auto config = app::parse_cloud_config("config.yaml", text);
    if (config && config->loops > 64) __builtin_trap();
    config ? check(*config) : check(config.error());
  } else {
    const auto config = app::parse_edge_config("config.yaml", text);
    if (config && config->cloud && config->cloud->port == 0) __builtin_trap();
    config ? check(*config) : check(config.error());
  }
  return 0;
}
