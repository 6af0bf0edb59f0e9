// ingress_world.h: for tests: an HttpIngress in the cloud, edges whose services are scripts, users who speak HTTP by hand.
//
//   world.at("7000") = {Step::head(200), Step::data("hello"), Step::end()};
//   auto user = world.dial();
//   user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
//   EXPECT_EQ(user.answer().body, "hello");
#pragma once
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "http/chunked.h"
#include "http/head_parser.h"
#include "link/link_world.h"
#include "observe/trace.h"
#include "plugins/http/http_ingress.h"
#include "plugins/http/payload.h"
#include "route/backend_states.h"
#include "route/manifests.h"
#include "route/problem.h"

namespace fairlead::http_plugin {

using link::ip;

// What the far side does next with a flow.
struct Step {
  enum class Kind : std::uint8_t { wait, read_body, read_some, head, data, trailers, end, echo_body, echo_raw, hang, abort, refuse, leave };
  Kind kind;
  Duration wait{};
  unsigned status = 200;
  std::vector<std::pair<std::string, std::string>> fields;
  http::BodyLength length = http::BodyLength::unknown();
  std::string text;
  std::string upgrade, content_length;
  link::Refusal refusal;
  link::FlowCode code = link::FlowCode::reset;
  std::size_t times = 1;

  static Step pause(Duration d) { return {.kind = Kind::wait, .wait = d}; }
  static Step read_body() { return {.kind = Kind::read_body}; }
  static Step read_some() { return {.kind = Kind::read_some}; }
  static Step head(unsigned status, std::vector<std::pair<std::string, std::string>> fields = {},
                   http::BodyLength length = http::BodyLength::unknown()) {
    return {.kind = Kind::head, .status = status, .fields = std::move(fields), .length = length};
  }
  static Step data(std::string text, std::size_t times = 1) { return {.kind = Kind::data, .text = std::move(text), .times = times}; }
  static Step trailers(std::vector<std::pair<std::string, std::string>> fields) {
    return {.kind = Kind::trailers, .fields = std::move(fields)};
  }
  static Step end() { return {.kind = Kind::end}; }
  static Step echo_body() { return {.kind = Kind::echo_body}; }
  static Step echo_raw() { return {.kind = Kind::echo_raw}; }
  static Step hang() { return {.kind = Kind::hang}; }
  static Step leave() { return {.kind = Kind::leave}; }  // whatever the asker still has to say
  static Step abort(link::FlowCode code) { return {.kind = Kind::abort, .code = code}; }
  static Step refuse(link::FlowCode code, link::Delivered delivered = link::Delivered::no) {
    return {.kind = Kind::refuse, .refusal = {code, delivered, "as the test says"}};
  }
};
using Script = std::vector<Step>;

inline Script hello(std::string text = "hello") {
  const std::uint64_t size = text.size();
  return {Step::read_body(), Step::head(200, {{"Content-Type", "text/plain"}}, http::BodyLength::exact(size)), Step::data(std::move(text)),
          Step::end()};
}

// What a service was asked.
struct Seen {
  std::string method, target, authority, scheme, body, source, traceparent, backend, upgrade, node;
  std::vector<std::pair<std::string, std::string>> fields, trailers;
  http::BodyLength length;
  bool expect_continue = false;
  bool body_ended = false;
  std::optional<link::FlowCode> aborted;  // by the asker
  Duration remaining{};
  std::string field(std::string_view name) const {
    std::string all;
    for (const auto& [n, v] : fields)
      if (http::equal_name(n, name)) all += (all.empty() ? "" : ", ") + v;
    return all;
  }
};

class ScriptedEgress final : public link::Egress {
 public:
  explicit ScriptedEgress(Loop& loop) : loop_(loop) {}
  std::string_view plugin() const override { return kPlugin; }
  Task<void> serve(std::unique_ptr<link::Flow> flow) override {
    seen.push_back(std::make_unique<Seen>());
    Seen& what = *seen.back();
    wire::DecodedHttpRequest decoded;
    auto ok = decoded.decode(as_bytes(flow->head().head));
    EXPECT_TRUE(ok) << ok.error().describe();
    if (!ok) co_return;
    note(what, *flow, decoded.request);
    std::string port = flow->head().target.substr(flow->head().target.rfind(':') + 1);
    Script script = hello(what.method + " " + what.target);
    if (const auto found = scripts.find(port); found != scripts.end()) {
      if (found->second.empty()) co_return;
      script = found->second.front();
      if (found->second.size() > 1) found->second.pop_front();
    }
    running++;
    const Running count(running);
    RecordWriter writer(*flow);
    RecordReader reader(*flow);
    bool accepted = false;
    http::Fields trailers;
    std::vector<Step> steps = script;
    for (const Step& step : steps) {
      if (!accepted && step.kind != Step::Kind::wait && step.kind != Step::Kind::read_body && step.kind != Step::Kind::read_some &&
          step.kind != Step::Kind::refuse && step.kind != Step::Kind::abort && step.kind != Step::Kind::hang) {
        accepted = true;
        auto done = co_await flow->accept();
        if (!done) co_return;
      }
      bool go_on = true;
      switch (step.kind) {
        case Step::Kind::wait: co_await loop_.sleep(step.wait); break;
        case Step::Kind::hang: {
          Error why = co_await flow->broken();
          what.aborted = flow->peer_code();
          co_return;
        }
        case Step::Kind::leave: co_return;
        case Step::Kind::abort: flow->abort(step.code); co_return;
        case Step::Kind::refuse: {
          link::Refusal refusal = step.refusal;
          auto refusing = flow->refuse(std::move(refusal));
          co_await refusing;
          co_return;
        }
        case Step::Kind::read_body:
        case Step::Kind::read_some: go_on = co_await read(*flow, reader, what, step.kind == Step::Kind::read_some); break;
        case Step::Kind::head: {
          http::Response response;
          response.status = step.status;
          response.reason = "As Told";
          for (const auto& [name, value] : step.fields) response.fields.add(name, value);
          response.body = step.length;
          if (step.status < 200 || what.method == "HEAD") response.body = http::BodyLength::none();
          response.upgrade = step.upgrade;
          response.content_length = step.content_length;
          if (response.body.kind == http::BodyLength::Kind::exact) writer.expect(response.body.size);
          auto done = co_await writer.head(response);
          go_on = done.has_value();
          break;
        }
        case Step::Kind::data:
          for (std::size_t i = 0; i < step.times && go_on; i++) {
            const Bytes bytes = as_bytes(step.text);
            auto done = co_await writer.data(bytes);
            go_on = done.has_value();
          }
          break;
        case Step::Kind::trailers:
          for (const auto& [name, value] : step.fields) trailers.add(name, value);
          break;
        case Step::Kind::end: {
          auto done = co_await writer.finish(trailers);
          go_on = done.has_value();
          break;
        }
        case Step::Kind::echo_body: go_on = co_await echo(reader, writer, what); break;
        case Step::Kind::echo_raw: {
          go_on = co_await read(*flow, reader, what, false);
          while (go_on) {
            auto bytes = co_await flow->peek();
            if (!bytes || bytes->empty()) {
              if (!bytes) what.aborted = flow->peer_code();
              break;
            }
            const std::size_t n = bytes->size();
            auto done = co_await flow->write(*bytes);
            go_on = done.has_value();
            flow->consume(n);
          }
          static_cast<void>(flow->shut());
          co_return;
        }
      }
      if (!go_on) {
        what.aborted = flow->peer_code();
        co_return;
      }
    }
    // As the real one: until the asker has nothing more to say.
    while (!what.body_ended) {
      const bool more = co_await read(*flow, reader, what, true);
      if (!more) co_return;
    }
  }

