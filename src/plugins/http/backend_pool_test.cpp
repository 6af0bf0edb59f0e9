#include "plugins/http/backend_pool.h"

#include <gtest/gtest.h>

#include "net/proxy_protocol.h"
#include "runtime/sim_loop.h"
#include "sim/network.h"

namespace fairlead::http_plugin {
namespace {

using Connection = BackendPool::Connection;
using link::FlowCode;

net::IpAddress ip(std::string_view text) { return net::IpAddress::parse(text).value(); }

std::shared_ptr<const route::EgressPolicy> policy(std::vector<route::EgressRule> allow) {
  return std::make_shared<route::EgressPolicy>(std::move(allow), route::EgressSelf{});
}

class Pool : public ::testing::Test {
 protected:
  Pool()
      : dialler(host, policy({{net::Cidr::parse("127.0.0.0/8").value(), {}}, {net::Cidr::parse("10.9.9.9").value(), {}}})),
        pool(loop, dialler),
        listener(listen(7000)),
        tasks(loop) {
    net.set_options(host, silent, {.rtt = 1ms});
    silent.crash();
  }

  std::unique_ptr<net::Listener> listen(std::uint16_t port) { return host.listen({ip("127.0.0.1"), port}, {.backlog = 10'000}).value(); }
  ServiceAddress at(std::string_view target = "127.0.0.1:7000") { return {target, &service, "192.0.2.9:77"}; }
  link::FlowResult<Connection> get(ServiceAddress to, bool fresh = false, TimePoint deadline = TimePoint::max()) {
    return loop.run(pool.get(to, deadline, fresh), 1h);
  }
  Connection have(ServiceAddress to, bool fresh = false) {
    auto connection = get(to, fresh);
    EXPECT_TRUE(connection) << connection.error().message;
    return *std::move(connection);
  }
  std::unique_ptr<net::Stream> accept() { return host.adopt(loop.run(listener->accept(), 1s).value()); }
  std::string read(net::Stream& stream) {
    std::byte buffer[1024];
    auto n = loop.run(stream.read(buffer), 1h);
    return !n ? "reset" : *n == 0 ? "closed" : std::string(as_text(Bytes(buffer, *n)));
  }

  // One who waits for a connection.
  struct Waiter {
    std::optional<link::FlowResult<Connection>> got;
  };
  Task<void> wait(Waiter& waiter, TimePoint deadline) {
    auto got = co_await pool.get(at(), deadline, false);
    waiter.got.emplace(std::move(got));
  }

  SimLoop loop{1};
  sim::Network net{loop, {}};
  sim::Host& host = net.host("edge", ip("10.0.0.1"));
  sim::Host& silent = net.host("silent", ip("10.9.9.9"));
  wire::HttpService service;
  ServiceDialler dialler;
  BackendPool pool;
  std::unique_ptr<net::Listener> listener;
  Scope tasks;
};

TEST_F(Pool, WhatWasPutBackIsTakenAgainTheLastOneFirst) {
  auto a = have(at());
  auto b = have(at());
  EXPECT_FALSE(a.reused());
  net::Stream* first = &a.stream();
  net::Stream* second = &b.stream();
  pool.put_back(std::move(a));
  pool.put_back(std::move(b));
  EXPECT_EQ(pool.pooled(), 2u);
  auto again = have(at());
  EXPECT_EQ(&again.stream(), second);
  EXPECT_TRUE(again.reused());
  EXPECT_EQ(&have(at()).stream(), first);
  EXPECT_EQ(dialler.dialled(), 2u);
  EXPECT_EQ(pool.reused(), 2u);
}

TEST_F(Pool, AFreshOneIsFresh) {
  pool.put_back(have(at()));
  EXPECT_FALSE(have(at(), true).reused());
  EXPECT_EQ(pool.pooled(), 1u);
  // At the limit the waiting one makes room.
  service.max_connections = 1;
  EXPECT_FALSE(have(at(), true).reused());
  EXPECT_EQ(pool.pooled(), 0u);
}

TEST_F(Pool, AnotherTargetIsAnotherConnection) {
  auto other = listen(7001);
  pool.put_back(have(at()));
  EXPECT_FALSE(have(at("127.0.0.1:7001")).reused());
  EXPECT_EQ(pool.services(), 1u) << "the other one is forgotten with its last connection";
}

TEST_F(Pool, WhomTlsMustShowIsPartOfTheKey) {
  std::string plain, a, b, c;
  const auto key = [&](std::string& into) { dialler.put_key(into, at()); };
  key(plain);
  service = {.tls = true, .server_name = "a", .ca_pem = "one"};
  key(a);
  service.server_name = "b";
  key(b);
  service = {.tls = true, .server_name = "a", .ca_pem = "two"};
  key(c);
  EXPECT_NE(plain, a);
  EXPECT_NE(a, b);
  EXPECT_NE(a, c);
  service.ca_pem = "one";
  std::string again;
  key(again);
  EXPECT_EQ(again, a);
}

TEST_F(Pool, CAsThatCannotBeReadAreUnsupported) {
  service = {.tls = true, .ca_pem = "no certificate"};
  auto connection = get(at());
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, FlowCode::unsupported);
  EXPECT_EQ(pool.services(), 0u);
}

TEST_F(Pool, OneThatTheServiceEndedIsNotGiven) {
  pool.put_back(have(at()));
  auto far = accept();
  EXPECT_TRUE(far->shut());
  loop.run_for(1ms);
  EXPECT_FALSE(have(at()).reused());

  pool.put_back(have(at()));
  far = accept();
  far = accept();
  far->reset();
  loop.run_for(1ms);
  EXPECT_FALSE(have(at()).reused());
}

TEST_F(Pool, OneWithBytesThatNobodyAskedForIsNotGiven) {
  pool.put_back(have(at()));
  auto far = accept();
  EXPECT_TRUE(loop.run(far->write(as_bytes("HTTP/1.1 408 Request Timeout\r\n\r\n")), 1s));
  loop.run_for(1ms);
  EXPECT_FALSE(have(at()).reused());
}

TEST_F(Pool, IdleTimeIsKeptAndEndsInOrder) {
  service.idle = 3s;
  pool.put_back(have(at()));
  auto far = accept();
  loop.run_for(3s - 1ms);
  EXPECT_EQ(pool.pooled(), 1u);
  const TimePoint before = loop.now();
  EXPECT_EQ(read(*far), "closed");
  EXPECT_LE(loop.now() - before, 1s);
  EXPECT_EQ(pool.services(), 0u);

  service.idle = {};
  pool.put_back(have(at()));
  far = accept();
  loop.run_for(BackendPool::kIdle - 1ms);
  EXPECT_EQ(pool.pooled(), 1u);
  EXPECT_EQ(read(*far), "closed");
}

TEST_F(Pool, WhoComesAtTheLimitWaitsInOrder) {
  service.max_connections = 2;
  std::optional<Connection> a(have(at())), b(have(at()));
  Waiter first, second, third;
  for (Waiter* w : {&first, &second, &third}) tasks.spawn(wait(*w, TimePoint::max()));
  loop.run_for(1ms);
  EXPECT_FALSE(first.got);
  pool.put_back(*std::move(a));
  loop.run_for(1ms);
  ASSERT_TRUE(first.got);
  EXPECT_TRUE((*first.got)->reused());
  EXPECT_FALSE(second.got);
  b.reset();
  loop.run_for(1ms);
  ASSERT_TRUE(second.got);
  EXPECT_FALSE((*second.got)->reused()) << "broken off, so one more was dialled";
  EXPECT_FALSE(third.got);
  first.got->value().close();
  EXPECT_FALSE(third.got);
  first.got.reset();
  loop.run_for(1ms);
  EXPECT_TRUE(third.got);
}

TEST_F(Pool, WhoWaitsTooLongIsOverloaded) {
  service.max_connections = 1;
  auto held = have(at());
  const TimePoint before = loop.now();
  auto late = get(at(), false, before + 2s);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, FlowCode::overloaded);
  EXPECT_EQ(late.error().delivered, link::Delivered::no);
  EXPECT_EQ(loop.now() - before, 2s);
  EXPECT_EQ(get(at()).error().code, FlowCode::overloaded);
  EXPECT_EQ(loop.now() - before, 2s + BackendPool::kWait) << "without a deadline";
}

TEST_F(Pool, WhoGivesUpHandsHisTurnOn) {
  service.max_connections = 1;
  std::optional<Connection> held(have(at()));
  Waiter second;
  Waiter first;
  std::optional<Scope> gives_up(std::in_place, loop);
  gives_up->spawn(wait(first, TimePoint::max()));
  loop.run_for(1ms);
  tasks.spawn(wait(second, TimePoint::max()));
  loop.run_for(1ms);
  held.reset();      // wakes the first
  gives_up.reset();  // which goes at the same moment
  loop.run_for(1ms);
  EXPECT_FALSE(first.got);
  EXPECT_TRUE(second.got);
}

TEST_F(Pool, APolicyThatForbidsThemClosesThem) {
  pool.put_back(have(at()));
  auto used = have(at(), true);
  dialler.set_policy(policy({}));
  pool.policy_changed();
  EXPECT_EQ(pool.pooled(), 0u);
  pool.put_back(std::move(used));
  EXPECT_EQ(pool.pooled(), 0u) << "one in use is closed when it comes back";
  auto connection = get(at());
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, FlowCode::forbidden);
  EXPECT_EQ(pool.services(), 0u);
}

TEST_F(Pool, TheConnectLimitIsKept) {
  const TimePoint before = loop.now();
  service.connect = 3s;
  auto connection = get(at("10.9.9.9:80"));
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, FlowCode::deadline);
  EXPECT_EQ(connection.error().delivered, link::Delivered::no);
  EXPECT_EQ(loop.now() - before, 3s);
  service.connect = {};
  EXPECT_FALSE(get(at("10.9.9.9:80")));
  EXPECT_EQ(loop.now() - before, 3s + ServiceDialler::kConnect);
  EXPECT_FALSE(get(at("10.9.9.9:80"), false, loop.now() + 1s));
  EXPECT_EQ(loop.now() - before, 4s + ServiceDialler::kConnect);
}

TEST_F(Pool, ATargetThatIsNoneIsRefused) {
  for (std::string_view target : {"", "127.0.0.1", "127.0.0.1:0x50", "a b:80"}) {
    auto connection = get(at(target));
    ASSERT_FALSE(connection) << target;
    EXPECT_EQ(pool.services(), 0u);
  }
}

TEST_F(Pool, AProxyHeaderSpeaksForOneUser) {
  service.proxy_protocol = 1;
  pool.put_back(have(at()));
  EXPECT_EQ(pool.pooled(), 0u) << "never shared";
  auto connection = have(at());
  auto far = accept();
  far = accept();
  EXPECT_EQ(read(*far), "PROXY TCP4 192.0.2.9 127.0.0.1 77 7000\r\n");

  service.proxy_protocol = 2;
  auto second = have(at());
  far = accept();
  auto parsed = net::parse_proxy_header(as_bytes(read(*far)));
  ASSERT_TRUE(parsed && *parsed);
  EXPECT_EQ((*parsed)->header.source.to_text(), "192.0.2.9:77");

  for (const std::uint32_t version : {1u, 2u}) {
    service.proxy_protocol = version;
    auto own = have({"127.0.0.1:7000", &service, ""});
    far = accept();
    parsed = net::parse_proxy_header(as_bytes(read(*far)));
    ASSERT_TRUE(parsed && *parsed);
    EXPECT_TRUE((*parsed)->header.local) << "nobody's";
  }
}

TEST_F(Pool, TheLongestUnusedGoesWhenTooManyWait) {
  std::vector<Connection> used;
  auto other = listen(7001);
  pool.put_back(have(at("127.0.0.1:7001")));
  auto far = host.adopt(loop.run(other->accept(), 1s).value());
  for (std::size_t i = 0; i < BackendPool::kMaxPooled; i++) used.push_back(have(at()));
  for (std::size_t i = 1; i < BackendPool::kMaxPooled; i++) {
    pool.put_back(std::move(used.back()));
    used.pop_back();
  }
  EXPECT_EQ(pool.pooled(), BackendPool::kMaxPooled);
  EXPECT_EQ(pool.services(), 2u);
  pool.put_back(std::move(used.back()));
  EXPECT_EQ(pool.pooled(), BackendPool::kMaxPooled);
  EXPECT_EQ(pool.services(), 1u);
  EXPECT_EQ(read(*far), "closed");
}

}  // namespace
}  // namespace fairlead::http_plugin
