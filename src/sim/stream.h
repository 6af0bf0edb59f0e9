// stream.h: a process's handle of its end of a simulated connection.
#pragma once
#include <memory>

#include "net/network.h"
#include "sim/connection.h"

namespace fairlead::sim {

class Stream final : public net::Stream {
 public:
  Stream(std::shared_ptr<Connection> connection, std::size_t side);
  ~Stream() override;

  Task<Result<std::size_t>> read(MutableBytes into) override;
  std::optional<Result<std::size_t>> try_read(MutableBytes into) override;
  Task<void> readable() override;
  Task<Result<void>> write(Bytes bytes) override;
  Result<std::size_t> try_write(Bytes bytes) override;
  Task<void> writable() override;
  Result<void> shut() override;
  void end_was_told() override { got_end_ = true; }
  void reset() override;
  std::size_t undelivered() const override;
  const net::SocketAddress& peer() const override { return side_.peer; }
  const net::SocketAddress& local() const override { return side_.local; }

 private:
  std::shared_ptr<Connection> connection_;
  Side& side_;
  bool got_end_ = false;
  bool was_reset_ = false;  // by us
};

class Incoming final : public net::Incoming {
 public:
  explicit Incoming(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~Incoming() override;
  const net::SocketAddress& peer() const override { return connection_->side(1).peer; }
  const net::SocketAddress& local() const override { return connection_->side(1).local; }
  std::unique_ptr<Stream> take() { return std::make_unique<Stream>(std::move(connection_), 1); }

 private:
  std::shared_ptr<Connection> connection_;
};

}  // namespace fairlead::sim
