#include "plugins/kube/where.h"

#include "plugins/kube/targets.h"

namespace fairlead::kube_plugin {
namespace {

Where where(kube::AtEdge found) {
  if (found.kind == kube::AtEdge::Kind::kubelet) return Where::edge("kubelet", std::move(found.node), std::string(kKubelet));
  const bool pod = found.kind == kube::AtEdge::Kind::pod;
  return Where::edge(!found.service.empty() ? "service" : pod ? "pod" : "host", std::move(found.node), found.at.to_text());
}
Where where(const kube::Direct& found) { return Where::direct(found.instead ? found.instead->to_text() : ""); }
Where where(kube::Ambiguous found) { return Where::refused(link::FlowCode::no_route, std::move(found.message)); }
Where where(kube::Nowhere found) { return Where::refused(link::flow_code_of(found.code), std::move(found.message)); }

}  // namespace

Where look_up(const net::HostPort& target, const kube::Directory& directory, kube::AskStanding standing, std::uint64_t turn) {
  return std::visit([](auto&& found) { return where(std::move(found)); }, directory.find(target, standing, turn));
}

}  // namespace fairlead::kube_plugin
