#include "plugins/kube/relay.h"

#include <optional>
#include <vector>

#include "runtime/scope.h"

namespace fairlead::kube_plugin {
namespace {

constexpr std::size_t kPiece = 32_KiB;
constexpr int kReadsInARow = 16;  // before others have their turn

struct Joint {
  explicit Joint(Loop& l) : loop(l), tasks(l) {}
  void failed(const Error& error) {
    if (over) return;
    over = true;
    result.end = {.code = link::flow_code_of(error.code()), .message = error.describe()};
    tasks.cancel();
  }
  Loop& loop;
  RelayEnd result;
  bool over = false;
  Scope tasks;
};

Task<void> carry(Joint& joint, net::Stream& from, net::Stream& to, std::uint64_t& count) {
  for (;;) {
    co_await from.readable();
    std::vector<std::byte> piece(kPiece);  // there only while there is something to put in it
    for (int reads = 0; reads < kReadsInARow; reads++) {
      std::optional<Result<std::size_t>> got = from.try_read(piece);
      if (!got) break;
      if (!*got) {
        joint.failed(got->error());
        co_return;
      }
      if (**got == 0) {
        auto shut = to.shut();
        if (!shut) joint.failed(shut.error());
        co_return;
      }
      auto written = co_await to.write(Bytes(piece).first(**got));
      if (!written) {
        joint.failed(written.error());
        co_return;
      }
      count += **got;
    }
    co_await joint.loop.yield();
  }
}

}  // namespace

Task<RelayEnd> relay(Loop& loop, net::Stream& client, net::Stream& service) {
  Joint joint(loop);
  joint.tasks.spawn(carry(joint, client, service, joint.result.bytes_in));
  joint.tasks.spawn(carry(joint, service, client, joint.result.bytes_out));
  co_await joint.tasks.done();
  if (joint.over) {
    client.reset();
    service.reset();
  }
  co_return std::move(joint.result);
}

}  // namespace fairlead::kube_plugin