  std::map<std::string, std::deque<Script>> scripts;  // by port; the last one stays
  std::vector<std::unique_ptr<Seen>> seen;
  std::size_t running = 0;
  std::string node;

 private:
  struct Running {
    explicit Running(std::size_t& n) : count(n) {}
    ~Running() { count--; }
    std::size_t& count;
  };
  void note(Seen& what, const link::Flow& flow, const http::Request& r) {
    what.method = r.method;
    what.target = r.target;
    what.authority = r.authority;
    what.scheme = r.scheme;
    what.source = flow.head().source;
    what.traceparent = flow.head().traceparent;
    what.backend = flow.head().backend;
    what.remaining = flow.head().remaining;
    what.upgrade = r.upgrade;
    what.length = r.body;
    what.expect_continue = r.expect_continue;
    what.node = node;
    for (const http::Field& f : r.fields) what.fields.emplace_back(f.name, f.value);
  }
  Task<bool> read(link::Flow& flow, RecordReader& reader, Seen& what, bool one) {
    while (!what.body_ended) {
      auto event = co_await reader.next();
      if (!event) {
        what.aborted = flow.peer_code();
        co_return false;
      }
      if (event->type == RecordType::data) {
        what.body += as_text(event->data);
        reader.consume(event->data.size());
      } else if (event->type == RecordType::trailers) {
        for (const http::Field& f : reader.trailers()) what.trailers.emplace_back(f.name, f.value);
      } else if (event->type == RecordType::end) {
        what.body_ended = true;
      }
      if (one) break;
    }
    co_return true;
  }
  Task<bool> echo(RecordReader& reader, RecordWriter& writer, Seen& what) {
    for (;;) {
      auto event = co_await reader.next();
      if (!event) co_return false;
      if (event->type == RecordType::end) {
        what.body_ended = true;
        co_return true;
      }
      if (event->type != RecordType::data) continue;
      const std::size_t n = event->data.size();
      what.body += as_text(event->data);
      auto done = co_await writer.data(event->data);
      if (!done) co_return false;
      reader.consume(n);
    }
  }

