#include "kube/index.h"

#include <algorithm>

namespace fairlead::kube {

template <class Do>
auto Index::with_store(Kind kind, Do act) {
  switch (kind) {
    case Kind::node: return act(nodes_);
    case Kind::pod: return act(pods_);
    case Kind::service: return act(services_);
    case Kind::slice: break;
  }
  return act(slices_);
}

template <class T>
Result<void> Index::put_into(Store<T>& store, std::string key, std::optional<T> object) {
  if (!object) return {};
  const auto [at, is_new] = store.all.try_emplace(std::move(key), Kept<T>{*object, store.list});
  if (is_new) {
    if (store.all.size() > kMaxObjects) {
      store.all.erase(at);
      return fail(Code::too_large, "there are more than {} objects of this kind", kMaxObjects);
    }
  } else {
    at->second.list = store.list;
    if (at->second.object == *object) return {};
    count(at->first, at->second.object, false);
    at->second.object = *std::move(object);
  }
  count(at->first, at->second.object, true);
  return {};
}

template <class T>
void Index::remove_from(Store<T>& store, const std::string& key) {
  const auto at = store.all.find(key);
  if (at == store.all.end()) return;
  const Kept<T> gone = std::move(at->second);
  store.all.erase(at);
  count(key, gone.object, false);
}

template <class T>
void Index::sweep(Store<T>& store) {
  std::vector<std::string> gone;
  for (const auto& [key, kept] : store.all)
    if (kept.list != store.list) gone.push_back(key);
  for (const std::string& key : gone) remove_from(store, key);
}

Result<void> Index::put(Kind kind, const boost::json::object& object) {
  std::string key = key_of(object);
  if (key.empty()) return {};
  switch (kind) {
    case Kind::node: return put_into(nodes_, std::move(key), NodeObject::decode(object));
    case Kind::pod: return put_into(pods_, std::move(key), PodObject::decode(object));
    case Kind::service: return put_into(services_, std::move(key), ServiceObject::decode(object));
    case Kind::slice: break;
  }
  return put_into(slices_, std::move(key), SliceObject::decode(object));
}

void Index::remove(Kind kind, const std::string& key) {
  with_store(kind, [&](auto& store) { remove_from(store, key); });
}
void Index::begin_list(Kind kind) {
  with_store(kind, [](auto& store) { store.list++; });
}
void Index::end_list(Kind kind) {
  with_store(kind, [this](auto& store) { sweep(store); });
}
std::size_t Index::size(Kind kind) const {
  return const_cast<Index*>(this)->with_store(kind, [](auto& store) { return store.all.size(); });
}

void Index::claim(const net::IpAddress& ip, const NodeName& node, Claim::Kind kind, bool there) {
  changed_ = true;
  std::vector<Claim>& claims = tables_.owners.write(ip);
  auto at = std::ranges::find_if(claims, [&](const Claim& c) { return c.node == node && c.kind == kind; });
  if (there) {
    if (at == claims.end()) at = claims.insert(at, {node, kind});
    at->count++;
    return;
  }
  if (--at->count == 0) claims.erase(at);
  if (claims.empty()) tables_.owners.erase(ip);
}

void Index::count(const std::string&, const NodeObject& node, bool there) {
  changed_ = true;
  for (const net::IpAddress& ip : node.addresses) claim(ip, node.name, Claim::Kind::host, there);
  if (!there) return tables_.nodes.erase(node.name);
  tables_.nodes.write(node.name) = {.kubelet_port = node.kubelet_port == 0 ? kKubeletPort : node.kubelet_port,
                                    .ready = node.ready,
                                    .labelled = is_edge_ && is_edge_(node.labels),
                                    .uninitialized = node.uninitialized,
                                    .addresses = node.addresses};
}

void Index::count(const std::string&, const PodObject& pod, bool there) {
  if (!pod.node || pod.over) return;
  for (const net::IpAddress& ip : pod.ips) claim(ip, *pod.node, pod.host_network ? Claim::Kind::host : Claim::Kind::pod, there);
}

void Index::count(const std::string& key, const ServiceObject& service, bool there) {
  stale_.insert(key);
  for (const net::IpAddress& ip : service.cluster_ips) {
    std::set<std::string>& holders = holders_[ip];
    if (there) {
      for (const std::string& other : holders) stale_.insert(other);
      holders.insert(key);
    } else {
      holders.erase(key);
      for (const std::string& other : holders) stale_.insert(other);
      tables_.cluster_ips.erase(ip);
      if (holders.empty()) holders_.erase(ip);
    }
  }
}

void Index::count(const std::string& key, const SliceObject& slice, bool there) {
  for (const SliceObject::Endpoint& endpoint : slice.endpoints)
    if (endpoint.node)
      for (const net::IpAddress& ip : endpoint.addresses) claim(ip, *endpoint.node, Claim::Kind::pod, there);
  endpoints_ = there ? endpoints_ + slice.endpoints.size() : endpoints_ - slice.endpoints.size();
  if (slice.service.empty()) return;
  stale_.insert(slice.service);
  if (there) {
    slices_of_[slice.service].insert(key);
  } else if (const auto at = slices_of_.find(slice.service); at != slices_of_.end()) {
    at->second.erase(key);
    if (at->second.empty()) slices_of_.erase(at);
  }
}

// Endpoints that are ready, or as kube-proxy has it, while none is, those that still serve though they are going away.
void Index::rebuild(const std::string& key) {
  const auto at = services_.all.find(key);
  if (at == services_.all.end()) {
    tables_.services.erase(key);
    return;
  }
  const ServiceObject& service = at->second.object;
  auto view = std::make_shared<ServiceView>();
  view->name = key;
  const auto slices = slices_of_.find(key);
  for (const ServiceObject::Port& port : service.ports) {
    ServiceView::Port made{.port = port.port, .endpoints = {}};
    for (const bool ready : {true, false}) {
      if (!made.endpoints.empty() || slices == slices_of_.end()) break;
      for (const std::string& name : slices->second) {
        const SliceObject& slice = slices_.all.find(name)->second.object;
        const auto to = std::ranges::find(slice.ports, port.name, &ServiceObject::Port::name);
        if (to == slice.ports.end()) continue;
        for (const SliceObject::Endpoint& endpoint : slice.endpoints)
          if (ready ? endpoint.ready : endpoint.serving)
            for (const net::IpAddress& ip : endpoint.addresses) made.endpoints.push_back({{ip, to->port}, endpoint.node});
      }
    }
    view->ports.push_back(std::move(made));
  }
  const ServicePtr* known = tables_.services.find(key);
  ServicePtr next = known != nullptr && **known == *view ? *known : ServicePtr(std::move(view));
  if (known == nullptr || *known != next) tables_.services.write(key) = next;
  for (const net::IpAddress& ip : service.cluster_ips)
    if (const ServicePtr* there = tables_.cluster_ips.find(ip); there == nullptr || *there != next) tables_.cluster_ips.write(ip) = next;
}

std::shared_ptr<const Directory> Index::directory() {
  for (const std::string& key : stale_) rebuild(key);
  stale_.clear();
  changed_ = false;
  tables_.sizes = {nodes_.all.size(), pods_.all.size(), services_.all.size(), endpoints_};
  return std::make_shared<const Directory>(std::make_shared<const Tables>(tables_));
}

}  // namespace fairlead::kube
