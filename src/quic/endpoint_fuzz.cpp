// Strangers at the door of a serving endpoint: datagrams that the input makes up or makes out of genuine ones, from several addresses,
// beside clients that mean well. Nothing may crash; half-open handshakes, memory and what an address is sent stay within their limits;
// and when the strangers are gone, everything of theirs is gone, too, and whoever dials is served.
#include <deque>

#include "quic/endpoint_ground.h"

namespace fairlead::quic {
namespace {

constexpr std::size_t kHalfOpen = 6;
constexpr std::size_t kBacklog = 8;
constexpr std::size_t kMemory = 64_MiB;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

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

class Door {
 public:
  Door() {
    EndpointSettings settings;
    settings.limits = {.half_open_before_retry = 3, .half_open = kHalfOpen, .accept_backlog = kBacklog, .resets_per_second = 20};
    settings.engine.handshake_timeout = 3s;
    settings.engine.idle_timeout = 20s;
    ground_.session_memory = 2_MiB;
    server_ = ground_.endpoint(ground_.cloud, EndpointGround::kPort, settings);
    server_->serve(test_server());
    echoing_.spawn(echo_all(ground_.loop, *server_));
    client_ = ground_.endpoint(ground_.edge, 0, settings);
    for (std::uint32_t i = 0; i < 4; i++) {
      const net::IpAddress address = net::IpAddress::v4(0xcb007101u + i);
      sim::Host& host = ground_.net.host("stranger", address);
      strangers_.push_back({host.bind({address, 1000}).value(), 0, 0});
    }
    // What goes either way is material for forgers.
    ground_.net.path(ground_.edge, ground_.cloud).set_filter([this](const net::Datagram& datagram) { return overhear(datagram); });
    ground_.net.path(ground_.cloud, ground_.edge).set_filter([this](const net::Datagram& datagram) { return overhear(datagram); });
  }
  ~Door() {
    echoing_.cancel_now();
    dialling_.cancel_now();
  }

