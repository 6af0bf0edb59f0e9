#include "quic/outbox.h"

#include <gtest/gtest.h>

#include "runtime/sim_loop.h"

namespace fairlead::quic {
namespace {

// A socket that takes `room` batches and then would block until there is room again.
class NarrowSocket final : public net::DatagramSocket {
 public:
  explicit NarrowSocket(Loop& loop) : writable_(loop) {}

  Task<void> readable() override { co_return; }
  std::size_t receive(std::size_t, FunctionRef<void(const net::Datagram&)>) override { return 0; }
  net::SendOutcome send(const net::DatagramBatch& batch) override {
    if (refuse != net::SendOutcome::sent) return refuse;
    if (room == 0) return net::SendOutcome::would_block;
    room--;
    sent.emplace_back(as_text(batch.data));
    return net::SendOutcome::sent;
  }
  Task<void> writable() override {
    while (room == 0) co_await writable_.wait();
  }
  const net::SocketAddress& local() const override { return local_; }
  std::size_t receive_buffer() const override { return 0; }
  int native_handle() const override { return -1; }

  void make_room(std::size_t n) {
    room += n;
    writable_.wake_all();
  }

  std::size_t room = 0;
  net::SendOutcome refuse = net::SendOutcome::sent;
  std::vector<std::string> sent;

 private:
  WaitQueue writable_;
  net::SocketAddress local_;
};

// From a copy that is gone afterwards: what waits must own its bytes.
void send_text(Outbox& outbox, std::string_view text) {
  const std::string copy(text);
  outbox.send({.to = {}, .from = {}, .ecn = net::Ecn::not_ect, .data = as_bytes(copy), .segment = copy.size()});
}

TEST(Outbox, WhatTheSocketDoesNotTakeWaitsInOrder) {
  SimLoop loop(1);
  NarrowSocket socket(loop);
  int drained = 0;
  Outbox outbox(loop, [&] { drained++; });
  outbox.use(socket);
  socket.room = 1;
  for (const char* text : {"a", "b", "c", "d"}) send_text(outbox, text);
  EXPECT_TRUE(outbox.blocked());
  loop.settle();
  socket.make_room(1);
  loop.settle();
  send_text(outbox, "e");
  EXPECT_EQ(socket.sent, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(drained, 0);
  socket.make_room(10);
  loop.settle();
  EXPECT_EQ(socket.sent, (std::vector<std::string>{"a", "b", "c", "d", "e"}));
  EXPECT_FALSE(outbox.blocked());
  EXPECT_EQ(drained, 1);
  send_text(outbox, "f");
  EXPECT_EQ(socket.sent.back(), "f");
}

TEST(Outbox, ABatchThatIsRefusedIsLostAndHoldsNobodyUp) {
  SimLoop loop(1);
  NarrowSocket socket(loop);
  Outbox outbox(loop, [] {});
  outbox.use(socket);
  socket.refuse = net::SendOutcome::too_large;
  send_text(outbox, "probe");
  socket.refuse = net::SendOutcome::failed;
  send_text(outbox, "no route");
  EXPECT_EQ(outbox.lost(), 2u);
  EXPECT_FALSE(outbox.blocked());
}

TEST(Outbox, SoManyWaitAndNoMore) {
  SimLoop loop(1);
  NarrowSocket socket(loop);
  Outbox outbox(loop, [] {});
  outbox.use(socket);
  for (std::size_t i = 0; i < Outbox::kMaxWaiting; i++) send_text(outbox, "x");
  EXPECT_EQ(outbox.lost(), 0u);
  send_text(outbox, "one too many");
  EXPECT_EQ(outbox.lost(), 1u);
  socket.make_room(1000);
  loop.settle();
  EXPECT_EQ(socket.sent.size(), Outbox::kMaxWaiting);
}

TEST(Outbox, ANewSocketStartsEmpty) {
  SimLoop loop(1);
  NarrowSocket blocked(loop);
  NarrowSocket fresh(loop);
  Outbox outbox(loop, [] {});
  outbox.use(blocked);
  send_text(outbox, "lost");
  loop.settle();
  fresh.room = 5;
  outbox.use(fresh);
  send_text(outbox, "new");
  EXPECT_EQ(fresh.sent, std::vector<std::string>{"new"});
  blocked.make_room(5);
  loop.settle();
  EXPECT_TRUE(blocked.sent.empty());
}

}  // namespace
}  // namespace fairlead::quic
