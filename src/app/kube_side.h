// kube_side.h: the cloud's part of the kube plug-in that is no loop's: the ports of kubelets, the files of its certificates, what of the
// configuration is in force. On the watcher's thread, and once before it begins.
#pragma once
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "app/file_watch.h"
#include "app/kube_config.h"
#include "app/kube_rules.h"
#include "app/status.h"
#include "plugins/kube/port_plan.h"

namespace fairlead::app {

inline constexpr char kKubeletPorts[] = "kubelet-ports";  // in the folder: which node's kubelet is at which port

class KubeSide {
 public:
  explicit KubeSide(std::filesystem::path dir) : dir_(std::move(dir)) {}

  // The first look: fails when what is there cannot be used. `edges`: nodes to give ports to.
  Result<std::shared_ptr<const KubeRules>> begin(const CloudKubeConfig& config, const std::set<NodeName>& edges);
  // What is to be put in force now, or null. `again`: the configuration was read anew.
  std::shared_ptr<const KubeRules> look(const CloudKubeConfig& config, const std::set<NodeName>& edges, bool again);

  // From any thread: a port could not be opened.
  void retry_soon() { retry_ = true; }
  // From any thread: the port of each node's kubelet, in mode node-address.
  std::map<NodeName, std::uint16_t> kubelet_ports() const;

 private:
  Result<std::shared_ptr<const net::TlsServer>> load_tls(const CloudKubeConfig::Connect& connect) const;
  std::shared_ptr<const KubeRules> make(const CloudKubeConfig& config) const;
  // True if there is a new port.
  bool give_ports(const CloudKubeConfig& config, const std::set<NodeName>& edges);

  const std::filesystem::path dir_;
  std::vector<std::string> connect_at_;
  std::optional<kube_plugin::PortPlan> plan_;
  std::set<NodeName> without_port_;  // told once
  std::optional<FileWatch> tls_files_;
  std::shared_ptr<const net::TlsServer> tls_;
  int looks_ = 0;
  std::atomic<bool> retry_{false};
  mutable std::mutex mutex_;
  std::map<NodeName, std::uint16_t> ports_;
};

}  // namespace fairlead::app
