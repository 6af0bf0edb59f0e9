#include "plugins/kube/tunnels.h"

#include <utility>

namespace fairlead::kube_plugin {

void Tunnels::end_the_quiet() {
  if (!std::exchange(ending_, true)) task_.spawn(watch());
}

Task<void> Tunnels::watch() {
  for (;;) {
    for (Open& tunnel : open_) tunnel.seen_ = tunnel.bytes();
    co_await task_.loop().sleep(kQuiet);
    for (Open& tunnel : open_)
      if (tunnel.bytes() == tunnel.seen_) tunnel.flow_.abort(link::FlowCode::draining);
  }
}

}  // namespace fairlead::kube_plugin