  Loop& loop_;
};

// An answer as a client reads it.
struct Heard {
  unsigned status = 0;
  std::vector<std::pair<std::string, std::string>> fields, trailers;
  std::string body;
  bool whole = false;
  std::string end;  // what reading gave when it is not: "end", "reset", "timeout", or why it is malformed
  std::string field(std::string_view name) const {
    std::string all;
    for (const auto& [n, v] : fields)
      if (http::equal_name(n, name)) all += (all.empty() ? "" : ", ") + v;
    return all;
  }
};

class User {
 public:
  User(SimLoop& loop, std::unique_ptr<net::Stream> stream) : loop_(loop), stream_(std::move(stream)) {}
  void say(std::string_view text) {
    auto said = loop_.run(stream_->write(as_bytes(text)), 60s);
    EXPECT_TRUE(said) << said.error().describe();
  }
  // The next answer; of a HEAD request `to` is that.
  Heard answer(std::string_view to = "GET", Duration limit = 60s);
  // What comes within `limit`, without waiting for more.
  std::string hear(Duration limit = 1s) {
    loop_.run_for(limit);
    pull();
    return std::exchange(heard_, {});
  }
  // "end", "reset" or "open".
  std::string state() {
    loop_.run_for(100ms);
    pull();
    return state_.empty() ? "open" : state_;
  }
  net::Stream& stream() { return *stream_; }
  void reset() { stream_->reset(); }
  void shut() { EXPECT_TRUE(stream_->shut()); }

 private:
  void pull() {
    std::byte buffer[16384];
    while (state_.empty()) {
      auto got = stream_->try_read(buffer);
      if (!got) return;
      if (!*got)
        state_ = name(got->error().code());
      else if (**got == 0)
        state_ = "end";
      else
        heard_.append(as_text(Bytes(buffer, **got)));
    }
  }
  bool more(TimePoint until) {
    const std::size_t before = heard_.size();
    while (heard_.size() == before) {
      pull();
      if (heard_.size() != before) return true;
      if (!state_.empty() || loop_.now() >= until) return false;
      loop_.run_for(1ms);
    }
    return true;
  }

  SimLoop& loop_;
  std::unique_ptr<net::Stream> stream_;
  std::string heard_;
  std::string state_;
};

inline Heard User::answer(std::string_view to, Duration limit) {
  const TimePoint until = loop_.now() + limit;
  Heard heard;
  const auto over = [&](std::string why) {
    heard.end = std::move(why);
    return heard;
  };
  const auto nothing_more = [&] { return state_.empty() ? std::string("timeout") : state_; };
  http::ResponseParser parser;
  for (;;) {
    auto size = parser.parse(heard_, to);
    if (!size) return over(std::string(size.error().code));
    if (*size) {
      const http::ResponseHead& head = parser.head();
      heard.status = head.response.status;
      for (const http::Field& f : head.response.fields) heard.fields.emplace_back(f.name, f.value);
      const http::BodyLength length = head.response.body;
      const bool chunked = head.chunked;
      const bool until_close = head.until_close;
      heard_.erase(0, **size);
      if (chunked) {
        http::ChunkDecoder chunks;
        for (;;) {
          auto step = chunks.step(heard_);
          if (!step) return over(std::string(step.error().code));
          heard.body += heard_.substr(step->skip, step->data);
          heard_.erase(0, step->skip + step->data);
          if (step->state == http::ChunkDecoder::State::end) break;
          if (step->state == http::ChunkDecoder::State::more && !more(until)) return over(nothing_more());
        }
        for (const http::Field& f : chunks.trailers()) heard.trailers.emplace_back(f.name, f.value);
      } else if (until_close) {
        while (more(until)) {
        }
        heard.body = std::exchange(heard_, {});
        if (state_ != "end") return over(nothing_more());
      } else {
        while (heard_.size() < length.size)
          if (!more(until)) {
            heard.body = heard_;
            return over(nothing_more());
          }
        heard.body = heard_.substr(0, length.size);
        heard_.erase(0, length.size);
      }
      heard.whole = true;
      return heard;
    }
    if (!more(until)) return over(nothing_more());
  }
}

// The nodes that are connected, as the application tells the rules.
class Directory final : public route::NodeDirectory {
 public:
  explicit Directory(link::Nodes& nodes) : nodes_(nodes) {}
  std::uint64_t version() const override { return nodes_.version(); }
  bool is_connected(const NodeName& node) const override { return nodes_.find(node).has_value(); }
  void for_each(FunctionRef<void(const NodeName&, const route::Labels&)> visit) const override {
    for (const auto& [node, entry] : nodes_.all())
      if (entry.place) visit(node, entry.labels);
  }

