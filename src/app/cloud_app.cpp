#include "app/cloud_app.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "app/metrics.h"
#include "app/version.h"
#include "base/log.h"
#include "doctor/doctor_egress.h"
#include "doctor/node_view.h"
#include "enrol/adoption.h"
#include "net/unix_socket.h"
#include "quic/probing.h"
#include "route/backend_states.h"
#include "runtime/cross.h"

namespace fairlead::app {
namespace {

// A certificate can expire while its session is up.
constexpr Duration kCheckSessions = 30s;
// A smaller receive buffer drops packets of a single fast flow.
constexpr std::size_t kSmallReceiveBuffer = 1_MiB;

template <std::size_t N>
void copy_secret(std::array<std::byte, N>& into, const Secret& secret) {
  std::memcpy(into.data(), secret.reveal().data(), std::min(N, secret.reveal().size()));
}

// For the values that lead a client back to its endpoint: the same on all replicas and after a restart.
route::HashKey persistence_key(const pki::MasterSecret& master) {
  const Secret bytes = master.derive("http persistence", sizeof(route::HashKey));
  route::HashKey key;
  std::memcpy(key.data(), bytes.reveal().data(), sizeof key);
  return key;
}

}  // namespace

namespace {
std::vector<std::string> alpns() {
  return {std::string(link::CloudLink::kAlpn), std::string(enrol::kJoinAlpn), std::string(doctor::kProbeAlpn)};
}
}  // namespace

class CloudApp::NodeView final : public route::NodeDirectory {
 public:
  explicit NodeView(const link::Nodes& nodes) : nodes_(nodes) {}
  std::uint64_t version() const override { return nodes_.version(); }
  bool is_connected(const NodeName& node) const override { return nodes_.find(node).has_value(); }
  void for_each(FunctionRef<void(const NodeName&, const route::Labels&)> visit) const override {
    for (const auto& [node, entry] : nodes_.all())
      if (entry.place) visit(node, entry.labels);
  }

