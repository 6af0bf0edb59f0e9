// fake_api_server.h: an API server with lists, pages, watches, bookmarks and merge patches, as far as this layer needs it, on any
// Network; and one that does what no good one does (interfere). For tests only.
#pragma once
#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "http/chunked.h"
#include "http/head_parser.h"
#include "http/target.h"
#include "kube/index.h"
#include "net/tls_fixture.h"
#include "runtime/timer.h"

namespace fairlead::kube {

class FakeApiServer {
 public:
  struct Asked {
    std::string method, target, authorization, content, body;
    std::string subject;  // of the client's certificate
  };
  // What is written instead of an answer, as it is; then the connection is closed, or left open without a word.
  struct Raw {
    std::string bytes;
    bool leave_open = false;
    Duration between{};  // written byte by byte, so long apart
  };

  FakeApiServer(net::Network& network, net::SocketAddress at, std::shared_ptr<const net::TlsServer> tls)
      : network_(network), at_(at), tls_(std::move(tls)), scope_(network.loop()) {
    start();
  }

  std::function<std::optional<Raw>(const Asked&)> interfere;  // asked first
  std::vector<Asked> asked;
  std::size_t connections = 0;
  std::size_t page = 100'000;   // more are not given at a time
  bool errors_in_watch = true;  // 410 is an event; false: it is the answer

  template <class Text>
  void put(Kind kind, const std::string& key, Text text) {
    text.version = std::to_string(++version_);
    std::string made = text.text();
    auto& objects = objects_[kind];
    const bool is_new = !objects.contains(key);
    objects[key] = made;
    tell(kind, is_new ? "ADDED" : "MODIFIED", std::move(made));
  }
  void remove(Kind kind, const std::string& key) {
    auto node = objects_[kind].extract(key);
    boost::json::object gone = boost::json::parse(node.mapped()).as_object();
    gone["metadata"].as_object()["resourceVersion"] = std::to_string(++version_);
    tell(kind, "DELETED", boost::json::serialize(gone));
  }
  // Time goes on without a change.
  void bookmark() {
    version_ += 10;
    for (Watch* watch : watches_)
      watch->say(fmt::format(R"({{"type":"BOOKMARK","object":{{"metadata":{{"resourceVersion":"{}"}}}}}})", version_));
  }
  // What was before is too old to be watched from.
  void compact() {
    oldest_ = version_;
    events_.clear();
  }
  void say_raw(std::string_view bytes) {
    for (Watch* watch : watches_) watch->raw(std::string(bytes));
  }
  std::size_t watches() const { return watches_.size(); }
  void stop() {
    listener_.reset();
    scope_.cancel_now();
  }
  void start() {
    listener_ = network_.listen(at_).value();
    scope_.spawn(accept());
  }
  std::string text(Kind kind, const std::string& key) { return objects_[kind].at(key); }

 private:
  static constexpr std::string_view kPaths[] = {"/api/v1/nodes", "/api/v1/pods", "/api/v1/services",
                                                "/apis/discovery.k8s.io/v1/endpointslices"};
  struct Watch {
    Watch(FakeApiServer& s, Kind k) : server(s), kind(k), come(s.network_.loop()) { server.watches_.push_back(this); }
    ~Watch() { std::erase(server.watches_, this); }
    void say(const std::string& event) { raw(fmt::format("{:x}\r\n{}\n\r\n", event.size() + 1, event)); }
    void raw(std::string bytes) {
      said.push_back(std::move(bytes));
      come.wake_all();
    }
    FakeApiServer& server;
    Kind kind;
    std::deque<std::string> said;
    WaitQueue come;
  };
  struct Event {
    std::uint64_t version;
    Kind kind;
    std::string text;
  };

  void tell(Kind kind, std::string_view type, std::string object) {
    events_.push_back({version_, kind, fmt::format(R"({{"type":"{}","object":{}}})", type, object)});
    for (Watch* watch : watches_)
      if (watch->kind == kind) watch->say(events_.back().text);
  }

