// node_addresses.h: makes Nodes say an address of Fairlead's, so that an API server whose flags nobody can change dials Fairlead for them
// (docs/KUBERNETES.md, node-address).
//
// For kubelets that run with cloud-provider=external, which keep the addresses that somebody else has set; takes the place of the cloud's
// own controller: sets InternalIP, then removes the taint that waits for it. A Node is not touched before its kubelet has the port that
// Fairlead listens at for it; one whose kubelet sets its address back is left alone ever longer. One loop.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "kube/api_client.h"
#include "kube/directory.h"
#include "runtime/timer.h"
#include "runtime/wait_queue.h"

namespace fairlead::kube {

class NodeAddresses {
 public:
  static constexpr Duration kFirstPause = 2s;  // after a try; doubled for each that did not last
  static constexpr Duration kLongestPause = 10min;
  static constexpr Duration kSteady = 10min;   // one that lasted so long did
  static constexpr std::size_t kPatience = 4;  // tries that did not last, until it is the kubelet's fault

  explicit NodeAddresses(ApiClient& client);

  // Where Fairlead listens for each node's kubelet.
  void want(std::map<NodeName, net::SocketAddress> wanted);
  // The Nodes as they are now.
  void look(std::shared_ptr<const Directory> directory);

  // What is wrong with each node that is not as it should be, for people.
  std::map<NodeName, std::string> problems() const;

 private:
  struct Try {
    TimePoint next{};
    std::size_t failures = 0;
    std::string problem;
  };
  Task<void> run();
  std::optional<NodeName> due();
  Duration until_next() const;
  bool needs(const NodeName& node, const net::SocketAddress& at) const;
  void tell(const NodeName& node, std::string problem);
  Task<Result<void>> set(NodeName node, net::IpAddress ip);

  ApiClient& client_;
  std::map<NodeName, net::SocketAddress> wanted_;
  std::shared_ptr<const Directory> directory_ = Directory::empty();
  std::map<NodeName, Try> tries_;  // of wanted nodes
  WaitQueue changed_;
  Timer later_;
  Scope scope_;
};

}  // namespace fairlead::kube