 private:
  const link::Nodes& nodes_;
};

Result<std::unique_ptr<CloudApp>> CloudApp::make(Options options) {
  TRY_ASSIGN(CloudConfig config, load_cloud_config(options.dir));
  log::configure(config.log.level, config.log.format);
  TRY_ASSIGN(pki::CloudIdentity identity, pki::load_cloud(options.dir));
  TRY_ASSIGN(auto issuing, enrol::load_issuing(options.dir, config.certificate_lifetime, config.renew_grace));
  TRY_ASSIGN(FolderLock lock, FolderLock::take(options.dir));
  if (identity.master.authorities().empty()) {
    if (auto said = pki::write_first_secret_authorities(options.dir); !said)
      log::warn("cloud", "the CAs cannot be noted in secret.key, so a replica with others would not be found: {}", said.error());
    TRY_ASSIGN(identity, pki::load_cloud(options.dir));  // another replica may have been faster, with its own
  }
  std::unique_ptr<observe::AccessLog> access_log;
  if (config.access_log.on) {
    TRY_ASSIGN(access_log, observe::AccessLog::open({.path = config.access_log.path}));
  }
  std::unique_ptr<CloudApp> app(
      new CloudApp(std::move(options), std::move(config), std::move(lock), std::move(identity), std::move(issuing), std::move(access_log)));
  TRY(app->build());
  return app;
}

CloudApp::CloudApp(Options options, CloudConfig config, FolderLock lock, pki::CloudIdentity identity,
                   std::shared_ptr<const enrol::Issuing> issuing, std::unique_ptr<observe::AccessLog> access_log)
    : options_(std::move(options)),
      config_(std::move(config)),
      drain_limit_(config_.drain),
      lock_(std::move(lock)),
      master_(std::move(identity.master)),
      access_log_(std::move(access_log)),
      memory_(config_.memory.process, config_.memory.reserve),
      trust_(std::move(identity.credentials), std::make_shared<const pki::RevocationList>(std::move(identity.revoked))),
      issuer_(std::move(issuing)),
      node_view_(std::make_unique<NodeView>(nodes_)),
      backend_states_(std::make_shared<route::BackendStates>(persistence_key(master_))),
      rules_(options_.dir / kRoutesFolder, route::Site::cloud()),
      identity_files_({options_.dir / pki::file_name::kAuthority, options_.dir / pki::file_name::kAuthorityKey,
                       options_.dir / pki::file_name::kCloud, options_.dir / pki::file_name::kCloudKey,
                       options_.dir / pki::file_name::kRevoked}),
      kube_(options_.dir),
      pages_(*this, registry_) {}

CloudApp::~CloudApp() {
  watcher_.reset();
  admin_.reset();
  // Loops run no more. First the tasks, then what they use, on all loops; the loops themselves go last, with what was posted to them.
  for (auto& at : loops_) at->tasks.reset();
  cluster_.reset();
  for (auto& at : loops_) at->plugins->end_ingresses();
  for (auto& at : loops_) at->link.reset();
  for (auto& at : loops_) at->joins.reset();
  for (auto& at : loops_) at->probes.reset();
  for (auto& at : loops_) at->renewals.reset();
  for (std::size_t i = 0; i < loops_.size(); i++)
    if (strays_ && loops_[i]->endpoint) strays_->detach(LoopIndex(static_cast<std::uint16_t>(i)));
  for (auto& at : loops_) at->endpoint.reset();
  for (auto& at : loops_) at->fallback.reset();
}

Result<void> CloudApp::build() {
  TRY_ASSIGN(enrol::Registry registry, enrol::Registry::open(options_.dir));
  std::vector<pki::Fingerprint> authorities;
  for (const pki::Certificate& one : trust_.credentials()->trust().authorities()) authorities.push_back(one.fingerprint());
  TRY(registry.agree_on_authorities(authorities));
  TRY_ASSIGN(const std::vector<enrol::NodeRecord> enrolled, registry.nodes());
  for (const enrol::NodeRecord& node : enrolled)
    if (node.key && !node.revoked) enrolled_.insert(node.name);
  state_ = std::make_unique<enrol::RegistryThread>(std::move(registry));
  TRY_ASSIGN(enrol::Registry another, enrol::Registry::open(options_.dir));
  labels_in_state_ = std::make_unique<enrol::Registry>(std::move(another));
  take_up_labels();
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t count = config_.loops != 0 ? config_.loops : std::min(cores, 64u);
  std::vector<net::Network*> networks;
  std::vector<Loop*> loops;
  for (std::size_t i = 0; i < count; i++) {
    loops_.push_back(std::make_unique<CloudLoop>());
    networks.push_back(&loops_.back()->network);
    loops.push_back(&loops_.back()->loop);
  }
  const net::SocketAddress at = options_.listen.value_or(config_.listen);
  auto sockets = quic::bind_group(networks, at);
  if (!sockets) return fail(Error::wrap(fmt::format("listen for edges at {} (UDP)", at), sockets.error()));
  if (sockets->front()->receive_buffer() < kSmallReceiveBuffer)
    log::warn("cloud", "the UDP receive buffer is {} KiB: fast flows will lose packets; raise net.core.rmem_max or give CAP_NET_ADMIN",
              sockets->front()->receive_buffer() / 1024);
  strays_ = std::make_unique<quic::StrayExchange>(loops);

  const pki::LinkSecrets derived(master_);
  quic::EndpointSecrets secrets;
  copy_secret(secrets.token, derived.address_token);
  copy_secret(secrets.reset, derived.stateless_reset);
  copy_secret(secrets.ticket, derived.session_ticket);
  for (std::size_t i = 0; i < count; i++) TRY(build_loop(i, std::move((*sockets)[i]), secrets));
  for (auto& each : loops_) each->link->set_siblings(link_siblings_);
  build_fallback({at.ip, loops_.front()->endpoint->local().port});
  std::vector<Plugins*> plugins;
  for (auto& each : loops_) plugins.push_back(each->plugins.get());
  for (auto& each : loops_) each->plugins->set_siblings(plugins);

  std::shared_ptr<const RuleSet> rules = rules_.look(config_);
  for (auto& each : loops_) apply(*each, *rules);
  TRY(build_kube());

  CloudLoop& main = *loops_.front();
  admin_ = std::make_unique<admin::Server>(main.network, pages_);
  return listen_for_admin(*admin_, main.loop, main.network, options_.dir, config_);
}

Result<void> CloudApp::build_loop(std::size_t i, std::unique_ptr<net::DatagramSocket> socket, const quic::EndpointSecrets& secrets) {
  CloudLoop& at = *loops_[i];
  const LoopIndex index(static_cast<std::uint16_t>(i));
  quic::EndpointSettings settings{
      .engine = engine_settings(config_.link), .loop = index, .loops = static_cast<std::uint16_t>(loops_.size())};
  at.endpoint =
      std::make_unique<quic::Endpoint>(at.loop, std::move(socket), settings, secrets, memory_, config_.memory.session, strays_.get());
  strays_->attach(index, *at.endpoint);
  at.endpoint->serve({trust_.credentials(), alpns()});
  at.plugins = std::make_unique<Plugins>(at.network, access_log_.get());
  const auto retire_key = [dir = options_.dir](const NodeName& node, const pki::Fingerprint& key) {
    return pki::add_revocation(dir, key, fmt::format("the former key of node {}, which has joined anew", node));
  };
  at.joins = std::make_unique<enrol::JoinServer>(at.loop, issuer_, *state_, trust_, join_limiter_, retire_key);
  at.renewals = std::make_unique<enrol::RenewalEgress>(at.loop, issuer_, *state_, trust_);
  at.plugins->add(*at.renewals);
  at.probes = std::make_unique<doctor::ProbeServer>(at.loop, trust_, probe_quota_, doctor::ProbeServer::Options{.software = software()});
  at.link = std::make_unique<link::CloudLink>(
      at.loop, index, *at.endpoint, nodes_, trust_, at.plugins->egresses(),
      link::CloudLink::Options{.session = session_options(config_.link),
                               .software = software(),
                               .divert = [joins = at.joins.get(), probes = at.probes.get()](
                                             std::unique_ptr<net::MuxConnection>& c) { return joins->take(c) || probes->take(c); },
                               .connected =
                                   [this, where = &at.loop](const pki::Identity& peer, const net::SocketAddress& from) {
                                     enrol::note_connected(*state_, peer, from, where->wall_now());
                                   }});
  at.renewals->set_renewed([link = at.link.get()](const NodeName& node, const pki::Certificate& c) { link->renewed(node, c); });
  at.plugins->make_ingresses(*at.link, *node_view_, backend_states_, i == 0);
  at.plugins->reserve_udp(at.endpoint->local().port);
  at.plugins->kube_connect().set_find([this, &at](const net::HostPort& target) {
    return kube_plugin::look_up(target, at.directory.get(), [this](const NodeName& node) { return standing(node); }, at.turn++);
  });
  at.tasks = std::make_unique<Scope>(at.loop);
  link_siblings_.push_back({&at.loop, at.link.get()});
  return {};
}

// Edges can do without: a port that is taken is no reason not to start.
void CloudApp::build_fallback(const net::SocketAddress& at) {
  if (config_.link.fallback == link::FallbackMode::off) return;
  for (auto& each : loops_) {
    auto listener = each->network.listen(at, {.reuse_port = loops_.size() > 1});
    if (!listener) {
      log::warn("cloud", "edges for which UDP does not get through are not taken: listen at {} (TCP): {}", at, listener.error());
      return;
    }
    each->fallback =
        std::make_unique<h2::Endpoint>(each->loop, each->network, fallback_settings(config_.link), memory_, config_.memory.session);
    each->fallback->serve({trust_.credentials(), alpns()}, *std::move(listener));
  }
}

// Without a section `kube` nothing of it listens, and an edge that asks for the API server is refused.
Result<void> CloudApp::build_kube() {
  const CloudKubeConfig& config = config_.kube;
  if (!config.on) {
    kube_rules_ = std::make_shared<const KubeRules>();
    return {};
  }
  TRY(build_cluster());
  TRY_ASSIGN(kube_rules_, kube_.begin(config, edges()));
  for (auto& each : loops_) apply(*each, kube_rules_);
  if (!config.connect.socket.empty()) {
    const std::filesystem::path path = options_.dir / config.connect.socket;
    TRY_ASSIGN(std::unique_ptr<net::Listener> socket, net::listen_unix(loops_.front()->loop, path));
    loops_.front()->plugins->kube_connect().listen(std::move(socket), false, path.string());
  }
  if (config.connect.listen)
    for (auto& each : loops_) {
      TRY_ASSIGN(std::unique_ptr<net::Listener> port, each->network.listen(*config.connect.listen, {.reuse_port = loops_.size() > 1}));
      each->plugins->kube_connect().listen(std::move(port), true, config.connect.listen->to_text());
    }
  return {};
}

Result<void> CloudApp::build_cluster() {
  if (!config_.kube.cluster.named()) return {};
  TRY_ASSIGN(auto access, cluster_access(config_.kube, options_.dir));
  for (auto& at : loops_) at->directory = nullptr;
  CloudLoop& main = *loops_.front();
  cluster_ =
      std::make_unique<KubeCluster>(main.network, std::move(access), config_.kube, [this](std::shared_ptr<const kube::Directory> made) {
        for (auto& at : loops_) at->loop.post([where = at.get(), made] { where->directory = made; });
      });
  return {};
}

kube::Standing CloudApp::standing(const NodeName& node) const {
  if (nodes_.find(node)) return kube::Standing::connected;
  return enrolled_.contains(node) || nodes_.knows(node) ? kube::Standing::away : kube::Standing::stranger;
}

std::set<NodeName> CloudApp::edges() const {
  std::set<NodeName> names = enrolled_;
  for (const auto& [node, entry] : nodes_.all())
    if (entry.place) names.insert(node);
  return names;
}

void CloudApp::apply(CloudLoop& at, std::shared_ptr<const KubeRules> rules) {
  const bool main = &at == loops_.front().get();
  if (put_in_force(*at.plugins, *rules, at.kube_failed, main)) kube_.retry_soon();
  if (main && cluster_) cluster_->apply(*rules);
  if (main) kube_rules_ = std::move(rules);
}

void CloudApp::apply(CloudLoop& at, const RuleSet& rules) {
  const bool tell = &at == loops_.front().get();
  put_in_force(*at.plugins, rules, at.failed, rules_, tell);
}

Task<void> CloudApp::check_now_and_then(CloudLoop& at) {
  for (;;) {
    co_await at.loop.sleep(kCheckSessions);
    at.link->check_sessions();
  }
}

void CloudApp::run() {
  CloudLoop& main = *loops_.front();
  for (auto& at : loops_) {
    at->tasks->spawn(at->link->run());
    if (at->fallback) at->tasks->spawn(at->link->run_fallback(*at->fallback));
    at->tasks->spawn(check_now_and_then(*at));
  }
  if (options_.handle_signals) main.tasks->spawn(read_signals(main.loop, [this](Signal signal) { on_signal(signal); }));
  watcher_ = std::make_unique<Watcher>([this](bool woken) { look(woken); });
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < loops_.size(); i++) threads.emplace_back([at = loops_[i].get()] { at->loop.run(); });
  log::info("cloud", "listens for edges at {} (UDP), {} loops, folder {}", link_address(), loops_.size(), options_.dir.string());
  main.loop.run();
  watcher_.reset();
  for (std::thread& thread : threads) thread.join();
  log::info("cloud", "ended");
}

