// The cloud's side of joins with edges that do and say anything, in pieces, in any order, many at a time. Nothing may crash, hang or be
// left, and nobody joins: the fuzzer knows a good token, but no connection's nonce.
#include "enrol/join_server.h"
#include "link/fake_mux.h"
#include "pki/request.h"
#include "pki/test_certificates.h"
#include "pki/test_pki.h"
#include "runtime/sim_loop.h"

namespace fairlead::enrol {
namespace {

class Input {
 public:
  explicit Input(Bytes bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t b = std::to_integer<std::uint8_t>(rest_.front());
    rest_ = rest_.subspan(1);
    return b;
  }
  Bytes some() {
    const std::size_t size = std::min<std::size_t>(rest_.size(), byte());
    const Bytes taken = rest_.first(std::min(rest_.size(), size));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

 private:
  Bytes rest_;
};

class DeskAtOnce final : public RegistryDesk {
 public:
  explicit DeskAtOnce(Registry& registry) : registry_(registry) {}
  void post(Work work) override { work(registry_); }
  void note(AuditLine) override {}

 private:
  Registry& registry_;
};

// What is the same in each run, and dear to make.
struct Cloud {
  pki::TestFolder folder;
  pki::TestPki pki{pki::KeyKind::ed25519};
  Registry registry = Registry::open(folder.path()).value();
  JoinToken token = registry.create_token({.lifetime = TokenWish::kMaxLifetime}, {"fuzzer", ""}, pki::TestPki::kNow).value();
  std::string request = std::string(as_text(
      pki::CertificateRequest::make(pki::PrivateKey::generate(pki::KeyKind::ed25519), NodeName::parse("edge-a").value(), "stale").der()));
  link::Trust trust{pki.cloud(), std::make_shared<const pki::RevocationList>()};
  Issuer issuer{std::make_shared<const Issuing>(Issuing{pki.ca, pki.ca.certificate().to_pem()})};
};

void fuzz(Input input) {
  static Cloud cloud;
  constexpr std::size_t kStreams = 40;
  SimLoop loop(1);
  DeskAtOnce desk(cloud.registry);
  TryLimiter limiter({.burst = 1u + input.byte()});
  JoinServer server(loop, cloud.issuer, desk, cloud.trust, limiter, nullptr, {.concurrent = 1u + input.byte() % 8});
  std::vector<std::shared_ptr<link::FakeHalves>> streams;
  const auto pick = [&] { return streams[input.byte() % streams.size()]; };
  while (!input.empty()) {
    const std::uint8_t what = streams.empty() ? 0 : input.byte() % 8;
    if (what == 0) {
      if (streams.size() == kStreams) break;
      auto mux = std::make_unique<link::FakeMux>(loop, kJoinAlpn);
      link::FakeMux& edge = *mux;
      std::unique_ptr<net::MuxConnection> connection = std::move(mux);
      const std::uint64_t before = server.counters().limited;
      const std::size_t places = server.under_way();
      if (!server.take(connection) || connection) __builtin_trap();
      if (server.counters().limited != before && server.under_way() == places) {
        if (streams.empty()) break;
        continue;
      }
      loop.settle();
      if (edge.opened().size() != 1) __builtin_trap();
      streams.push_back(edge.opened().front());
    } else if (what == 1) {
      link::FakeMux::arrive(*pick(), input.some());
    } else if (what == 2) {
      link::FakeMux::arrive(*pick(), encode(JoinRequest{.token = Secret(std::string(as_text(input.some()))), .request = cloud.request}));
    } else if (what == 3) {
      link::FakeMux::arrive(*pick(), encode(JoinRequest{.token = cloud.token.text(), .request = std::string(as_text(input.some()))}));
    } else if (what == 4) {
      link::FakeMux::arrive(*pick(), encode(JoinRequest{.token = cloud.token.text(), .request = cloud.request}));
    } else if (what == 5) {
      link::FakeMux::finish(*pick());
    } else if (what == 6) {
      link::FakeMux::break_off(*pick(), input.byte());
    } else {
      loop.run_for(std::chrono::milliseconds(50 * input.byte()));
    }
    loop.settle();
  }
  loop.run_for(1min);
  if (server.under_way() != 0 || server.counters().joined != 0) __builtin_trap();
  for (const auto& stream : streams)
    if (!stream->handle_gone) __builtin_trap();
}

}  // namespace
}  // namespace fairlead::enrol

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  log::configure(log::Level::off, log::Format::text);
  enrol::fuzz(enrol::Input(from_u8(data, size)));
  return 0;
}
