#include "quic/engine_test_pair.h"

namespace fairlead::quic::test {
namespace {

// Sends `bytes` on `s` as room comes, then the end.
class Sender {
 public:
  Sender(EngineStream& s, std::string bytes) : stream(s), bytes_(std::move(bytes)) {}
  void pump() {
    at_ += write(stream, std::string_view(bytes_).substr(at_));
    if (at_ == bytes_.size() && !ended_) {
      ended_ = true;
      stream.finish();
    }
  }
  EngineStream& stream;

 private:
  std::string bytes_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

}  // namespace

// The heart of it: whatever the path does, each byte arrives once and in order, both ways.
TEST(EngineStreams, EveryByteArrivesOnceAndInOrderOnABadPath) {
  const std::uint64_t count = seeds(200);
  for (std::uint64_t seed = 1; seed <= count; seed++) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Scenario scenario;
    scenario.path = {.seed = seed,
                     .delay = Duration(static_cast<std::int64_t>(1'000'000 + random.below(40'000'000))),
                     .loss = 0.2 * random.unit() * static_cast<double>(seed % 4 != 0),
                     .duplicate = 0.1 * random.unit(),
                     .reorder = 0.3 * random.unit()};
    scenario.client.handshake_timeout = scenario.server.handshake_timeout = 60s;
    if (seed % 2 == 0) scenario.client.congestion = scenario.server.congestion = EngineSettings::Congestion::cubic;
    Pair pair(scenario);
    ASSERT_TRUE(pair.connect(60s));

    struct Flow {
      std::string up, down, got_up, got_down;
      std::unique_ptr<Sender> client, server;
      EngineStream* far = nullptr;
    };
    std::vector<Flow> flows(1 + random.below(6));
    for (Flow& f : flows) {
      f.up = pattern(random.below(60'000), random.next());
      f.down = pattern(random.below(60'000), random.next());
      f.client = std::make_unique<Sender>(*pair.client.engine->open_stream(net::Priority::interactive), f.up);
    }
    pair.pump = [&] {
      for (Flow& f : flows) {
        f.client->pump();
        f.got_down += read(f.client->stream);
        if (f.far == nullptr && (f.far = pair.server_end(&f.client->stream)) != nullptr)
          f.server = std::make_unique<Sender>(*f.far, f.down);
        if (f.far == nullptr) continue;
        f.server->pump();
        f.got_up += read(*f.far);
      }
    };
    ASSERT_TRUE(pair.run(600s,
                         [&] {
                           for (Flow& f : flows)
                             if (f.far == nullptr || !f.client->stream.at_end() || !f.far->at_end()) return false;
                           return true;
                         }))
        << (pair.client.how ? pair.client.how->reason : "") << (pair.server.how ? pair.server.how->reason : "");
    for (Flow& f : flows) {
      ASSERT_EQ(f.got_up, f.up);
      ASSERT_EQ(f.got_down, f.down);
      f.client->stream.release();
      f.far->release();
    }
    ASSERT_TRUE(pair.run(60s, [&] { return pair.client.engine->stats().streams == 0 && pair.server.engine->stats().streams == 0; }));
  }
}

}  // namespace fairlead::quic::test