void CloudApp::stop() {
  loops_.front()->loop.post([this] { on_signal(Signal::end); });
}

void CloudApp::on_signal(Signal signal) {
  if (signal == Signal::reload) {
    log::info("cloud", "SIGHUP: reloads its configuration");
    if (access_log_) access_log_->reopen();
    watcher_->wake();
    return;
  }
  if (std::exchange(stopping_, true)) {
    log::warn("cloud", "ends at once");
    for (auto& at : loops_) at->loop.stop();
    return;
  }
  log::info("cloud", "drains for at most {}", to_text(drain_limit_.load()));
  loops_.front()->tasks->spawn(shut_down());
}

Task<void> CloudApp::shut_down() {
  CloudLoop& main = *loops_.front();
  const Duration limit = drain_limit_.load();
  {
    Scope drains(main.loop);
    for (auto& at : loops_)
      drains.spawn(run_on(main.loop, *at->tasks, [where = at.get(), limit]() -> Task<void> {
        return drain(where->loop, *where->plugins, *where->link, limit, "the cloud is shutting down");
      }));
    co_await drains.done();
  }
  for (auto& at : loops_) at->loop.stop();
}

void CloudApp::look(bool woken) {
  if (woken) reload_config();
  if (identity_files_.changed()) reload_identity();
  take_up_labels();
  std::shared_ptr<const RuleSet> rules = rules_.look(config_, woken);
  if (rules)
    for (auto& at : loops_) at->loop.post([this, where = at.get(), rules] { apply(*where, *rules); });
  if (!config_.kube.on) return;
  if (std::shared_ptr<const KubeRules> kube = kube_.look(config_.kube, edges(), woken))
    for (auto& at : loops_) at->loop.post([this, where = at.get(), kube] { apply(*where, kube); });
}

