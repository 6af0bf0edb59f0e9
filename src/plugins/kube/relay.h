// relay.h: joins two streams until both directions have ended or either fails; half-close is kept, a failure resets the
// other once what was read before has been delivered, as far as there is progress.
#pragma once
#include <cstdint>

#include "link/splice.h"
#include "net/stream.h"
#include "runtime/loop.h"

namespace fairlead::kube_plugin {

struct RelayEnd {
  std::uint64_t bytes_in = 0;   // from `client` to `service`
  std::uint64_t bytes_out = 0;  // the other way
  link::SpliceEnd end;
};
Task<RelayEnd> relay(Loop& loop, net::Stream& client, net::Stream& service);

}  // namespace fairlead::kube_plugin
