#include "plugins/kube/where.h"

#include <fmt/format.h>

#include "plugins/kube/targets.h"

namespace fairlead::kube_plugin {
namespace {

constexpr std::string_view kServiceDomain = ".svc";

Where where(kube::AtEdge found) {
  if (found.kind == kube::AtEdge::Kind::kubelet) return Where::edge("kubelet", std::move(found.node), std::string(kKubelet));
  const bool pod = found.kind == kube::AtEdge::Kind::pod;
  return Where::edge(!found.service.empty() ? "service" : pod ? "pod" : "host", std::move(found.node), found.at.to_text());
}
Where where(const kube::Direct& found) { return Where::direct(found.instead ? found.instead->to_text() : ""); }
Where where(kube::Ambiguous found) { return Where::refused(link::FlowCode::no_route, std::move(found.message)); }
Where where(kube::Nowhere found) { return Where::refused(link::flow_code_of(found.code), std::move(found.message)); }

}  // namespace

Where look_up(const net::HostPort& target, const kube::Directory* directory, kube::AskStanding standing, std::uint64_t turn) {
  const std::shared_ptr<const kube::Directory> nothing = directory == nullptr ? kube::Directory::empty() : nullptr;
  kube::Found found = (directory == nullptr ? *nothing : *directory).find(target, standing, turn);
  const bool guessed = directory == nullptr && std::holds_alternative<kube::Direct>(found);
  if (guessed && (net::IpAddress::parse(target.host) || target.host.contains(kServiceDomain)))
    return Where::refused(link::FlowCode::link_down,
                          fmt::format("{} is not known yet: the cluster was not read so far (kube.cluster)", target.to_text()));
  return std::visit([](auto&& one) { return where(std::move(one)); }, std::move(found));
}

}  // namespace fairlead::kube_plugin