void CloudApp::reload_config() {
  auto config = load_cloud_config(options_.dir);
  if (!config) {
    log::error("cloud", "the configuration is not changed, since the new one is wrong: {}", config.error());
    return;
  }
  config_ = *std::move(config);
  drain_limit_ = config_.drain;
  log::configure(config_.log.level, config_.log.format);
}

void CloudApp::take_up_labels() {
  constexpr std::int64_t kUnreadable = -2;
  const auto version = labels_in_state_->seen_version();
  const std::int64_t before = std::exchange(labels_seen_, version.value_or(kUnreadable));
  if (before == labels_seen_) return;
  auto labels = labels_in_state_->labels();
  if (version && labels)
    nodes_.set_cloud_labels(*std::move(labels));
  else
    log::error("cloud", "labels of nodes cannot be read: {}", version ? labels.error() : version.error());
}

void CloudApp::reload_identity() {
  auto identity = pki::load_cloud(options_.dir);
  if (!identity) {
    log::error("cloud", "certificates and revocations are not changed, since the new ones are wrong: {}", identity.error());
    return;
  }
  auto issuing = enrol::load_issuing(options_.dir, config_.certificate_lifetime, config_.renew_grace);
  if (!issuing) {
    log::error("cloud", "certificates are not changed, since the CA's key is wrong: {}", issuing.error());
    return;
  }
  issuer_.replace(*std::move(issuing));
  trust_.replace(identity->credentials);
  trust_.replace(std::make_shared<const pki::RevocationList>(std::move(identity->revoked)));
  log::info("cloud", "took up changed certificates or revocations");
  for (auto& at : loops_)
    at->loop.post([where = at.get(), credentials = identity->credentials] {
      where->endpoint->serve({credentials, alpns()});
      if (where->fallback) where->fallback->serve({credentials, alpns()});
      where->link->check_sessions();
      where->link->tell_trust_changed();
    });
}

