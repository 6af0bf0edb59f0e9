// Frames and every message in them, as a peer could send them.
#include "wire/message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  Bytes input = from_u8(data, size);
  while (true) {
    auto frame = wire::get_frame(input);
    if (!frame || !*frame) break;
    const Bytes body = (*frame)->body;
    if (auto m = wire::decode_hello(body)) static_cast<void>(wire::encode(*m));
    if (auto m = wire::decode_hello_reply(body)) static_cast<void>(wire::encode(*m));
    if (auto m = wire::decode_control(body)) static_cast<void>(wire::encode(*m));
    if (auto m = wire::decode_flow_open(body)) {
      // What we accepted, we can send on, and it means the same.
      const auto again = wire::encode(*m);
      const auto back = wire::decode_flow_open(wire::get_frame(again).value()->body);
      if (!back || back->target != m->target || back->head != m->head || back->remaining != m->remaining) __builtin_trap();
    }
    if (auto m = wire::decode_flow_reply(body)) static_cast<void>(wire::encode(*m));
    input = input.subspan((*frame)->size);
  }
  return 0;
}
