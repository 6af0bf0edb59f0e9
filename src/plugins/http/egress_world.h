// egress_world.h: for tests: an HttpEgress at an edge, services there that the test plays by hand, and the cloud that asks.
//
//   auto listener = serve();
//   auto asked = ask({.target = "/a"});
//   auto service = accept(*listener);
//   EXPECT_EQ(read_head(*service), "GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n");
//   write(*service, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
//   EXPECT_EQ(answer(*asked).body, "hello");
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "link/link_world.h"
#include "plugins/http/http_egress.h"
#include "plugins/http/payload.h"

namespace fairlead::http_plugin {

using link::ip;
using FieldTexts = std::vector<std::pair<std::string, std::string>>;

struct Question {
  std::string method = "GET";
  std::string target = "/";
  FieldTexts fields;
  http::BodyLength body;
  std::string content;
  FieldTexts trailers;
  bool unfinished = false;  // the test goes on with it
  std::string upgrade;
  bool expect_continue = false;
  wire::HttpService service;
  Duration remaining{};
  std::string source = "192.0.2.50:1234";
  std::string address = "127.0.0.1:7000";
};

struct Asked {
  std::unique_ptr<link::Flow> flow;
  std::optional<RecordWriter> writer;
  std::optional<RecordReader> reader;
};

struct HeadSeen {
  unsigned status = 0;
  std::string reason;
  FieldTexts fields;
  http::BodyLength body;
  std::string content_length, upgrade;
};

// What came back of one request so far.
struct Answered {
  std::optional<link::Refusal> refusal;
  std::vector<HeadSeen> heads;
  std::string body;
  std::vector<std::size_t> pieces;  // of the content, as it came
  FieldTexts trailers;
  bool whole = false;
  std::optional<link::FlowCode> broken;
  unsigned status() const { return heads.empty() ? 0 : heads.back().status; }
};

inline FieldTexts texts(const http::Fields& fields) {
  FieldTexts all;
  for (const http::Field& f : fields) all.emplace_back(f.name, f.value);
  return all;
}

// Until the end, or 101.
inline Task<void> read_answer(Asked& asked, Answered& into) {
  auto reply = co_await asked.flow->reply();
  if (!reply) {
    into.refusal = reply.error();
    co_return;
  }
  for (;;) {
    auto event = co_await asked.reader->next();
    if (!event) {
      into.broken = asked.flow->peer_code();
      co_return;
    }
    switch (event->type) {
      case RecordType::head: {
        const http::Response& r = asked.reader->response();
        into.heads.push_back(
            {r.status, std::string(r.reason), texts(r.fields), r.body, std::string(r.content_length), std::string(r.upgrade)});
        if (r.status == 101) co_return;
        break;
      }
      case RecordType::data:
        into.body += as_text(event->data);
        into.pieces.push_back(event->data.size());
        asked.reader->consume(event->data.size());
        break;
      case RecordType::trailers: into.trailers = texts(asked.reader->trailers()); break;
      case RecordType::end: into.whole = true; co_return;
    }
  }
}

class EgressWorld : public ::testing::Test {
 protected:
  static constexpr std::string_view kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

  EgressWorld()
      : world({.rtt = 20ms}),
        edge(world.edge("edge-a")),
        egress(*edge.host, std::make_shared<route::EgressPolicy>(std::nullopt, route::EgressSelf{}), nullptr),
        tasks(world.loop) {
    edge.egresses = {};
    edge.egresses.add(egress);
    world.loop.run(edge.link->connected(), 10s);
  }
  ~EgressWorld() override {
    tasks.cancel_now();
    edge.tasks.cancel_now();
    edge.link.reset();  // the egress outlives the sessions
  }