namespace {
// What the loop knows of the node's session, if it has it.
doctor::NodeView seen_here(const CloudLoop& at, doctor::NodeView view) {
  const std::shared_ptr<link::Session> session = at.link->find(view.node);
  if (!session) return view;
  const net::MuxConnection& carrier = session->carrier();
  view.connected = true;
  view.state = name(session->state());
  view.since = session->since();
  view.address = carrier.peer().to_text();
  view.software = session->hello().software;
  view.transport = carrier.transport();
  view.carrier = carrier.stats();
  if (const std::size_t most = carrier.max_datagram(); most > 0 && view.transport == "quic")
    view.udp_payload = most + quic::kDatagramOverhead;
  view.silent = at.loop.now() - carrier.last_heard();
  view.certificate_ends = session->peer().not_after;
  return view;
}
}  // namespace

Task<std::string> CloudApp::unready() {
  if (stopping_) co_return "draining";
  co_return "";
}

namespace {
struct LoopStatus {
  std::vector<link::SessionStatus> sessions;
  ListenerFailures failed, kube_failed;
};
}  // namespace

Task<std::string> CloudApp::status_json() {
  Loop& here = loops_.front()->loop;
  LoopStatus all;
  for (auto& at : loops_) {
    std::move_only_function<LoopStatus()> ask = [where = at.get()] {
      return LoopStatus{where->link->status(), where->failed, where->kube_failed};
    };
    LoopStatus one = co_await call_on<LoopStatus>(here, at->loop, std::move(ask));
    std::ranges::move(one.sessions, std::back_inserter(all.sessions));
    std::ranges::move(one.failed, std::back_inserter(all.failed));
    std::ranges::move(one.kube_failed, std::back_inserter(all.kube_failed));
  }
  std::vector<std::string> problems = rules_.problems();
  if (cluster_) std::ranges::move(cluster_->problems(), std::back_inserter(problems));
  co_return cloud_status_json(nodes_.all(), all.sessions, with_doors(rules_.listeners(all.failed), *kube_rules_, all.kube_failed),
                              problems);
}