  void act(Input& in) {
    const std::uint8_t op = in.byte();
    Stranger& stranger = strangers_[op % strangers_.size()];
    switch ((op >> 2) % 10) {
      case 0: {
        const Bytes raw = in.take(in.byte());
        say(stranger, {raw.begin(), raw.end()});
        break;
      }
      case 1: say(stranger, long_header(in)); break;
      case 2:
      case 3:
      case 4: say(stranger, forged(in)); break;
      case 5: ground_.loop.run_for(Duration(std::int64_t{in.byte()} * 100'000)); break;
      case 6: ground_.loop.run_for(Duration(std::int64_t{in.byte()} * 20'000'000)); break;
      case 7:
        dialled_.emplace_back(fail(Code::internal, "not yet"));
        if (dialled_.size() <= 6) dialling_.spawn(dial_into(*client_, ground_.cloud_address(), dialled_.back()));
        break;
      case 8:
        if (!dialled_.empty()) dialled_[in.byte() % dialled_.size()] = fail(Code::internal, "let go");
        break;
      default:
        if (in.byte() % 4 == 0)
          server_->stop_serving();
        else
          server_->serve(test_server());
    }
    check();
  }

  void finish() {
    ground_.loop.run_for(100ms);
    check();
    dialling_.cancel_now();
    dialled_.clear();
    overhearing_ = false;
    ground_.loop.run_for(30s);
    require(server_->connections() == 0, "handshakes that nobody finishes end");
    require(client_->connections() == 0, "connections that nobody holds end");
    require(ground_.process.used() == 0, "all memory is given back");
    // The accept loop ends when serving stops.
    server_->stop_serving();
    ground_.loop.settle();
    server_->serve(test_server());
    echoing_.spawn(echo_all(ground_.loop, *server_));
    Result<Mux> good = fail(Code::internal, "not yet");
    dialling_.spawn(dial_into(*client_, ground_.cloud_address(), good));
    ground_.loop.run_for(2s);
    require(good.has_value(), "whoever dials is served");
  }

 private:
  struct Stranger {
    std::unique_ptr<net::DatagramSocket> socket;
    std::size_t said, heard;
  };

  bool overhear(const net::Datagram& datagram) {
    if (overhearing_ && material_.size() < 200) material_.emplace_back(datagram.payload.begin(), datagram.payload.end());
    return true;
  }

  void say(Stranger& stranger, std::vector<std::byte> what) {
    if (what.empty()) return;
    stranger.said += what.size();
    stranger.socket->send({.to = ground_.cloud_address(), .from = {}, .ecn = net::Ecn::ect0, .data = what, .segment = what.size()});
  }

  // A head with the fields that the input wishes, perhaps padded to what opens a connection.
  static std::vector<std::byte> long_header(Input& in) {
    static constexpr std::uint32_t kVersions[] = {1, 0x6b3343cf, 0, 0xbabababa};
    std::vector<std::byte> packet{static_cast<std::byte>(0xc0 | in.byte())};
    const std::uint32_t version = kVersions[in.byte() % 4];
    for (int shift = 24; shift >= 0; shift -= 8) packet.push_back(static_cast<std::byte>(version >> shift));
    for (int id = 0; id < 2; id++) {
      const std::uint8_t size = in.byte() % 32;
      packet.push_back(std::byte{size});
      const Bytes bytes = in.take(size);
      packet.insert(packet.end(), bytes.begin(), bytes.end());
      packet.resize(packet.size() + size - bytes.size());
    }
    const std::uint8_t token = in.byte() % 64;
    packet.push_back(std::byte{token});
    const Bytes bytes = in.take(token);
    packet.insert(packet.end(), bytes.begin(), bytes.end());
    packet.resize(packet.size() + token - bytes.size());
    packet.push_back(static_cast<std::byte>(0x40 | in.byte() % 8));
    packet.push_back(static_cast<std::byte>(in.byte()));
    if (in.byte() % 4 != 0 && packet.size() < 1200) packet.resize(1200, std::byte{7});
    return packet;
  }

  // Something that really went over the wire, whole or altered.
  std::vector<std::byte> forged(Input& in) {
    if (material_.empty()) return {};
    std::vector<std::byte> packet = material_[in.byte() % material_.size()];
    for (int changes = in.byte() % 4; changes > 0; changes--)
      packet[(in.byte() * 5u + in.byte()) % packet.size()] = static_cast<std::byte>(in.byte());
    if (const std::uint8_t cut = in.byte(); cut % 8 == 0) packet.resize(std::max<std::size_t>(1, packet.size() * cut / 256));
    const Bytes tail = in.take(in.byte() % 8 == 0 ? in.byte() : 0);
    packet.insert(packet.end(), tail.begin(), tail.end());
    return packet;
  }

  void check() {
    for (Stranger& stranger : strangers_) {
      stranger.socket->receive(1000, [&stranger](const net::Datagram& datagram) { stranger.heard += datagram.payload.size(); });
      // RFC 9000 8.1; and a close once or twice on top, which repeats nothing for others to multiply.
      require(stranger.heard <= 3 * stranger.said + 2 * 1200, "nobody is amplified");
    }
    require(server_->connections() <= kHalfOpen + kBacklog + 6, "half-open handshakes are limited");
    require(ground_.process.used() <= kMemory, "memory is bounded");
  }

  EndpointGround ground_;
  std::unique_ptr<Endpoint> server_, client_;
  std::vector<Stranger> strangers_;
  std::vector<std::vector<std::byte>> material_;
  bool overhearing_ = true;
  std::deque<Result<Mux>> dialled_;
  Scope echoing_{ground_.loop}, dialling_{ground_.loop};
};

void run(Bytes bytes) {
  Input in(bytes);
  Door door;
  for (int steps = 0; !in.empty() && steps < 500; steps++) door.act(in);
  door.finish();
}

}  // namespace
}  // namespace fairlead::quic

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fairlead::quic::run(fairlead::from_u8(data, size));
  return 0;
}