  Task<void> accept() {
    for (;;) {
      auto incoming = co_await listener_->accept();
      if (!incoming) co_return;
      connections++;
      scope_.spawn(serve(network_.adopt(*std::move(incoming))));
    }
  }
  static Task<Result<void>> write(net::Stream& stream, std::string text) {
    auto written = co_await stream.write(as_bytes(text));
    co_return written;
  }
  static std::string answer(unsigned status, std::string_view body, std::string_view more = "") {
    return fmt::format("HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), more,
                       body);
  }

  Task<void> serve(std::unique_ptr<net::Stream> transport) {
    net::TlsPeer peer;
    auto stream = co_await tls_->accept(network_.loop(), std::move(transport), peer);
    if (!stream) co_return;
    std::string buffer;
    for (;;) {
      http::RequestParser parser;
      std::optional<std::size_t> head;
      while (!head) {
        auto size = parser.parse(buffer);
        if (!size) co_return;
        if (*size && buffer.size() >= **size + parser.head().request.body.size) {
          head = **size;
          break;
        }
        std::byte bytes[16384];
        auto n = co_await (*stream)->read(bytes);
        if (!n || *n == 0) co_return;
        buffer += as_text({bytes, *n});
        parser.reset();
      }
      Asked one;
      const http::Request& request = parser.head().request;
      one.method = request.method;
      one.target = request.target;
      one.subject = peer.subject;
      if (const auto* field = request.fields.find("Authorization")) one.authorization = field->value;
      if (const auto* field = request.fields.find("Content-Type")) one.content = field->value;
      one.body = buffer.substr(*head, request.body.size);
      buffer.erase(0, *head + request.body.size);
      asked.push_back(one);
      if (auto raw = interfere ? interfere(one) : std::nullopt) {
        co_await say(**stream, *std::move(raw));
        co_return;
      }
      const bool go_on = co_await reply(**stream, std::move(one));
      if (!go_on) co_return;
    }
  }
  Task<void> say(net::Stream& stream, Raw raw) {
    if (raw.between == 0ns) {
      auto written = co_await write(stream, raw.bytes);
      if (!written) co_return;
    } else {
      for (const char c : raw.bytes) {
        std::string one(1, c);
        auto written = co_await write(stream, std::move(one));
        if (!written) co_return;
        co_await network_.loop().sleep(raw.between);
      }
    }
    if (!raw.leave_open) {
      std::ignore = stream.shut();
      co_return;
    }
    std::byte byte[1];
    auto n = co_await stream.read(byte);
    std::ignore = n;
  }

  static std::string query(std::string_view target, std::string_view key) {
    const http::Target split = http::split_target(target);
    std::string scratch;
    return std::string(http::query_parameter(split.query, key, scratch).value_or(""));
  }
  Task<bool> reply(net::Stream& stream, Asked request) {
    const std::string path(http::split_target(request.target).path);
    for (std::size_t i = 0; i < kKinds; i++) {
      const Kind kind = static_cast<Kind>(i);
      if (path == kPaths[i] && query(request.target, "watch") == "1") {
        const bool go_on = co_await watch(stream, kind, request.target);
        co_return go_on;
      }
      std::string text;
      if (path == kPaths[i])
        text = list(kind, request.target);
      else if (path.starts_with(std::string(kPaths[i]) + "/"))
        text = one(kind, path.substr(kPaths[i].size() + 1), request);
      else
        continue;
      auto written = co_await write(stream, std::move(text));
      co_return written.has_value();
    }
    std::string text = answer(404, R"({"kind":"Status","message":"no such path"})");
    auto written = co_await write(stream, std::move(text));
    co_return written.has_value();
  }

