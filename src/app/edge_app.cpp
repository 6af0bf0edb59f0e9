#include "app/edge_app.h"

#include <fmt/format.h>

#include <cstdlib>

#include "app/metrics.h"
#include "app/version.h"
#include "base/log.h"
#include "enrol/join_client.h"
#include "pki/random.h"
#include "pki/trust.h"
#include "route/backend_states.h"

namespace fairlead::app {
namespace {

constexpr Duration kCheckSession = 30s;
constexpr Duration kLookAtExpiry = 5min;

Task<void> check_now_and_then(Loop& loop, link::EdgeLink& link) {
  for (;;) {
    co_await loop.sleep(kCheckSession);
    link.check_session();
  }
}

std::shared_ptr<const KubeRules> kube_rules(const EdgeKubeConfig& config) {
  auto rules = std::make_shared<KubeRules>();
  rules->kubelet = config.kubelet;
  for (const net::SocketAddress& at : config.api_listen) rules->doors.push_back({at, link::Destination::cloud(), kube_plugin::kApiServer});
  return rules;
}

}  // namespace

class EdgeApp::NoNodes final : public route::NodeDirectory {
 public:
  std::uint64_t version() const override { return 0; }
  bool is_connected(const NodeName&) const override { return false; }
  void for_each(FunctionRef<void(const NodeName&, const route::Labels&)>) const override {}
};

Result<std::unique_ptr<EdgeApp>> EdgeApp::make(Options options) {
  TRY_ASSIGN(EdgeConfig config, load_edge_config(options.dir));
  log::configure(config.log.level, config.log.format);
  TRY_ASSIGN(pki::EdgeIdentity identity, pki::load_edge(options.dir));
  if (!options.cloud && !config.cloud)
    return fail(Code::invalid, "where is the cloud? Give --cloud HOST:PORT, or link.cloud in {}", (options.dir / kConfigFile).string());
  if (!options.cloud) options.cloud = config.cloud;
  for (const auto& [key, value] : config.labels) options.labels.emplace(key, value);
  TRY_ASSIGN(FolderLock lock, FolderLock::take(options.dir));
  std::unique_ptr<observe::AccessLog> access_log;
  if (config.access_log.on) {
    TRY_ASSIGN(access_log, observe::AccessLog::open({.path = config.access_log.path}));
  }
  std::unique_ptr<EdgeApp> app(
      new EdgeApp(std::move(options), std::move(config), std::move(lock), std::move(identity), std::move(access_log)));
  TRY(app->build());
  return app;
}

EdgeApp::EdgeApp(Options options, EdgeConfig config, FolderLock lock, pki::EdgeIdentity identity,
                 std::unique_ptr<observe::AccessLog> access_log)
    : options_(std::move(options)),
      config_(std::move(config)),
      link_config_(config_.link),
      memory_config_(config_.memory),
      drain_limit_(config_.drain),
      lock_(std::move(lock)),
      node_(identity.node),
      access_log_(std::move(access_log)),
      memory_(memory_config_.process, memory_config_.reserve),
      trust_(std::move(identity.credentials), std::make_shared<const pki::RevocationList>()),
      rules_(options_.dir / kRoutesFolder, route::Site::edge(node_, options_.labels)),
      identity_files_(
          {options_.dir / pki::file_name::kAuthority, options_.dir / pki::file_name::kEdge, options_.dir / pki::file_name::kEdgeKey}),
      network_(loop_),
      backend_states_(std::make_shared<route::BackendStates>(route::HashKey{pki::random_u64(), pki::random_u64()})),
      no_nodes_(std::make_unique<NoNodes>()),
      pages_(*this, registry_) {
  pki::random_bytes(secrets_.token);
  pki::random_bytes(secrets_.reset);
  pki::random_bytes(secrets_.ticket);
}

EdgeApp::~EdgeApp() {
  watcher_.reset();
  admin_.reset();
  tasks_.reset();
  plugins_->end_ingresses();
  link_.reset();
  fallback_.reset();
}

Result<void> EdgeApp::build() {
  plugins_ = std::make_unique<Plugins>(network_, access_log_.get());
  doctor_ = std::make_unique<doctor::DoctorEgress>(network_, [this] {
    return doctor::Order{.cloud = *options_.cloud,
                         .node = node_,
                         .credentials = trust_.credentials(),
                         .keep_alive = link_config_.keep_alive,
                         .software = software()};
  });
  plugins_->add(*doctor_);
  link_ = std::make_unique<link::EdgeLink>(
      loop_, network_, [this](const net::SocketAddress& cloud) { return make_endpoint(cloud); }, trust_, plugins_->egresses(),
      link::EdgeLink::Options{.session = session_options(link_config_),
                              .cloud = *options_.cloud,
                              .node = node_,
                              .labels = options_.labels,
                              .boot = BootId(pki::random_u64()),
                              .software = software(),
                              .paths = config_.paths,
                              .on_trust_changed = [this] { renewer_->wake(); }});
  TRY(build_fallback());
  certificates_ = std::make_unique<EdgeCertificates>(loop_, options_.dir, trust_);
  renewer_ = std::make_unique<enrol::Renewer>(loop_, *link_, *certificates_, node_);
  plugins_->make_ingresses(*link_, *no_nodes_, backend_states_, true);
  tasks_ = std::make_unique<Scope>(loop_);

  put_in_force(*plugins_, *rules_.look(config_), failed_, rules_, true);
  apply_kube(kube_rules(config_.kube));

  admin_ = std::make_unique<admin::Server>(network_, pages_);
  return listen_for_admin(*admin_, loop_, network_, options_.dir, config_);
}

Result<void> EdgeApp::build_fallback() {
  if (link_config_.fallback == link::FallbackMode::off) return {};
  link::FallbackOptions options{.mode = link_config_.fallback, .proxy = config_.proxy};
  if (config_.proxy_of_environment) {
    auto proxy = link::proxy_of_environment(options_.cloud->host, [](const char* name) { return std::getenv(name); });
    if (!proxy) return fail(Error::wrap("HTTPS_PROXY", proxy.error()));
    options.proxy = *std::move(proxy);
  }
  fallback_ = std::make_unique<h2::Endpoint>(loop_, network_, fallback_settings(link_config_), memory_, memory_config_.session);
  link_->set_fallback(*fallback_, std::move(options));
  return {};
}

Result<std::unique_ptr<quic::Endpoint>> EdgeApp::make_endpoint(const net::SocketAddress& cloud) {
  const net::SocketAddress any{cloud.ip.is_v4() ? net::IpAddress() : net::IpAddress::v6({}), 0};
  TRY_ASSIGN(std::unique_ptr<net::DatagramSocket> socket, network_.bind(any, {}));
  auto endpoint = std::make_unique<quic::Endpoint>(
      loop_, std::move(socket), quic::EndpointSettings{.engine = engine_settings(link_config_)}, secrets_, memory_, memory_config_.session);
  endpoint->renew_sockets_by([this, any] { return network_.bind(any, {}); });
  return endpoint;
}

void EdgeApp::run() {
  tasks_->spawn(link_->run());
  tasks_->spawn(renewer_->run());
  tasks_->spawn(renew_late());
  tasks_->spawn(check_now_and_then(loop_, *link_));
  if (options_.handle_signals) tasks_->spawn(read_signals(loop_, [this](Signal signal) { on_signal(signal); }));
  watcher_ = std::make_unique<Watcher>([this](bool woken) { look(woken); });
  log::info("edge", "node {} dials {}, folder {}", node_, options_.cloud->to_text(), options_.dir.string());
  loop_.run();
  watcher_.reset();
  log::info("edge", "ended");
}

// For an edge that was off, or away, when its certificate expired: no session can renew it any more.
Task<void> EdgeApp::renew_late() {
  for (;;) {
    auto held = co_await certificates_->load();
    if (!held) {
      co_await loop_.sleep(kLookAtExpiry);
      continue;
    }
    const Duration left = std::chrono::duration_cast<Duration>(held->certificate.not_after() - loop_.wall_now());
    if (left > 0ns) {
      co_await loop_.sleep(std::clamp<Duration>(left + 1s, 1s, kLookAtExpiry));
      continue;
    }
    auto trust = pki::TrustStore::from_pem(held->trust_pem, "ca.pem");
    if (!trust) co_return;
    log::warn("edge", "the certificate of node {} expired at {}: asks the cloud for a new one", node_,
              to_rfc3339(held->certificate.not_after()));
    const enrol::JoinAsk ask{.cloud = *options_.cloud,
                             .token = std::nullopt,
                             .pin = trust->authorities().front().fingerprint(),
                             .node = node_,
                             .key = held->key,
                             .software = software(),
                             .trust = *trust};
    enrol::MakeEndpoint make = [this](const net::SocketAddress& cloud) { return make_endpoint(cloud); };
    auto joined = co_await enrol::join(loop_, network_, std::move(make), ask);
    if (joined) {
      auto saved = co_await certificates_->save(std::move(joined->trust_pem), std::move(joined->certificate_pem));
      if (saved) {
        log::info("edge", "node {} has a new certificate", node_);
        continue;
      }
      log::error("edge", "the new certificate could not be written: {}", saved.error());
    } else {
      log::error("edge", "the certificate of node {} has expired and is not renewed: {}", node_, joined.error());
    }
    co_await loop_.sleep(kLookAtExpiry);
  }
}

void EdgeApp::stop() {
  loop_.post([this] { on_signal(Signal::end); });
}

void EdgeApp::on_signal(Signal signal) {
  if (signal == Signal::reload) {
    log::info("edge", "SIGHUP: reloads its configuration");
    if (access_log_) access_log_->reopen();
    watcher_->wake();
    return;
  }
  if (std::exchange(stopping_, true)) {
    log::warn("edge", "ends at once");
    loop_.stop();
    return;
  }
  log::info("edge", "drains for at most {}", to_text(drain_limit_.load()));
  tasks_->spawn(shut_down());
}

Task<void> EdgeApp::shut_down() {
  auto draining = drain(loop_, *plugins_, *link_, drain_limit_.load(), "the edge is shutting down");
  co_await draining;
  loop_.stop();
}

void EdgeApp::look(bool woken) {
  if (woken) {
    auto config = load_edge_config(options_.dir);
    if (!config) {
      log::error("edge", "the configuration is not changed, since the new one is wrong: {}", config.error());
    } else {
      config_ = *std::move(config);
      drain_limit_ = config_.drain;
      log::configure(config_.log.level, config_.log.format);
    }
  }
  if (identity_files_.changed()) {
    auto identity = pki::load_edge(options_.dir);
    if (!identity)
      log::error("edge", "certificates are not changed, since the new ones are wrong: {}", identity.error());
    else if (identity->node != node_)
      log::error("edge", "the new certificate is for node {}, this is {}: start anew to become another node", identity->node, node_);
    else
      trust_.replace(identity->credentials);
  }
  if (std::shared_ptr<const RuleSet> rules = rules_.look(config_, woken))
    loop_.post([this, rules] { put_in_force(*plugins_, *rules, failed_, rules_, true); });
  const bool retry = ++looks_ % Rules::kRetryLooks == 0 && retry_kube_.exchange(false);
  if (woken || retry) loop_.post([this, rules = kube_rules(config_.kube)] { apply_kube(rules); });
}

void EdgeApp::apply_kube(std::shared_ptr<const KubeRules> rules) {
  kube_ = std::move(rules);
  if (put_in_force(*plugins_, *kube_, kube_failed_, true)) retry_kube_ = true;
}

Task<std::string> EdgeApp::unready() {
  if (stopping_) co_return "draining";
  if (link_->status().state == link::EdgeState::suspect) co_return "the cloud is silent";
  if (link_->session()) co_return "";
  co_return fmt::format("not connected to the cloud: {}", link_->status().last_error);
}

Task<std::string> EdgeApp::status_json() {
  co_return edge_status_json(node_, link_->status(), with_doors(rules_.listeners(failed_), *kube_, kube_failed_), rules_.problems());
}

Task<std::string> EdgeApp::objects_json(std::string kind) {
  co_return app::objects_json(kind, rules_, failed_, *backend_states_, loop_.now());
}

Task<void> EdgeApp::publish_metrics() {
  const LoopIndex index(0);
  publish(registry_, index, link_->totals());
  publish(registry_, index, link_->status().paths);
  plugins_->publish(registry_, index);
  publish_process(registry_, index, memory_, access_log_ ? access_log_->dropped() : 0);
  co_return;
}

}  // namespace fairlead::app
