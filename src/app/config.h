// config.h: `config.yaml` of a component's folder, decoded. docs/CONFIG.md has every key with its default; a test compares the two.
//
// A value that exists is valid. An empty file gives the defaults.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/kube_config.h"
#include "base/log.h"
#include "h2/endpoint.h"
#include "link/edge_paths.h"
#include "link/fallback.h"
#include "link/session.h"
#include "net/address.h"
#include "pki/authority.h"
#include "quic/engine.h"
#include "route/egress_policy.h"
#include "route/values.h"

namespace fairlead::app {

inline constexpr std::uint16_t kDefaultLinkPort = 8443;
inline constexpr char kConfigFile[] = "config.yaml";
inline constexpr char kRoutesFolder[] = "routes";
inline constexpr char kAdminSocket[] = "admin.sock";

struct LinkConfig {
  quic::EngineSettings::Congestion congestion = quic::EngineSettings::Congestion::bbr;
  Duration survive = 2min;      // of silence until a session is given up
  Duration suspect_after = 2s;  // of silence, with something in flight, until new flows fail at once
  Duration keep_alive = 4s;     // a sign of life after so long without a packet
  Duration open_timeout = 10s;  // to open a flow, service included
  std::uint64_t max_streams = 16'384;
  link::FallbackMode fallback = link::FallbackMode::automatic;  // where UDP does not get through: TLS over TCP
};

struct MemoryConfig {
  std::uint64_t process = 0;  // bytes buffered for all sessions
  std::uint64_t session = 64_MiB;
  std::uint64_t reserve = 0;  // of `process`, kept for control and management
};

struct AccessLogConfig {
  bool on = true;
  std::string path;  // empty: standard output
};

struct LogConfig {
  log::Level level = log::Level::info;
  log::Format format = log::Format::text;
};

struct Config {
  LinkConfig link;
  MemoryConfig memory;
  std::optional<std::vector<route::EgressRule>> egress_allow;  // none: this node
  std::vector<net::Cidr> egress_pods;                          // of this node: allowed by default, too
  std::vector<std::uint16_t> kube_ports;                       // TCP, at which the kube plug-in listens
  std::optional<net::SocketAddress> admin_listen;              // besides the UNIX socket; loopback only
  AccessLogConfig access_log;
  LogConfig log;
  Duration drain = 10s;
};

struct CloudConfig : Config {
  CloudConfig() { memory = {.process = 1_GiB, .reserve = 64_MiB}; }
  net::SocketAddress listen = net::SocketAddress::parse("[::]:8443").value();
  std::uint16_t loops = 0;                             // 0: one for each core
  Duration certificate_lifetime = pki::kEdgeLifetime;  // of those that edges get by joining and by renewal
  Duration renew_grace{};                              // after its expiry, how long one may be renewed by its key alone
  CloudKubeConfig kube;
};

struct EdgeConfig : Config {
  EdgeConfig() { memory = {.process = 256_MiB, .reserve = 16_MiB}; }
  std::optional<net::HostPort> cloud;
  std::optional<link::Proxy> proxy;  // for the fallback
  bool proxy_of_environment = true;  // unless `proxy` is set
  link::EdgePaths::Options paths;
  route::Labels labels;
  EdgeKubeConfig kube;
};

// Errors name file, line and field.
Result<CloudConfig> parse_cloud_config(std::string file, std::string_view text);
Result<EdgeConfig> parse_edge_config(std::string file, std::string_view text);
// The folder's; a folder without the file has the defaults.
Result<CloudConfig> load_cloud_config(const std::filesystem::path& dir);
Result<EdgeConfig> load_edge_config(const std::filesystem::path& dir);

// What `init` and `cert issue` write: every key, commented out, with its default.
std::string_view default_cloud_config();
std::string_view default_edge_config();
std::string_view routes_readme();

link::SessionOptions session_options(const LinkConfig& link);
quic::EngineSettings engine_settings(const LinkConfig& link);
h2::EndpointSettings fallback_settings(const LinkConfig& link);

}  // namespace fairlead::app
