// Two engines whose users do what the input says, over a path that does to packets what the input says: loses, repeats, cuts, alters and
// invents them, before the handshake, during it and afterwards. Nothing may crash, nothing may be left behind (Pair checks), and what is
// buffered stays within the budgets.
#include <array>

#include "quic/engine_test_pair.h"

namespace fairlead::quic::test {
namespace {

class Input {
 public:
  explicit Input(Bytes bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const auto b = std::to_integer<std::uint8_t>(bytes_.front());
    bytes_ = bytes_.subspan(1);
    return b;
  }
  Bytes take(std::size_t n) {
    const Bytes some = bytes_.first(std::min(n, bytes_.size()));
    bytes_ = bytes_.subspan(some.size());
    return some;
  }

 private:
  Bytes bytes_;
};

constexpr std::size_t kMemory = 2_MiB;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// One side and the streams that its user holds.
struct User {
  Side& side;
  std::vector<EngineStream*> held;
  std::size_t taken = 0;  // of side.opened

  EngineStream* pick(std::uint8_t which) {
    for (; taken < side.opened.size(); taken++) held.push_back(side.opened[taken]);
    return held.empty() ? nullptr : held[which % held.size()];
  }
  void release(EngineStream* s) {
    std::erase(held, s);
    s->release();
  }
  void release_all() {
    pick(0);
    for (EngineStream* s : held) s->release();
    held.clear();
  }
};

void act(Pair& pair, User& user, Input& in) {
  Engine& engine = *user.side.engine;
  const std::uint8_t op = in.byte(), a = in.byte();
  const auto priority = static_cast<net::Priority>(a % net::kPriorities);
  EngineStream* s = user.pick(a);
  switch (op % 18) {
    case 0:
    case 1:
      if (EngineStream* opened = engine.open_stream(priority)) user.held.push_back(opened);
      break;
    case 2:
    case 3:
      if (s != nullptr) write(*s, std::string(std::size_t{in.byte()} * 97, 'w'));
      break;
    case 4:
      if (s != nullptr) write(*s, std::string(std::size_t{in.byte()} * 4001, 'W'));
      break;
    case 5:
      if (s != nullptr) read(*s, std::size_t{in.byte()} * 997);
      break;
    case 6:
      if (s != nullptr) s->finish();
      break;
    case 7:
      if (s != nullptr) s->abort(in.byte());
      break;
    case 8:
      if (s != nullptr) user.release(s);
      break;
    case 9:
      if (s != nullptr) s->set_priority(static_cast<net::Priority>(in.byte() % net::kPriorities));
      break;
    case 10:
      if (s != nullptr) s->prepare();  // room that is never filled
      break;
    case 11: engine.send_datagram(as_bytes(std::string(std::size_t{in.byte()} * 7, 'd')), priority); break;
    case 12: engine.ping(); break;
    case 13: engine.update_keys(); break;
    case 14: engine.migrate({net::IpAddress::v4(0x0a000001u + a % 3), static_cast<std::uint16_t>(1000 + in.byte())}, pair.now); break;
    case 15:
      if (in.byte() % 8 == 0) engine.close(a, "closed by the input", pair.now);
      break;
    case 16:
      if (in.byte() % 8 == 0) engine.refuse(a, "refused by the input", pair.now);
      break;
    default: {  // a stranger's packet, perhaps with an id of ours
      std::vector<std::byte> packet;
      const std::uint8_t kind = in.byte();
      packet.push_back(static_cast<std::byte>(kind));
      if ((kind & 0x80) == 0 && !user.side.ids.empty()) {
        const Bytes id = as_bytes(*user.side.ids.begin());
        packet.insert(packet.end(), id.begin(), id.end());
      }
      const Bytes rest = in.take(in.byte());
      packet.insert(packet.end(), rest.begin(), rest.end());
      engine.feed({engine.peer(), engine.local(), static_cast<net::Ecn>(a % 4), packet}, pair.now);
    }
  }
}

void run(Bytes bytes) {
  Input in(bytes);
  Scenario scenario;
  const std::uint8_t settings = in.byte();
  scenario.path.seed = settings;
  scenario.path.loss = (settings & 1) != 0 ? 0.1 : 0;
  scenario.path.duplicate = (settings & 2) != 0 ? 0.2 : 0;
  scenario.path.reorder = (settings & 4) != 0 ? 0.3 : 0;
  scenario.retry = (settings & 8) != 0;
  if ((settings & 16) != 0) scenario.client.congestion = EngineSettings::Congestion::cubic;
  scenario.client_memory = scenario.server_memory = kMemory;
  scenario.client.max_streams = scenario.server.max_streams = 8;
  scenario.client.handshake_timeout = scenario.server.handshake_timeout = 3s;
  const bool early = (settings & 32) != 0;  // the input's packets come into the handshake, too

  Pair pair(scenario);
  User client{pair.client, {}}, server{pair.server, {}};
  // What becomes of a packet.
  pair.change = [&](std::vector<std::byte>& packet) {
    if (in.empty() || in.byte() % 8 != 0) return true;
    const std::uint8_t how = in.byte();
    switch (how % 4) {
      case 0: return false;
      case 1: packet.resize(std::min<std::size_t>(packet.size(), std::size_t{in.byte()} * 6)); break;
      case 2:
        if (!packet.empty()) packet[(std::size_t{in.byte()} * 5) % packet.size()] ^= static_cast<std::byte>(how | 1);
        break;
      default: {
        const Bytes tail = in.take(in.byte());
        packet.insert(packet.end(), tail.begin(), tail.end());
      }
    }
    return !packet.empty();
  };
  if (!early) {
    const auto change = std::exchange(pair.change, {});
    pair.connect(5s);
    pair.change = change;
  }
  for (int steps = 0; !in.empty() && steps < 400; steps++) {
    User& user = in.byte() % 2 == 0 ? client : server;
    if (user.side.engine) act(pair, user, in);
    if (const std::uint8_t wait = in.byte(); wait % 4 == 0) pair.run_for(Duration(std::int64_t{wait} * 1'000'000));
    for (Side* side : {&pair.client, &pair.server}) {
      // A chunk each for what a writer or reader may be holding comes on top, and the packet that brought it over.
      require(side->budget.used() <= kMemory + 4_MiB, "memory is bounded");
      if (side->engine) require(side->engine->alive() != side->engine->close_info().has_value(), "over, and says why, or alive");
    }
  }
  if (in.byte() % 2 == 0) pair.run_for(5s);
  client.release_all();
  server.release_all();
}

}  // namespace
}  // namespace fairlead::quic::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fairlead::quic::test::run(fairlead::from_u8(data, size));
  return 0;
}