Task<std::string> CloudApp::objects_json(std::string kind) {
  Loop& here = loops_.front()->loop;
  ListenerFailures failed;
  for (auto& at : loops_) {
    std::move_only_function<ListenerFailures()> ask = [where = at.get()] { return where->failed; };
    ListenerFailures one = co_await call_on<ListenerFailures>(here, at->loop, std::move(ask));
    std::ranges::move(one, std::back_inserter(failed));
  }
  co_return app::objects_json(kind, rules_, failed, *backend_states_, here.now());
}

Task<admin::Response> CloudApp::doctor(std::string name, std::string query) {
  auto node = NodeName::parse(name);
  if (!node) co_return admin::Response{.status = 400, .body = fmt::format("{}\n", node.error())};
  Loop& here = loops_.front()->loop;
  const TimePoint begun = here.now();
  doctor::NodeView view{.node = *node, .known = enrolled_.contains(*node) || nodes_.knows(*node)};
  const auto nodes = nodes_.all();
  if (auto it = nodes.find(*node); it != nodes.end()) {
    view.since = it->second.changed;
    view.reason = it->second.reason;
    view.address = it->second.address;
    view.software = it->second.software;
  }
  for (auto& at : loops_) {
    std::move_only_function<doctor::NodeView()> ask = [where = at.get(), view] { return seen_here(*where, view); };
    view = co_await call_on<doctor::NodeView>(here, at->loop, std::move(ask));
  }
  doctor::Report report{.role = "cloud", .node = node->value(), .software = software(), .at = here.wall_now()};
  report.findings = doctor::judge_node(view, report.at);
  if (view.connected) {
    const doctor::Target wanted = doctor::parse_query(query);
    auto asking = doctor::ask_node(*loops_.front()->link, here, *node, wanted.thorough, wanted.only);
    std::vector<doctor::Finding> theirs = co_await asking;
    std::ranges::move(theirs, std::back_inserter(report.findings));
  }
  report.took = here.now() - begun;
  co_return admin::Response{.content_type = "application/json", .body = doctor::report_json(report)};
}

Task<void> CloudApp::publish_metrics() {
  Loop& here = loops_.front()->loop;
  for (std::size_t i = 0; i < loops_.size(); i++) {
    CloudLoop* where = loops_[i].get();
    const LoopIndex index(static_cast<std::uint16_t>(i));
    std::move_only_function<bool()> copy = [this, where, index] {
      publish(registry_, index, where->link->totals());
      publish(registry_, index, where->link->counters());
      publish(registry_, index, where->joins->counters());
      publish(registry_, index, where->endpoint->counters());
      where->plugins->publish(registry_, index);
      return true;
    };
    bool done = co_await call_on<bool>(here, where->loop, std::move(copy));
    static_cast<void>(done);
  }
  if (cluster_) publish(registry_, LoopIndex(0), *cluster_);
  publish_process(registry_, LoopIndex(0), memory_, access_log_ ? access_log_->dropped() : 0);
}

}  // namespace fairlead::app