  // The token has what must be encoded in a query.
  std::string list(Kind kind, std::string_view target) {
    const auto& objects = objects_[kind];
    const std::string token = query(target, "continue"), limit = query(target, "limit");
    std::size_t at = token.empty() ? 0 : std::stoul(token.substr(5));
    const std::size_t end = std::min({objects.size(), at + page, at + (limit.empty() ? page : std::stoul(limit))});
    std::string items;
    for (auto object = std::next(objects.begin(), static_cast<std::ptrdiff_t>(at)); at < end; at++, object++)
      items.append(items.empty() ? "" : ",").append(object->second);
    const std::string next = end < objects.size() ? fmt::format(R"(,"continue":"a+/= {}")", end) : "";
    return answer(200, fmt::format(R"({{"kind":"List","metadata":{{"resourceVersion":"{}"{}}},"items":[{}]}})", version_, next, items));
  }

  std::string one(Kind kind, std::string name, const Asked& request) {
    if (const std::size_t slash = name.find('/'); slash != name.npos) name.resize(slash);  // "edge-a/status"
    auto& objects = objects_[kind];
    if (!objects.contains(name)) return answer(404, fmt::format(R"({{"kind":"Status","message":"\"{}\" not found"}})", name));
    if (request.method == "PATCH") {
      const boost::json::object patch = boost::json::parse(request.body).as_object();
      boost::json::value object = boost::json::parse(objects[name]);
      if (const auto* metadata = patch.if_contains("metadata"))
        if (const auto* version = metadata->as_object().if_contains("resourceVersion"))
          if (*version != object.as_object()["metadata"].as_object()["resourceVersion"])
            return answer(409, R"({"kind":"Status","message":"the object has been modified"})");
      merge(object.as_object(), patch);
      object.as_object()["metadata"].as_object()["resourceVersion"] = std::to_string(++version_);
      objects[name] = boost::json::serialize(object);
      tell(kind, "MODIFIED", objects[name]);
    }
    return answer(200, objects[name]);
  }
  static void merge(boost::json::object& into, const boost::json::object& patch) {
    for (const auto& field : patch) {
      if (field.value().is_null()) {
        into.erase(field.key());
      } else if (field.value().is_object() && into.contains(field.key()) && into[field.key()].is_object()) {
        merge(into[field.key()].as_object(), field.value().as_object());
      } else {
        into[field.key()] = field.value();
      }
    }
  }

  Task<bool> watch(net::Stream& stream, Kind kind, std::string target) {
    const std::uint64_t from = std::stoull("0" + query(target, "resourceVersion"));
    const TimePoint until = network_.loop().now() + std::chrono::seconds(std::stoull(query(target, "timeoutSeconds")));
    constexpr std::string_view kExpired = R"({"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"})";
    if (from < oldest_ && !errors_in_watch) {
      std::string text = answer(410, kExpired);
      auto written = co_await write(stream, std::move(text));
      co_return written.has_value();
    }
    Watch watch(*this, kind);
    watch.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    if (from < oldest_) {
      watch.say(fmt::format(R"({{"type":"ERROR","object":{}}})", kExpired));
      watch.raw("0\r\n\r\n");
    }
    for (const Event& event : events_)
      if (event.kind == kind && event.version > from) watch.say(event.text);
    Timer ends(network_.loop(), [&watch] { watch.raw("0\r\n\r\n"); });
    ends.arm(until);
    for (;;) {
      while (watch.said.empty()) co_await watch.come.wait();
      const bool last = watch.said.front() == "0\r\n\r\n";
      std::string text = std::move(watch.said.front());
      watch.said.pop_front();
      auto written = co_await write(stream, std::move(text));
      if (!written) co_return false;
      if (last) co_return true;
    }
  }

  net::Network& network_;
  net::SocketAddress at_;
  std::shared_ptr<const net::TlsServer> tls_;
  std::unique_ptr<net::Listener> listener_;
  std::uint64_t version_ = 1000, oldest_ = 0;
  std::map<Kind, std::map<std::string, std::string>> objects_;
  std::vector<Event> events_;
  std::vector<Watch*> watches_;
  Scope scope_;
};

}  // namespace fairlead::kube
