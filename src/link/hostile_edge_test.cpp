// An edge whose certificate is good and whose manners are not: what it sends costs itself only.
#include <gtest/gtest.h>

#include "link/link_world.h"

namespace fairlead::link {
namespace {

using MuxStream = std::unique_ptr<net::MuxStream>;

// What came on a stream until its end, and how it ended.
struct Heard {
  std::vector<std::byte> bytes;
  std::optional<Error> error;
  std::optional<std::uint64_t> code;
};
Task<void> hear(net::MuxStream& stream, Heard& into) {
  for (;;) {
    auto bytes = co_await stream.peek();
    if (!bytes) {
      into.error = bytes.error();
      into.code = stream.peer_code();
      co_return;
    }
    if (bytes->empty()) co_return;
    into.bytes.insert(into.bytes.end(), bytes->begin(), bytes->end());
    stream.consume(bytes->size());
  }
}

std::vector<std::byte> frame(std::string_view body) {
  std::array<std::byte, wire::kMaxLength> length{};
  const std::size_t n = wire::put_varint(length, body.size());
  std::vector<std::byte> all(length.begin(), length.begin() + n);
  const Bytes bytes = as_bytes(body);
  all.insert(all.end(), bytes.begin(), bytes.end());
  return all;
}

// Speaks QUIC to the cloud with the certificate of edge-x, and whatever the test wants on top.
class HostileEdge : public ::testing::Test {
 protected:
  explicit HostileEdge(const WorldOptions& options = {.link = {.rtt = 20ms}}) : world(options) {
    honest = &world.edge("edge-b");
    world.loop.run(honest->link->connected(), 20s);
  }
  ~HostileEdge() override {
    tasks.cancel_now();
    streams.clear();
    connection.reset();
  }

  void connect() {
    quic::Endpoint::ClientOptions options;
    options.tls = {.credentials = credentials, .alpn = std::string(CloudLink::kAlpn), .server_name = "cloud.example"};
    auto made = world.loop.run(endpoint->connect({ip("192.0.2.1"), LinkWorld::kPort}, std::move(options)), 10s);
    ASSERT_TRUE(made) << made.error().describe();
    connection = *std::move(made);
  }
  net::MuxStream& open() {
    auto stream = world.loop.run(connection->open(net::Priority::interactive, TimePoint::max()), 10s);
    streams.push_back(std::move(stream).value());
    return *streams.back();
  }
  void send(net::MuxStream& stream, Bytes bytes) { EXPECT_TRUE(world.loop.run(stream.write(bytes), 10s)); }
  static wire::Hello hello() { return {.features = {"plugin/tcp"}, .node = "edge-x", .boot_id = BootId(99), .software = "evil"}; }
  // A session as it should be; returns its control stream.
  net::MuxStream& greet() {
    connect();
    net::MuxStream& control = open();
    send(control, wire::encode(hello()));
    auto reply = world.loop.run(read_frame(control), 10s);
    EXPECT_TRUE(reply && wire::decode_hello_reply(*reply)->code == wire::SessionCode::ok);
    return control;
  }
  net::MuxClose close() {
    const net::MuxClose how = world.loop.run(connection->closed(), 60s);
    EXPECT_TRUE(how.by_peer && how.orderly && how.application) << how.to_error().describe();
    return how;
  }
  wire::FlowReply reply(net::MuxStream& stream, Duration limit = 10s) {
    auto body = world.loop.run(read_frame(stream), limit);
    EXPECT_TRUE(body) << body.error().describe();
    return body ? wire::decode_flow_reply(*body).value() : wire::FlowReply{.code = FlowCode::internal};
  }
  // The abort of the other side.
  std::optional<std::uint64_t> abort_of(net::MuxStream& stream, Duration limit = 20s) {
    Heard heard;
    world.loop.run(hear(stream, heard), limit);
    return heard.code;
  }
  void expect_others_unaffected() {
    const TimePoint before = world.loop.now();
    EXPECT_TRUE(world.loop.run(echo(*world.cloud_link, to_node("edge-b"), 1000), 10s));
    EXPECT_TRUE(world.loop.run(echo(*honest->link, Destination::cloud(), 1000), 10s));
    EXPECT_LE(world.loop.now() - before, 2 * 2 * 20ms);
    EXPECT_EQ(world.cloud_link->counters().superseded, 0u);
  }
  void expect_nothing_left() {
    streams.clear();
    connection.reset();
    world.loop.run_for(5s);
    EXPECT_EQ(world.endpoint->connections(), 1u);
    EXPECT_EQ(world.cloud_link->totals().flows_open, 0u);
    EXPECT_LT(world.cloud->process.used(), 512_KiB);
  }

