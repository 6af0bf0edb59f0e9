// tls_network.h: a Network whose streams are TLS over those of another: for the contract of streams. For tests only.
#pragma once
#include <deque>
#include <memory>

#include "net/tls_fixture.h"
#include "runtime/wait_queue.h"

namespace fairlead::net {

class TlsIncoming final : public Incoming {
 public:
  explicit TlsIncoming(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
  const SocketAddress& peer() const override { return stream_->peer(); }
  const SocketAddress& local() const override { return stream_->local(); }
  std::unique_ptr<Stream> take() { return std::move(stream_); }

 private:
  std::unique_ptr<Stream> stream_;
};

// Shakes hands with all who come, before they are accepted.
class TlsListener final : public Listener {
 public:
  TlsListener(Network& network, std::unique_ptr<Listener> inner, std::shared_ptr<const TlsServer> server)
      : network_(network), inner_(std::move(inner)), server_(std::move(server)), come_(network.loop()), scope_(network.loop()) {
    scope_.spawn(listen());
  }
  Task<Result<std::unique_ptr<Incoming>>> accept() override {
    while (ready_.empty()) co_await come_.wait();
    auto first = std::make_unique<TlsIncoming>(std::move(ready_.front()));
    ready_.pop_front();
    co_return first;
  }
  const SocketAddress& local() const override { return inner_->local(); }

 private:
  Task<void> listen() {
    for (;;) {
      auto incoming = co_await inner_->accept();
      if (incoming) scope_.spawn(shake(network_.adopt(*std::move(incoming))));
    }
  }
  Task<void> shake(std::unique_ptr<Stream> transport) {
    TlsPeer peer;
    auto stream = co_await server_->accept(network_.loop(), std::move(transport), peer);
    if (!stream) co_return;
    ready_.push_back(*std::move(stream));
    come_.wake_one();
  }

  Network& network_;
  std::unique_ptr<Listener> inner_;
  std::shared_ptr<const TlsServer> server_;
  std::deque<std::unique_ptr<Stream>> ready_;
  WaitQueue come_;
  Scope scope_;
};

class TlsNetwork final : public Network {
 public:
  explicit TlsNetwork(Network& inner) : inner_(inner) {}
  Loop& loop() override { return inner_.loop(); }
  Result<std::unique_ptr<Listener>> listen(const SocketAddress& at, const ListenOptions& options) override {
    TRY_ASSIGN(std::unique_ptr<Listener> listener, inner_.listen(at, options));
    return std::make_unique<TlsListener>(inner_, std::move(listener), server_);
  }
  std::unique_ptr<Stream> adopt(std::unique_ptr<Incoming> incoming) override { return static_cast<TlsIncoming&>(*incoming).take(); }
  Task<Result<std::unique_ptr<Stream>>> connect(const SocketAddress& to) override {
    const SocketAddress address = to;
    auto transport = co_await inner_.connect(address);
    if (!transport) co_return std::unexpected(transport.error());
    auto stream = co_await client_->connect(inner_.loop(), *std::move(transport), "server.example");
    co_return stream;
  }
  Result<std::unique_ptr<DatagramSocket>> bind(const SocketAddress& at, const DatagramOptions& options) override {
    return inner_.bind(at, options);
  }
  Result<std::unique_ptr<DatagramSocket>> connect_datagrams(const SocketAddress& to, const DatagramOptions& options) override {
    return inner_.connect_datagrams(to, options);
  }
  Task<Result<std::vector<IpAddress>>> resolve(std::string host) override { return inner_.resolve(std::move(host)); }
  Result<IpAddress> source_for(const IpAddress& to) override { return inner_.source_for(to); }
  Result<LocalRoute> route_to(const IpAddress& to, std::string_view device) override { return inner_.route_to(to, device); }
  std::unique_ptr<RouteWatch> watch_routes() override { return inner_.watch_routes(); }

 private:
  inline static const TestCa ca_;
  inline static const std::shared_ptr<const TlsServer> server_ = ca_.tls_server({"server.example"});
  inline static const std::shared_ptr<const TlsClient> client_ = ca_.tls_client();
  Network& inner_;
};

}  // namespace fairlead::net