  // --- the service
  std::unique_ptr<net::Listener> serve(std::uint16_t port = 7000) { return edge.host->listen({ip("127.0.0.1"), port}).value(); }
  std::unique_ptr<net::Stream> accept(net::Listener& listener) {
    auto incoming = world.loop.run(listener.accept(), 30s);
    return edge.host->adopt(std::move(incoming.value()));
  }
  // What has come, or "closed", or "reset".
  std::string read(net::Stream& stream) {
    std::byte buffer[65536];
    auto n = world.loop.run(stream.read(buffer), 60s);
    if (!n) return std::string(name(n.error().code()));
    return *n == 0 ? "closed" : std::string(as_text(Bytes(buffer, *n)));
  }
  // Until `part` was there, with what came along.
  std::string read_until(net::Stream& stream, std::string_view part) {
    std::string all;
    while (all.find(part) == std::string::npos) {
      const std::string more = read(stream);
      if (more == "closed" || more == "reset") return all + more;
      all += more;
    }
    return all;
  }
  std::string read_head(net::Stream& stream) { return read_until(stream, "\r\n\r\n"); }
  void write(net::Stream& stream, std::string_view text) { ASSERT_TRUE(world.loop.run(stream.write(as_bytes(text)), 60s)); }

  // --- who asks
  Task<void> ask_task(Question q, Asked& into) {
    http::Request request;
    request.method = q.method;
    request.scheme = "http";
    request.authority = "shop.example";
    request.target = q.target;
    for (const auto& [name, value] : q.fields) request.fields.add(name, value);
    request.body = q.body;
    request.upgrade = q.upgrade;
    request.expect_continue = q.expect_continue;
    wire::FlowOpen open{.plugin = "http", .backend = "default/shop", .target = q.address, .remaining = q.remaining, .source = q.source};
    open.head = wire::encode_http_request(request, q.service).value();
    auto to = link::to_node("edge-a");
    auto flow = co_await world.cloud_link->open(std::move(to), std::move(open));
    if (!flow) co_return;
    into.flow = *std::move(flow);
    into.writer.emplace(*into.flow);
    into.reader.emplace(*into.flow);
    if (q.body == http::BodyLength::exact(q.content.size())) into.writer->expect(q.body.size);
    const Bytes content = as_bytes(q.content);
    auto sent = co_await into.writer->data(content);
    if (!sent || q.unfinished) co_return;
    http::Fields trailers;
    for (const auto& [name, value] : q.trailers) trailers.add(name, value);
    auto ended = co_await finish(*into.writer, trailers, !q.upgrade.empty());
    static_cast<void>(ended);
  }
  static Task<Result<void>> finish(RecordWriter& writer, const http::Fields& trailers, bool raw_follows) {
    auto ending = raw_follows ? writer.end_record() : writer.finish(trailers);
    co_return co_await ending;
  }
  std::unique_ptr<Asked> ask(Question q = {}) {
    auto asked = std::make_unique<Asked>();
    world.loop.run(ask_task(std::move(q), *asked), 30s);
    EXPECT_TRUE(asked->flow);
    return asked;
  }
  void send(Asked& asked, std::string_view content) { EXPECT_TRUE(world.loop.run(asked.writer->data(as_bytes(content)), 30s)); }
  void end(Asked& asked) { EXPECT_TRUE(world.loop.run(asked.writer->finish({}), 30s)); }
  Answered answer(Asked& asked, Duration limit = 120s) {
    Answered seen;
    world.loop.run(read_answer(asked, seen), limit);
    return seen;
  }

  // A whole exchange with a service played by hand: the request as it saw it, `text` as its answer.
  Answered exchange(net::Listener& listener, Question q, std::string_view text, std::string* request = nullptr) {
    auto asked = ask(std::move(q));
    auto service = accept(listener);
    const std::string head = read_head(*service);
    if (request != nullptr) *request = head;
    write(*service, text);
    EXPECT_TRUE(service->shut());
    services.push_back(std::move(service));
    return answer(*asked);
  }

  link::LinkWorld world;
  link::TestEdge& edge;
  HttpEgress egress;
  Scope tasks;
  std::vector<std::unique_ptr<net::Stream>> services;
};

}  // namespace fairlead::http_plugin
