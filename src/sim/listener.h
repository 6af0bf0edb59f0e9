// listener.h: a Listener of a simulated host.
#pragma once
#include <deque>
#include <memory>

#include "net/network.h"
#include "runtime/wait_queue.h"
#include "sim/stream.h"

namespace fairlead::sim {

class Host;

class Listener final : public net::Listener {
 public:
  Listener(Host& host, const net::SocketAddress& local, const net::ListenOptions& options);
  ~Listener() override;

  Task<Result<std::unique_ptr<net::Incoming>>> accept() override;
  const net::SocketAddress& local() const override { return local_; }

  bool reuse_port() const { return options_.reuse_port; }
  // False when the backlog is full: the dialler tries again.
  bool offer(std::shared_ptr<Connection> connection);

 private:
  friend class Host;

  Host& host_;
  net::SocketAddress local_;
  net::ListenOptions options_;
  std::deque<std::unique_ptr<Incoming>> waiting_;
  WaitQueue acceptable_;
  bool gone_ = false;  // with its process
};

}  // namespace fairlead::sim
