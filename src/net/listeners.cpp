#include "net/listeners.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"

namespace fairlead::net {
namespace {

// Out of descriptors: others need some time to end.
constexpr Duration kPause = 50ms;

}  // namespace

std::vector<Listeners::Failure> Listeners::listen_at(const std::vector<Wanted>& wanted, bool reuse_port) {
  std::map<SocketAddress, std::unique_ptr<Open>> before = std::exchange(open_, {});
  for (const Wanted& w : wanted)
    if (auto same = before.find(w.at); same != before.end()) open_.insert(before.extract(same));
  // What is gone is closed before anything is opened: its port may be asked for at another address.
  before.clear();

  std::vector<Failure> failed;
  for (const Wanted& w : wanted) {
    if (open_.contains(w.at)) continue;
    auto listener = network_.listen(w.at, {.reuse_port = reuse_port});
    if (!listener) {
      failed.push_back({w.at, Error::wrap(fmt::format("{}: listen at {}", w.owner, w.at), listener.error())});
      continue;
    }
    auto open = std::make_unique<Open>(network_.loop());
    open->listener = *std::move(listener);
    open->accepting.spawn(accept_from(*open->listener, w.at));
    open_.emplace(w.at, std::move(open));
  }
  return failed;
}

Task<void> Listeners::accept_from(Listener& listener, SocketAddress at) {
  for (;;) {
    auto incoming = co_await listener.accept();
    if (!incoming) {
      log::warn("net", "accept at {}: {}", at, incoming.error());
      co_await network_.loop().sleep(kPause);
      continue;
    }
    accepted_(*std::move(incoming), at);
  }
}

}  // namespace fairlead::net