  CapturedLog log;
  LinkWorld world;
  TestEdge* honest = nullptr;
  sim::Host& host = world.net.host("edge-x", ip("10.0.9.9"));
  net::MemoryBudget memory{256_MiB, 16_MiB};
  std::shared_ptr<const pki::Credentials> credentials = world.pki.edge("edge-x");
  std::unique_ptr<quic::Endpoint> endpoint = world.make_endpoint(host, {}, memory);
  std::unique_ptr<net::MuxConnection> connection;
  std::vector<MuxStream> streams;
  Scope tasks{world.loop};
};

// ---- before there is a session

TEST_F(HostileEdge, WithoutAHelloItIsClosedInTime) {
  connect();
  const TimePoint before = world.loop.now();
  const net::MuxClose how = close();
  EXPECT_EQ(how.code, static_cast<std::uint64_t>(wire::SessionCode::protocol));
  EXPECT_NE(how.reason.find("no answer in time"), std::string::npos) << how.reason;
  EXPECT_NEAR(std::chrono::duration<double>(world.loop.now() - before).count(), 10, 0.1);
  EXPECT_EQ(world.cloud_link->counters().refused_hello, 1u);
  expect_others_unaffected();
  expect_nothing_left();
}

TEST_F(HostileEdge, WithHalfAHelloItIsClosedInTime) {
  connect();
  const std::vector<std::byte> whole = wire::encode(hello());
  send(open(), Bytes(whole).first(whole.size() / 2));
  EXPECT_EQ(close().code, static_cast<std::uint64_t>(wire::SessionCode::protocol));
  expect_others_unaffected();
  expect_nothing_left();
}

TEST_F(HostileEdge, AHelloThatCannotBeIsRefusedAtOnce) {
  wire::Hello no_version = hello(), backwards = hello(), many = hello();
  no_version.version_min = no_version.version_max = 0;
  backwards.version_min = 2, backwards.version_max = 1;
  for (std::size_t i = 0; i <= wire::kMaxFeatures; i++) many.features.push_back(std::to_string(i));
  std::vector<std::byte> endless(16, std::byte{0xff});  // a length of 2^62 - 1
  const wire::FlowOpen flow{.plugin = "tcp", .target = "127.0.0.1:7"};
  for (const std::vector<std::byte>& bytes : {frame("\xff\xff\xff"), frame(""), endless, wire::encode(no_version), wire::encode(backwards),
                                              wire::encode(many), wire::encode(flow)}) {
    connect();
    const TimePoint before = world.loop.now();
    send(open(), bytes);
    EXPECT_EQ(close().code, static_cast<std::uint64_t>(wire::SessionCode::protocol));
    EXPECT_LT(world.loop.now() - before, 100ms);
    streams.clear();
  }
  expect_others_unaffected();
  expect_nothing_left();
}

TEST_F(HostileEdge, AVersionThatTheCloudDoesNotSpeakIsNamed) {
  connect();
  wire::Hello later = hello();
  later.version_min = wire::kVersionMax + 1, later.version_max = wire::kVersionMax + 2;
  net::MuxStream& control = open();
  send(control, wire::encode(later));
  auto body = world.loop.run(read_frame(control), 1s);
  if (body) {
    EXPECT_EQ(wire::decode_hello_reply(*body)->code, wire::SessionCode::version);
  }
  const net::MuxClose how = close();
  EXPECT_EQ(how.code, static_cast<std::uint64_t>(wire::SessionCode::version));
  EXPECT_NE(how.reason.find("2 to 3"), std::string::npos) << how.reason;
  EXPECT_TRUE(log.has("upgrade the older one"));
}

TEST_F(HostileEdge, ARevocationBetweenHandshakeAndHelloCounts) {
  connect();
  world.loop.run_for(1s);
  auto list = pki::RevocationList::parse("node edge-x\n", "revoked").value();
  world.cloud->trust.replace(std::make_shared<const pki::RevocationList>(std::move(list)));
  world.cloud_link->check_sessions();
  send(open(), wire::encode(hello()));
  const net::MuxClose how = world.loop.run(connection->closed(), 60s);
  EXPECT_FALSE(how.application);
  EXPECT_EQ(how.code, 0x100u + 44) << "certificate_revoked";
  EXPECT_EQ(world.cloud_link->counters().accepted, 1u) << "the honest one's";
}

TEST_F(HostileEdge, AFlowBeforeTheHelloIsNotServed) {
  connect();
  open();  // says nothing
  send(open(), wire::encode(wire::FlowOpen{.plugin = "tcp", .target = "127.0.0.1:7"}));
  // What comes first is taken for the Hello.
  EXPECT_EQ(close().code, static_cast<std::uint64_t>(wire::SessionCode::protocol));
  EXPECT_TRUE(world.cloud->echo.seen.empty());
  expect_others_unaffected();
  expect_nothing_left();
}

TEST_F(HostileEdge, AFlowRightBehindTheHelloWaitsForTheSession) {
  connect();
  net::MuxStream& control = open();
  net::MuxStream& early = open();
  send(control, wire::encode(hello()));
  send(early, wire::encode(wire::FlowOpen{.plugin = "tcp", .target = "127.0.0.1:7"}));
  EXPECT_EQ(reply(early).code, FlowCode::ok);
  EXPECT_EQ(world.nodes->connected(), 2u);
}

// ---- the control stream

TEST_F(HostileEdge, ASecondHelloChangesNothing) {
  net::MuxStream& control = greet();
  wire::Hello other = hello();
  other.node = "edge-b";
  other.labels = {{"site", "stolen"}};
  send(control, wire::encode(other));
  world.loop.run_for(1s);
  EXPECT_FALSE(connection->close_state());
  EXPECT_EQ(world.nodes->connected(), 2u);
  EXPECT_TRUE(world.nodes->all().at(NodeName::parse("edge-x").value()).labels.empty());
  expect_others_unaffected();
}

TEST_F(HostileEdge, AControlStreamThatEndsEndsTheSession) {
  for (const bool by_reset : {false, true}) {
    net::MuxStream& control = greet();
    if (by_reset) {
      control.abort(5);
    } else {
      EXPECT_TRUE(control.shut());
    }
    const net::MuxClose how = close();
    EXPECT_EQ(how.code, static_cast<std::uint64_t>(wire::SessionCode::protocol));
    EXPECT_NE(how.reason.find("control stream ended"), std::string::npos) << how.reason;
    streams.clear();
  }
  EXPECT_EQ(world.nodes->connected(), 1u);
  expect_others_unaffected();
  expect_nothing_left();
}

TEST_F(HostileEdge, AControlFrameThatCannotBeEndsTheSession) {
  std::vector<std::byte> endless(16, std::byte{0xff});
  wire::Control labels{.kind = wire::Control::Kind::labels};
  for (std::size_t i = 0; i <= wire::kMaxLabels; i++) labels.labels.emplace(std::to_string(i), "");
  for (const std::vector<std::byte>& bytes : {frame("\x0a\xff"), endless, wire::encode(labels)}) {
    net::MuxStream& control = greet();
    send(control, bytes);
    EXPECT_EQ(close().code, static_cast<std::uint64_t>(wire::SessionCode::protocol));
    streams.clear();
  }
  expect_others_unaffected();
  expect_nothing_left();
}

TEST_F(HostileEdge, ChangingLabelsAllTheTimeHoldsUpNobody) {
  net::MuxStream& control = greet();
  for (int i = 0; i < 10'000; i++)
    send(control, wire::encode(wire::Control{.kind = wire::Control::Kind::labels, .labels = {{"n", std::to_string(i)}}}));
  expect_others_unaffected();
  world.loop.run_for(5s);
  EXPECT_EQ(world.nodes->all().at(NodeName::parse("edge-x").value()).labels.at("n"), "9999");
}

// ---- flows

TEST_F(HostileEdge, AFlowThatCannotBeIsRefusedAndTheSessionGoesOn) {
  greet();
  net::MuxStream& garbage = open();
  send(garbage, frame("\xff\xff"));
  EXPECT_EQ(reply(garbage).code, FlowCode::protocol);

  net::MuxStream& nameless = open();
  send(nameless, wire::encode(wire::FlowOpen{.target = "127.0.0.1:7"}));
  EXPECT_EQ(reply(nameless).code, FlowCode::protocol);

  net::MuxStream& unknown = open();
  send(unknown, wire::encode(wire::FlowOpen{.plugin = "mqtt"}));
  const wire::FlowReply refused = reply(unknown);
  EXPECT_EQ(refused.code, FlowCode::unsupported);
  EXPECT_EQ(refused.delivered, Delivered::no);

  net::MuxStream& endless = open();
  send(endless, std::vector<std::byte>(16, std::byte{0xff}));
  EXPECT_EQ(abort_of(endless), static_cast<std::uint64_t>(FlowCode::protocol));

  net::MuxStream& empty = open();
  EXPECT_TRUE(empty.shut());
  EXPECT_EQ(abort_of(empty), static_cast<std::uint64_t>(FlowCode::protocol));

  net::MuxStream& good = open();
  send(good, wire::encode(wire::FlowOpen{.plugin = "tcp", .target = "127.0.0.1:7"}));
  EXPECT_EQ(reply(good).code, FlowCode::ok);
  expect_others_unaffected();
  expect_nothing_left();
}

TEST_F(HostileEdge, ASlowHeadEndsAtItsDeadline) {
  greet();
  const std::vector<std::byte> head = wire::encode(wire::FlowOpen{.plugin = "tcp", .target = "127.0.0.1:7"});
  net::MuxStream& half = open();
  send(half, Bytes(head).first(head.size() / 2));
  // A byte now and then does not buy more time.
  net::MuxStream& dripping = open();
  const TimePoint begun = world.loop.now();
  for (std::size_t i = 0; i < 9; i++) {
    send(dripping, Bytes(head).subspan(i, 1));
    world.loop.run_for(1s);
  }
  EXPECT_EQ(abort_of(dripping), static_cast<std::uint64_t>(FlowCode::deadline));
  EXPECT_LT(world.loop.now() - begun, 10500ms);
  EXPECT_EQ(abort_of(half), static_cast<std::uint64_t>(FlowCode::deadline));
  expect_others_unaffected();
  expect_nothing_left();
}

TEST_F(HostileEdge, ItsStreamsAreLimitedAndThoseWithoutAHeadAreTakenBack) {
  greet();
  const std::size_t most = world.quic.engine.max_streams;
  const std::vector<std::byte> one(1, std::byte{0x3f});
  std::size_t opened = 0;
  for (; opened < 100'000; opened++) {
    auto stream = world.loop.run(connection->open(net::Priority::interactive, world.loop.now()), 10s);
    if (!stream) {
      EXPECT_EQ(stream.error().code(), Code::overloaded);
      break;
    }
    streams.push_back(*std::move(stream));
    send(*streams.back(), one);
  }
  EXPECT_EQ(opened, most - 1) << "beside the control stream";
  expect_others_unaffected();
  world.loop.run_for(world.session.head_timeout + 1s);
  streams.resize(1);
  world.loop.run_for(1s);
  net::MuxStream& again = open();
  send(again, wire::encode(wire::FlowOpen{.plugin = "tcp", .target = "127.0.0.1:7"}));
  EXPECT_EQ(reply(again).code, FlowCode::ok);
  expect_nothing_left();
}

TEST_F(HostileEdge, DatagramsThatNobodyTakesHoldUpNobody) {
  greet();
  const std::vector<std::byte> payload(1000, std::byte{1});
  for (int i = 0; i < 10'000; i++) {
    connection->send_datagram(payload, net::Priority::interactive);
    if (i % 50 == 0) world.loop.run_for(1ms);
  }
  expect_others_unaffected();
  EXPECT_LE(world.cloud->process.used(), 1_MiB);
  expect_nothing_left();
}

class FewFlows : public HostileEdge {
 protected:
  FewFlows() : HostileEdge({.link = {.rtt = 20ms}, .session = {.flows = 3}}) {}
};

TEST_F(FewFlows, AtTheLimitFlowsAreServedAndOnePastItIsOverloaded) {
  greet();
  const std::vector<std::byte> head = wire::encode(wire::FlowOpen{.plugin = "tcp", .target = "127.0.0.1:7"});
  for (int i = 0; i < 3; i++) {
    net::MuxStream& flow = open();
    send(flow, head);
    EXPECT_EQ(reply(flow).code, FlowCode::ok) << i;
  }
  net::MuxStream& past = open();
  send(past, head);
  const wire::FlowReply refused = reply(past);
  EXPECT_EQ(refused.code, FlowCode::overloaded);
  EXPECT_EQ(refused.delivered, Delivered::no);
  expect_others_unaffected();
  streams.erase(streams.begin() + 1);  // one ends, the next is served
  world.loop.run_for(100ms);
  net::MuxStream& next = open();
  send(next, head);
  EXPECT_EQ(reply(next).code, FlowCode::ok);
  expect_nothing_left();
}

class FewGreetings : public HostileEdge {
 protected:
  FewGreetings() : HostileEdge({.link = {.rtt = 20ms}, .greeting = 3}) {}
};

TEST_F(FewGreetings, SilentOnesAtTheLimitKeepOthersOutNoLongerThanTheirTime) {
  std::vector<std::unique_ptr<net::MuxConnection>> silent;
  for (int i = 0; i < 2; i++) {
    connect();
    silent.push_back(std::move(connection));
  }
  TestEdge& third = world.edge("edge-c");
  world.loop.run(third.link->connected(), 1s);  // one place was left
  connect();
  silent.push_back(std::move(connection));
  TestEdge& fourth = world.edge("edge-d");
  world.loop.run_for(5s);
  EXPECT_EQ(fourth.link->session(), nullptr);
  world.loop.run(fourth.link->connected(), world.session.hello_timeout);
  EXPECT_EQ(world.nodes->connected(), 3u);
  expect_others_unaffected();
}

}  // namespace
}  // namespace fairlead::link