 private:
  link::Nodes& nodes_;
};

inline std::shared_ptr<const route::Snapshot> rules(const std::string& yaml) {
  route::Problems problems("test.yaml");
  route::Manifests manifests = route::decode_manifests(yaml, route::Format::yaml, problems);
  EXPECT_EQ(route::to_text(problems.take()), "");
  auto snapshot = route::Snapshot::build(std::move(manifests), route::Site::cloud());
  EXPECT_EQ(route::to_text(snapshot->warnings()), "");
  return snapshot;
}

class IngressTest : public ::testing::Test {
 protected:
  static constexpr std::uint16_t kPort = 8080;

  explicit IngressTest(const std::vector<std::string>& names = {"edge-a"}) : world({.rtt = 20ms}) {
    for (const std::string& node_name : names) {
      link::TestEdge& edge = world.edge(node_name);
      egresses.push_back(std::make_unique<ScriptedEgress>(world.loop));
      egresses.back()->node = node_name;
      edge.egresses = {};
      edge.egresses.add(*egresses.back());
      world.loop.run(edge.link->connected(), 10s);
    }
    directory = std::make_unique<Directory>(*world.nodes);
    ingress =
        std::make_unique<HttpIngress>(*world.cloud_host, *world.cloud_link, *directory, std::make_shared<route::BackendStates>(), nullptr);
    user_host = &world.net.host("user", ip("192.0.2.50"));
  }
  ~IngressTest() override {
    ingress.reset();
    world.edges.clear();  // what runs there uses the egresses
  }

  // One rule for everything, with what `rule` and `backend` add to it, of two spaces' depth.
  static std::string manifest(const std::string& rule = "", const std::string& more = "", const std::string& backend = "",
                              const std::string& gateway = "") {
    return R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front}
spec:
  gatewayClassName: fairlead
  listeners: [{name: web, port: 8080, protocol: HTTP}]
)" + gateway +
           R"(---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: front}]
  rules:
  - backendRefs: [{group: fairlead.dev, kind: Backend, name: shop}]
)" + rule +
           R"(---
apiVersion: fairlead.dev/v1alpha1
kind: Backend
metadata: {name: shop}
spec:
  location: {nodeSelector: {site: test}}
  targets: [{address: 127.0.0.1, port: 7000}]
)" + backend +
           more;
  }
  void apply(const std::string& yaml) {
    for (const auto& failure : ingress->apply(rules(yaml), nullptr)) ADD_FAILURE() << failure.error.describe();
  }
  void serve(const std::string& port, std::deque<Script> scripts) {
    for (auto& egress : egresses) egress->scripts[port] = scripts;
  }
  User dial(std::uint16_t port = kPort) {
    auto stream = world.loop.run(user_host->connect({ip("192.0.2.1"), port}), 10s);
    EXPECT_TRUE(stream);
    return {world.loop, std::move(*stream)};
  }
  Heard get(const std::string& path, const std::string& fields = "") {
    User user = dial();
    user.say("GET " + path + " HTTP/1.1\r\nHost: shop.example\r\n" + fields + "\r\n");
    return user.answer();
  }
  // All that all nodes were asked, in order for each.
  std::vector<Seen*> seen() {
    std::vector<Seen*> all;
    for (auto& egress : egresses)
      for (auto& one : egress->seen) all.push_back(one.get());
    return all;
  }

  link::LinkWorld world;
  std::vector<std::unique_ptr<ScriptedEgress>> egresses;
  std::unique_ptr<Directory> directory;
  std::unique_ptr<HttpIngress> ingress;
  sim::Host* user_host = nullptr;
};

}  // namespace fairlead::http_plugin
