// server_connection.h: one connection of a user: who it is (PROXY protocol, TLS), then its requests in turn, until either side ends it.
//
// Invariant: while it idles it holds no buffer and no desk; bytes that were not asked for yet (pipelining) are bounded by one buffer.
#pragma once
#include <optional>

#include "plugins/http/exchange.h"

namespace fairlead::http_plugin {

class ServerConnection : public ListHook {
 public:
  ServerConnection(Ingress& ingress, std::unique_ptr<net::Stream> stream, const net::SocketAddress& at);
  // One that served requests on another loop.
  ServerConnection(Ingress& ingress, std::unique_ptr<net::Stream> stream, const MovedConnection& moved);
  ~ServerConnection();
  Task<void> run();
  // Ends it if it idles; else its next answer says that it is the last.
  void begin_drain();

 private:
  Task<bool> begin();
  Task<Result<void>> read_proxy_header();
  // The next head is in the desk. False: there will be none.
  Task<bool> next_head();
  Task<Exchange::After> serve_one(std::optional<LoopIndex>& home);
  // Takes the whole head, if it is there. nullopt: more is needed.
  std::optional<std::expected<void, http::Refusal>> parse();
  Task<void> refuse(http::Refusal why);
  // After a request that was served from `home`: whether the connection has gone there.
  bool move(std::optional<LoopIndex> home);
  // Ends in order: what was written arrives, whatever the client still sends.
  Task<void> linger();
  void take_desk();
  void put_desk_away();
  const route::ListenerPolicy& policy() const;

  Ingress& ingress_;
  Origin origin_;
  unsigned moves_ = 0;
  bool moved_here_ = false;
  std::optional<LoopIndex> elsewhere_;  // where its last requests were served, if not here,
  unsigned requests_elsewhere_ = 0;     // and how many
  bool counted_ = false;                // against its source
  bool count_source(const net::IpAddress& source);
  std::unique_ptr<net::Stream> stream_;  // until there is a client
  Scope work_;
  std::optional<Client> client_;
};

}  // namespace fairlead::http_plugin
