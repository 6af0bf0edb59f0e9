#include "plugins/kube/relay.h"

#include <optional>
#include <vector>

#include "net/linger.h"
#include "runtime/scope.h"

namespace fairlead::kube_plugin {
namespace {

constexpr std::size_t kPiece = 32_KiB;
constexpr int kReadsInARow = 16;  // before others have their turn

constexpr Duration kLinger = 30s;  // for what is undelivered, without progress

struct Joint {
  Joint(Loop& l, net::Stream& a, net::Stream& b) : loop(l), client(a), service(b), tasks(l) {}
  net::Stream& other(const net::Stream& one) const { return &one == &client ? service : client; }
  // The first failure is the reason. What the stream has said before is still read, unless its end was.
  void failed(net::Stream& stream, const Error& error, bool all_read) {
    if (!broken) {
      broken = &stream;
      result.end = {.code = link::flow_code_of(error.code()), .message = error.describe()};
    } else {
      all_read = true;
    }
    if (all_read) tasks.cancel();
  }
  Loop& loop;
  net::Stream& client;
  net::Stream& service;
  RelayEnd result;
  net::Stream* broken = nullptr;
  Scope tasks;
};

Task<void> carry(Joint& joint, net::Stream& from, std::uint64_t& count, bool& ended, const bool& other_ended) {
  net::Stream& to = joint.other(from);
  for (;;) {
    co_await from.readable();
    std::vector<std::byte> piece(kPiece);  // there only while there is something to put in it
    for (int reads = 0; reads < kReadsInARow; reads++) {
      std::optional<Result<std::size_t>> got = from.try_read(piece);
      if (!got) break;
      if (!*got) {
        joint.failed(from, got->error(), true);
        co_return;
      }
      if (**got == 0) {
        ended = true;
        if (joint.broken != nullptr) {
          joint.tasks.cancel();
          co_return;
        }
        auto shut = to.shut();
        if (!shut) joint.failed(to, shut.error(), other_ended);
        co_return;
      }
      auto written = co_await to.write(Bytes(piece).first(**got));
      if (!written) {
        joint.failed(to, written.error(), other_ended);
        co_return;
      }
      count += **got;
    }
    co_await joint.loop.yield();
  }
}

}  // namespace

Task<RelayEnd> relay(Loop& loop, net::Stream& client, net::Stream& service) {
  Joint joint(loop, client, service);
  bool client_ended = false, service_ended = false;
  joint.tasks.spawn(carry(joint, client, joint.result.bytes_in, client_ended, service_ended));
  joint.tasks.spawn(carry(joint, service, joint.result.bytes_out, service_ended, client_ended));
  co_await joint.tasks.done();
  if (joint.broken != nullptr) {
    co_await net::until_delivered(loop, joint.other(*joint.broken), kLinger);
    client.reset();
    service.reset();
  }
  co_return std::move(joint.result);
}

}  // namespace fairlead::kube_plugin
