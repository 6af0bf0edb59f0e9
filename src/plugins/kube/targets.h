// targets.h: what a flow of this plug-in asks the far side to dial, in FlowOpen.target: a word of these, or an address.
//
// With a word the dialling side knows best where that is: an edge where its kubelet listens, the cloud which API servers live.
// FlowOpen.backend is what was asked for, as the user wrote it, for the far side's log.
#pragma once
#include <cstdint>
#include <string_view>

#include "base/time.h"

namespace fairlead::kube_plugin {

inline constexpr std::string_view kPlugin = "kube";
inline constexpr std::string_view kKubelet = "kubelet";
inline constexpr std::string_view kApiServer = "apiserver";

inline constexpr std::uint16_t kKubeletPort = 10250;

// To open a tunnel, the far connect included. A kubelet is on its node, a pod next to it: what takes longer is a link that is cut, and
// the one who waits is better told so.
inline constexpr Duration kOpenTimeout = 5s;

}  // namespace fairlead::kube_plugin
