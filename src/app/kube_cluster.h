// kube_cluster.h: what the cloud knows of its cluster, and what it writes there: the directory of what is at which edge, and in mode
// node-address the addresses of Nodes. On the main loop.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/kube_config.h"
#include "app/kube_rules.h"
#include "kube/cluster.h"
#include "kube/node_addresses.h"

namespace fairlead::app {

// How to reach the cluster that the configuration names. An error if that cannot be read now.
Result<std::function<Result<kube::Access>()>> cluster_access(const CloudKubeConfig& config, const std::filesystem::path& dir);

class KubeCluster {
 public:
  KubeCluster(net::Network& network, std::function<Result<kube::Access>()> access, const CloudKubeConfig& config, kube::Cluster::Tell tell);

  // Nodes are to say where their doors are; nothing is written unless the mode is node-address and the doors have one address.
  void apply(const KubeRules& rules);
  std::vector<kube::Cluster::KindState> states() const { return cluster_.states(); }
  std::uint64_t directories() const { return directories_; }
  // For people.
  std::vector<std::string> problems() const;

 private:
  std::uint64_t directories_ = 0;
  kube::Cluster cluster_;
  std::optional<kube::NodeAddresses> addresses_;
};

}  // namespace fairlead::app
