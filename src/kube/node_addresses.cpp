#include "kube/node_addresses.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "kube/json_items.h"
#include "kube/objects.h"

namespace fairlead::kube {
namespace {

namespace json = boost::json;

constexpr std::string_view kInternal = "InternalIP";
constexpr std::string_view kHostname = "Hostname";

// What a Node says, with what is written back.
struct Current {
  std::string version;
  json::array addresses, taints;
};

const Wanted& wanted() {
  static const Wanted fields = Wanted::paths({"metadata/resourceVersion", "status/addresses", "spec/taints"});
  return fields;
}

json::array list_of(const json::object& object, const char* part, const char* name) {
  const json::value* in = object.if_contains(part);
  const json::value* list = in == nullptr || !in->is_object() ? nullptr : in->get_object().if_contains(name);
  return list == nullptr || !list->is_array() ? json::array() : list->get_array();
}

Result<Current> parse(std::string_view body) {
  Current made;
  JsonItems items(JsonItems::Shape::one, wanted());
  TRY(items.feed(body, [&](json::object& object) -> Result<void> {
    made.version = resource_version_of(object);
    made.addresses = list_of(object, "status", "addresses");
    made.taints = list_of(object, "spec", "taints");
    return {};
  }));
  TRY(items.end());
  return made;
}

bool is_of(const json::value& member, const char* key, std::string_view value) {
  const json::object* object = member.if_object();
  return object != nullptr && text_at(*object, {key}) == value;
}

json::object address(std::string_view type, std::string_view text) {
  json::object made;
  made["type"] = json::string(type);
  made["address"] = json::string(text);
  return made;
}

// The Node's addresses with one InternalIP, ours. nullopt: they are that already.
std::optional<json::array> with_ours(const json::array& addresses, const NodeName& node, const net::IpAddress& ip) {
  const std::string ours = ip.to_text();
  json::array made;
  made.push_back(address(kInternal, ours));
  bool named = false;
  for (const json::value& each : addresses) {
    named = named || is_of(each, "type", kHostname);
    if (!is_of(each, "type", kInternal)) made.push_back(each);
  }
  if (!named) made.push_back(address(kHostname, node.value()));
  const auto internal = [](const json::value& each) { return is_of(each, "type", kInternal); };
  const auto found = std::ranges::find_if(addresses, internal);
  if (named && std::ranges::count_if(addresses, internal) == 1 && is_of(*found, "address", ours)) return std::nullopt;
  return made;
}

ApiRequest request(const NodeName& node, std::string_view verb, std::string_view part) {
  ApiRequest made;
  made.method = verb == "get" ? "GET" : "PATCH";
  made.path = fmt::format("/api/v1/nodes/{}{}{}", node.value(), part.empty() ? "" : "/", part);
  made.verb = verb;
  made.resource = fmt::format("nodes{}{}", part.empty() ? "" : "/", part);
  made.name = node.value();
  return made;
}

// A merge patch of one list, for that version of the Node alone: what somebody else has changed meanwhile is not lost.
ApiRequest patch(const NodeName& node, std::string_view part, const std::string& version, const char* in, const char* field,
                 json::array value) {
  ApiRequest made = request(node, "patch", part);
  json::object body;
  body["metadata"] = json::object{{"resourceVersion", version}};
  body[in] = json::object{{field, std::move(value)}};
  made.body = json::serialize(body);
  made.content = "application/merge-patch+json";
  return made;
}

}  // namespace

NodeAddresses::NodeAddresses(ApiClient& client)
    : client_(client), changed_(client.loop()), later_(client.loop(), [this] { changed_.wake_all(); }), scope_(client.loop()) {
  scope_.spawn(run());
}

void NodeAddresses::want(std::map<NodeName, net::SocketAddress> wanted) {
  wanted_ = std::move(wanted);
  std::erase_if(tries_, [this](const auto& each) { return !wanted_.contains(each.first); });
  changed_.wake_all();
}

void NodeAddresses::look(std::shared_ptr<const Directory> directory) {
  directory_ = std::move(directory);
  changed_.wake_all();
}

std::map<NodeName, std::string> NodeAddresses::problems() const {
  std::map<NodeName, std::string> all;
  for (const auto& [node, one] : tries_)
    if (!one.problem.empty()) all.emplace(node, one.problem);
  return all;
}

void NodeAddresses::tell(const NodeName& node, std::string problem) {
  Try& one = tries_[node];
  if (one.problem == problem) return;
  one.problem = std::move(problem);
  if (!one.problem.empty()) log::warn("kube", "node {}: {}", node.value(), one.problem);
}

bool NodeAddresses::needs(const NodeName& node, const net::SocketAddress& at) const {
  const Directory::Node* known = directory_->node(node);
  if (known == nullptr) return false;
  return known->uninitialized || known->addresses.empty() || known->addresses.front() != at.ip;
}

// A node whose turn it is. Also tells of those that cannot be helped.
std::optional<NodeName> NodeAddresses::due() {
  const TimePoint now = client_.loop().now();
  std::optional<NodeName> found;
  for (const auto& [node, at] : wanted_) {
    const Directory::Node* known = directory_->node(node);
    if (known != nullptr && known->kubelet_port != at.port) {
      tell(node, fmt::format("its kubelet listens at port {}: set `port: {}` in its configuration, where Fairlead listens for it at {}",
                             known->kubelet_port, at.port, at));
      continue;
    }
    if (!needs(node, at)) {
      const auto tried = tries_.find(node);
      if (tried != tries_.end() && (tried->second.failures < kPatience || now - tried->second.next > kSteady)) tell(node, "");
      continue;
    }
    if (!found && tries_[node].next <= now) found = node;
  }
  return found;
}

Duration NodeAddresses::until_next() const {
  Duration least = kLongestPause;
  for (const auto& [node, one] : tries_)
    if (const Duration left = one.next - client_.loop().now(); left > 0ns) least = std::min(least, left);
  return least;
}

Task<Result<void>> NodeAddresses::set(NodeName node, net::IpAddress ip) {
  ApiRequest get = request(node, "get", "");
  auto body = co_await client_.call(std::move(get));
  if (!body) co_return fail(body.error());
  CO_TRY_ASSIGN(Current current, parse(*body));
  if (auto addresses = with_ours(current.addresses, node, ip)) {
    ApiRequest change = patch(node, "status", current.version, "status", "addresses", *std::move(addresses));
    auto changed = co_await client_.call(std::move(change));
    if (!changed) co_return fail(changed.error());
    CO_TRY_ASSIGN(current, parse(*changed));
    log::info("kube", "node {} now has the address {}", node.value(), ip);
  }
  const auto is_taint = [](const json::value& each) { return is_of(each, "key", kCloudTaint); };
  if (std::ranges::none_of(current.taints, is_taint)) co_return Result<void>{};
  json::array rest;
  for (const json::value& each : current.taints)
    if (!is_taint(each)) rest.push_back(each);
  ApiRequest change = patch(node, "", current.version, "spec", "taints", std::move(rest));
  auto changed = co_await client_.call(std::move(change));
  if (!changed) co_return fail(changed.error());
  log::info("kube", "node {} is initialized: {} was removed", node.value(), kCloudTaint);
  co_return Result<void>{};
}

Task<void> NodeAddresses::run() {
  Loop& loop = client_.loop();
  for (;;) {
    const std::optional<NodeName> node = due();
    if (!node) {
      later_.arm(loop.now() + until_next());
      co_await changed_.wait();
      continue;
    }
    const net::IpAddress ip = wanted_.at(*node).ip;
    auto done = co_await set(*node, ip);
    if (!wanted_.contains(*node)) continue;
    Try& one = tries_[*node];
    if (loop.now() - one.next > kSteady) one.failures = 0;
    one.next = loop.now() + std::min<Duration>(kLongestPause, kFirstPause * (1 << std::min<std::size_t>(one.failures++, 10)));
    if (!done && done.error().code() == Code::exists) continue;  // it was changed meanwhile
    if (!done) {
      tell(*node, done.error().describe());
    } else if (one.failures >= kPatience) {
      tell(*node, fmt::format("its kubelet sets its address back: run it with --cloud-provider=external, or with --node-ip={}", ip));
    }
  }
}

}  // namespace fairlead::kube
