// server.h: answers people and machines at the admin socket, and at a loopback port if one was configured.
//
// Invariant: a peer costs at most one head, one answer and the time-outs below; while all connections are taken the next ones wait in
// the kernel's backlog. Belongs to one loop. Destroying it ends its connections.
#pragma once
#include <memory>

#include "admin/http.h"
#include "net/network.h"
#include "runtime/scope.h"

namespace fairlead::admin {

// What is served. Knows its paths; answers 404 for the rest.
class Pages {
 public:
  virtual ~Pages() = default;
  virtual Task<Response> get(Request request) = 0;
};

struct ServerLimits {
  std::size_t connections = 32;  // a scraper, a watcher, a few people
  Duration head = 10s;           // from the first wait for a request to its whole head; also how long an idle connection is kept
  Duration answer = 30s;         // to take the whole answer
};

class Server {
 public:
  Server(net::Network& network, Pages& pages, ServerLimits limits = {});

  void listen(std::unique_ptr<net::Listener> listener);
  std::size_t connections() const { return connections_; }

 private:
  Task<void> accept(std::unique_ptr<net::Listener> listener);
  Task<void> serve(std::unique_ptr<net::Stream> stream);
  Task<void> answer_all(net::Stream& stream);
  Task<Result<void>> write(net::Stream& stream, const std::string& text);

  net::Network& network_;
  Pages& pages_;
  ServerLimits limits_;
  std::size_t connections_ = 0;
  WaitQueue closed_;
  Scope tasks_;
};

}  // namespace fairlead::admin
