#include "app/config.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace fairlead::app {
namespace {

using route::Field;
using route::Object;

// The smallest values that can work, and the largest that make sense: a typing error is more likely beyond.
auto duration_in(Duration& out, Duration least, Duration most) {
  return [&out, least, most](const Field& f) {
    Duration value = out;
    decode(f, value);
    if (value < least || value > most)
      f.error("{} is out of range ({} to {})", route::to_manifest_text(value), route::to_manifest_text(least),
              route::to_manifest_text(most));
    out = value;
  };
}

auto bytes_in(std::uint64_t& out, std::uint64_t least) {
  return [&out, least](const Field& f) {
    route::ByteSize size(out);
    decode(f, size);
    if (size.value() < least)
      f.error("{} is less than the least that works, {}", route::to_manifest_text(size), route::to_manifest_text(route::ByteSize(least)));
    out = size.value();
  };
}

void decode_link(Object& o, LinkConfig& link) {
  o.optional("congestion", route::one_of(link.congestion, {{"bbr", quic::EngineSettings::Congestion::bbr},
                                                           {"cubic", quic::EngineSettings::Congestion::cubic}}));
  o.optional("survive", duration_in(link.survive, 5s, 1h));
  o.optional("suspectAfter", duration_in(link.suspect_after, 500ms, 1min));
  o.optional("keepAlive", duration_in(link.keep_alive, 1s, 5min));
  o.optional("openTimeout", duration_in(link.open_timeout, 100ms, 5min));
  o.optional("maxStreams", route::in_range(link.max_streams, 16, 65'536));
}

void decode_proxy(const Field& f, EdgeConfig& config) {
  std::string url;
  decode(f, url);
  config.proxy_of_environment = url == "environment";
  if (url == "environment" || url == "none") return;
  auto proxy = link::Proxy::parse(url);
  if (proxy) config.proxy = *std::move(proxy);
  if (!proxy) f.error("{}", proxy.error().message());
}

// Interfaces, by name; each at most once.
void decode_uplinks(const Field& f, std::vector<std::string>& uplinks) {
  constexpr std::size_t kMost = 8;
  constexpr std::size_t kLongestName = 15;  // the kernel's IFNAMSIZ, without its end
  decode(f, uplinks);
  if (uplinks.size() > kMost) f.error("{} uplinks: at most {} are watched", uplinks.size(), kMost);
  for (const std::string& name : uplinks) {
    if (name.empty() || name.size() > kLongestName || name.find_first_of("/: \t") != std::string::npos)
      f.error("\"{}\" is no name of an interface", name);
    if (std::ranges::count(uplinks, name) > 1) f.error("{} is named twice", name);
  }
}

void decode_memory(const Field& f, MemoryConfig& memory) {
  {
    Object o(f);
    o.optional("process", bytes_in(memory.process, 8_MiB));
    o.optional("session", bytes_in(memory.session, 2_MiB));
    o.optional("reserve", bytes_in(memory.reserve, 1_MiB));
  }
  if (memory.reserve * 2 > memory.process) f.error("the reserve must be at most half of what the process may use");
}

void decode_access_log(const Field& f, AccessLogConfig& log) {
  std::string where;
  decode(f, where);
  log.on = where != "off";
  log.path = where == "stdout" ? "" : where;
}

void decode_common(Object& o, Config& config) {
  o.optional("memory", [&](const Field& f) { decode_memory(f, config.memory); });
  o.optional("egress", [&](const Field& f) {
    Object egress(f);
    egress.optional("allow", config.egress_allow);
    egress.optional("pods", config.egress_pods);
  });
  o.optional("admin", [&](const Field& f) {
    Object admin(f);
    admin.optional("listen", [&](const Field& listen) {
      decode(listen, config.admin_listen);
      if (config.admin_listen && !config.admin_listen->ip.is_loopback())
        listen.error("{} is not a loopback address: the admin endpoint asks nobody who he is", *config.admin_listen);
    });
  });
  o.optional("accessLog", [&](const Field& f) { decode_access_log(f, config.access_log); });
  o.optional("log", [&](const Field& f) {
    Object log(f);
    log.optional("level", route::one_of(config.log.level, {{"debug", log::Level::debug},
                                                           {"info", log::Level::info},
                                                           {"warn", log::Level::warn},
                                                           {"error", log::Level::error},
                                                           {"off", log::Level::off}}));
    log.optional("format", route::one_of(config.log.format, {{"text", log::Format::text}, {"json", log::Format::json}}));
  });
  o.optional("drain", duration_in(config.drain, 0s, 1h));
}

Result<std::string> read_config(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return std::string();
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return fail(Code::io, "{}: cannot be read", file.string());
  return text.str();
}

}  // namespace

// decode_config finds these by their argument.
void decode(const Field& f, CloudConfig& config) {
  Object o(f);
  o.optional("link", [&](const Field& section) {
    Object l(section);
    l.optional("listen", config.listen);
    decode_link(l, config.link);
    l.optional("fallback",
               route::one_of(config.link.fallback, {{"auto", link::FallbackMode::automatic}, {"off", link::FallbackMode::off}}));
  });
  o.optional("loops", route::in_range(config.loops, 1, 64));
  o.optional("join", [&](const Field& f) {
    Object join(f);
    join.optional("certificateLifetime", duration_in(config.certificate_lifetime, 10s, 24h * 3650));
    join.optional("renewGrace", duration_in(config.renew_grace, 0s, 24h * 3650));
  });
  decode_common(o, config);
  o.optional("kube", config.kube);
  if (config.kube.connect.listen) config.kube_ports.push_back(config.kube.connect.listen->port);
  // A machine of the control plane has services on loopback that trust whoever reaches them.
  if (config.kube.on && !config.egress_allow) config.egress_allow.emplace();
}

void decode(const Field& f, EdgeConfig& config) {
  Object o(f);
  o.optional("link", [&](const Field& section) {
    Object l(section);
    l.optional("cloud", config.cloud);
    l.optional("uplinks", [&](const Field& uplinks) { decode_uplinks(uplinks, config.paths.uplinks); });
    l.optional("probeUplinks", duration_in(config.paths.probe_every, 2s, 5min));
    decode_link(l, config.link);
    l.optional("fallback", route::one_of(config.link.fallback, {{"auto", link::FallbackMode::automatic},
                                                                {"off", link::FallbackMode::off},
                                                                {"only", link::FallbackMode::only}}));
    l.optional("proxy", [&](const Field& f) { decode_proxy(f, config); });
  });
  o.optional("labels", config.labels);
  decode_common(o, config);
  o.optional("kube", config.kube);
  for (const net::SocketAddress& at : config.kube.api_listen) config.kube_ports.push_back(at.port);
}

Result<CloudConfig> parse_cloud_config(std::string file, std::string_view text) {
  return route::decode_config<CloudConfig>(std::move(file), text);
}
Result<EdgeConfig> parse_edge_config(std::string file, std::string_view text) {
  return route::decode_config<EdgeConfig>(std::move(file), text);
}

Result<CloudConfig> load_cloud_config(const std::filesystem::path& dir) {
  const std::filesystem::path file = dir / kConfigFile;
  TRY_ASSIGN(std::string text, read_config(file));
  return parse_cloud_config(file.string(), text);
}
Result<EdgeConfig> load_edge_config(const std::filesystem::path& dir) {
  const std::filesystem::path file = dir / kConfigFile;
  TRY_ASSIGN(std::string text, read_config(file));
  return parse_edge_config(file.string(), text);
}

link::SessionOptions session_options(const LinkConfig& link) {
  return {.open_timeout = link.open_timeout, .suspect_after = link.suspect_after, .survive = link.survive};
}

quic::EngineSettings engine_settings(const LinkConfig& link) {
  quic::EngineSettings settings;
  settings.congestion = link.congestion;
  // The library's own idle timeout must not be first: the session decides.
  settings.idle_timeout = link.survive + 30s;
  settings.keep_alive = link.keep_alive;
  settings.max_streams = link.max_streams;
  settings.overload_code = static_cast<std::uint64_t>(wire::FlowCode::overloaded);
  return settings;
}

h2::EndpointSettings fallback_settings(const LinkConfig& link) {
  h2::EndpointSettings settings;
  settings.engine.idle_timeout = link.survive + 30s;
  settings.engine.max_streams = static_cast<std::uint32_t>(link.max_streams);
  settings.engine.overload_code = static_cast<std::uint64_t>(wire::FlowCode::overloaded);
  return settings;
}

}  // namespace fairlead::app
