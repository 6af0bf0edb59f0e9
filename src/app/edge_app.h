// edge_app.h: `fairlead edge`: configuration -> build -> run -> drain. One loop, on the calling thread.
#pragma once
#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>

#include "app/config.h"
#include "app/edge_certificates.h"
#include "app/file_watch.h"
#include "app/host.h"
#include "app/in_force.h"
#include "app/pages.h"
#include "app/rules.h"
#include "app/watcher.h"
#include "doctor/doctor_egress.h"
#include "link/edge_link.h"
#include "net/real_network.h"
#include "observe/access_log.h"
#include "pki/folder.h"

namespace fairlead::app {

class EdgeApp final : private Inspect {
 public:
  struct Options {
    std::filesystem::path dir;
    std::optional<net::HostPort> cloud;  // instead of the configuration's
    wire::Labels labels;                 // besides the configuration's, before them
    bool handle_signals = true;          // false in tests: end it with stop()
  };

  static Result<std::unique_ptr<EdgeApp>> make(Options options);
  ~EdgeApp() override;

  void run();
  // From any thread: drain and end; a second time: end at once.
  void stop();

 private:
  // An edge has no nodes of its own to choose from.
  class NoNodes;

  EdgeApp(Options options, EdgeConfig config, FolderLock lock, pki::EdgeIdentity identity, std::unique_ptr<observe::AccessLog> access_log);
  Result<void> build();
  Result<void> build_fallback();
  Result<std::unique_ptr<quic::Endpoint>> make_endpoint(const net::SocketAddress& cloud);
  void on_signal(Signal signal);
  Task<void> shut_down();
  Task<void> renew_late();
  void look(bool woken);  // on the watcher's thread
  void apply_kube(std::shared_ptr<const KubeRules> rules);

  Task<std::string> unready() override;
  Task<std::string> status_json() override;
  Task<std::string> objects_json(std::string kind) override;
  Task<void> publish_metrics() override;

  const Options options_;
  EdgeConfig config_;  // after the start: read and written by the watcher's thread only
  const LinkConfig link_config_;
  const MemoryConfig memory_config_;
  std::atomic<Duration> drain_limit_;
  FolderLock lock_;
  const NodeName node_;
  std::unique_ptr<observe::AccessLog> access_log_;
  observe::Registry registry_;
  net::MemoryBudget memory_;
  link::Trust trust_;
  quic::EndpointSecrets secrets_;
  Rules rules_;
  FileWatch identity_files_;
  AsioLoop loop_;
  net::RealNetwork network_;
  std::shared_ptr<route::BackendStates> backend_states_;
  std::unique_ptr<NoNodes> no_nodes_;
  std::unique_ptr<Plugins> plugins_;
  std::unique_ptr<doctor::DoctorEgress> doctor_;
  std::unique_ptr<h2::Endpoint> fallback_;  // null: there is none
  std::unique_ptr<link::EdgeLink> link_;
  std::unique_ptr<EdgeCertificates> certificates_;
  std::unique_ptr<enrol::Renewer> renewer_;
  ListenerFailures failed_, kube_failed_;
  std::shared_ptr<const KubeRules> kube_;  // in force
  std::atomic<bool> retry_kube_{false};
  int looks_ = 0;
  bool stopping_ = false;
  ComponentPages pages_;
  std::unique_ptr<admin::Server> admin_;
  std::unique_ptr<Scope> tasks_;
  std::unique_ptr<Watcher> watcher_;
};

}  // namespace fairlead::app
