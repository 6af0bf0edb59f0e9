// cloud_app.h: `fairlead cloud`: configuration -> build -> run -> drain.
#pragma once
#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "app/cloud_loop.h"
#include "app/config.h"
#include "app/file_watch.h"
#include "app/host.h"
#include "app/in_force.h"
#include "app/kube_cluster.h"
#include "app/kube_side.h"
#include "app/pages.h"
#include "app/rules.h"
#include "app/watcher.h"
#include "enrol/registry_thread.h"
#include "observe/access_log.h"
#include "pki/folder.h"

namespace fairlead::app {

class CloudApp final : private Inspect {
 public:
  struct Options {
    std::filesystem::path dir;
    std::optional<net::SocketAddress> listen;  // instead of the configuration's
    bool handle_signals = true;                // false in tests: end it with stop()
  };

  // Everything that can be wrong with the folder is found here; nothing runs yet.
  static Result<std::unique_ptr<CloudApp>> make(Options options);
  ~CloudApp() override;

  // Runs until it is told to end and has drained.
  void run();
  // From any thread: drain and end; a second time: end at once.
  void stop();
  // The port of the link, for tests that listen at port 0.
  net::SocketAddress link_address() const { return loops_.front()->endpoint->local(); }

 private:
  CloudApp(Options options, CloudConfig config, FolderLock lock, pki::CloudIdentity identity, std::shared_ptr<const enrol::Issuing> issuing,
           std::unique_ptr<observe::AccessLog> access_log);
  Result<void> build();
  void build_fallback(const net::SocketAddress& at);
  Result<void> build_kube();
  Result<void> build_cluster();
  // Of what is known of a node to the kube plug-in. Any thread.
  kube::Standing standing(const NodeName& node) const;
  // Those that had a name when this began, and those that came since.
  std::set<NodeName> edges() const;
  Result<void> build_loop(std::size_t index, std::unique_ptr<net::DatagramSocket> socket, const quic::EndpointSecrets& secrets);

  // On the main loop.
  void on_signal(Signal signal);
  Task<void> shut_down();
  // On each loop.
  void apply(CloudLoop& at, const RuleSet& rules);
  void apply(CloudLoop& at, std::shared_ptr<const KubeRules> rules);
  static Task<void> check_now_and_then(CloudLoop& at);
  // On the watcher's thread.
  void look(bool woken);
  void reload_identity();
  void reload_config();
  // Those that commands have set; there, and before there is a watcher.
  void take_up_labels();

  // Inspect, on the main loop
  Task<std::string> unready() override;
  Task<std::string> status_json() override;
  Task<std::string> objects_json(std::string kind) override;
  Task<admin::Response> doctor(std::string node, std::string query) override;
  Task<void> publish_metrics() override;

  class NodeView;  // link::Nodes as route::NodeDirectory

  const Options options_;
  CloudConfig config_;  // after the start: read and written by the watcher's thread only
  std::atomic<Duration> drain_limit_;
  FolderLock lock_;
  pki::MasterSecret master_;
  std::unique_ptr<observe::AccessLog> access_log_;
  observe::Registry registry_;
  net::MemoryBudget memory_;
  link::Nodes nodes_;
  link::Trust trust_;
  enrol::Issuer issuer_;
  enrol::TryLimiter join_limiter_;
  doctor::ProbeQuota probe_quota_;
  std::unique_ptr<NodeView> node_view_;
  std::shared_ptr<route::BackendStates> backend_states_;
  Rules rules_;
  FileWatch identity_files_;
  std::set<NodeName> enrolled_;  // when this began
  std::unique_ptr<enrol::Registry> labels_in_state_;
  std::int64_t labels_seen_ = -1;  // version of the state
  KubeSide kube_;
  std::shared_ptr<const KubeRules> kube_rules_;  // in force; of the main loop
  std::vector<std::unique_ptr<CloudLoop>> loops_;
  std::unique_ptr<KubeCluster> cluster_;          // of the main loop; null: none is named
  std::unique_ptr<enrol::RegistryThread> state_;  // posts to the loops
  std::vector<link::CloudLink::Sibling> link_siblings_;
  std::unique_ptr<quic::StrayExchange> strays_;
  bool stopping_ = false;
  ComponentPages pages_;
  std::unique_ptr<admin::Server> admin_;
  std::unique_ptr<Watcher> watcher_;
};

}  // namespace fairlead::app
