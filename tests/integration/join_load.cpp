// join_load: many edges that join, or try to, from one process. For tests/integration/join_test.py.
//
//   join_load HOST:PORT PIN bad TRIES SOURCES AT_ONCE    tries with tokens that nobody gave out, from addresses 127.1.0.1, 127.1.0.2, ...
//   join_load HOST:PORT PIN good JOINS TOKEN AT_ONCE     joins as load-0, load-1, ...; each goes on until it is in, with the same key
//
// Standard output: for `bad` how many ended how, for `good` a line "NAME FINGERPRINT" for each node when it is in.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/log.h"
#include "enrol/join_client.h"
#include "net/real_network.h"
#include "runtime/asio_loop.h"
#include "runtime/scope.h"

namespace fairlead {
namespace {

constexpr std::size_t kMemory = 1_GiB, kSession = 16_MiB;

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "join_load: {}\n", result.error().describe());
  std::exit(2);
}

struct Load {
  AsioLoop loop;
  net::RealNetwork network{loop};
  net::MemoryBudget memory{kMemory, 0};
  net::HostPort cloud;
  std::optional<pki::Fingerprint> pin;
  std::uint64_t left = 0, next = 0;
  std::map<std::string, std::uint64_t, std::less<>> ended;
  std::vector<std::unique_ptr<quic::Endpoint>> sources;

  std::unique_ptr<quic::Endpoint> endpoint(const net::IpAddress& from) {
    return std::make_unique<quic::Endpoint>(loop, must(network.bind({from, 0}, {})), quic::EndpointSettings{}, quic::EndpointSecrets{},
                                            memory, kSession);
  }
  enrol::JoinAsk ask(const enrol::JoinToken& token, const std::string& name) {
    return {.cloud = cloud,
            .token = token,
            .pin = *pin,
            .node = must(NodeName::parse(name)),
            .key = pki::PrivateKey::generate(),
            .software = "join_load"};
  }
};

Task<void> try_in_vain(Load& load) {
  const net::SocketAddress to{must(net::IpAddress::parse(load.cloud.host)), load.cloud.port};
  while (load.left > 0) {
    load.left--;
    quic::Endpoint& from = *load.sources[load.next++ % load.sources.size()];
    const enrol::JoinAsk ask = load.ask(enrol::JoinToken::generate(), "edge-x");
    auto joined = co_await enrol::try_join(load.loop, from, to, ask);
    const auto& refusal = joined ? std::nullopt : joined.error().refusal;
    load.ended[joined ? "OK" : refusal ? std::string(enrol::name(refusal->code)) : "CUT"]++;
  }
}

Task<void> join_each(Load& load, enrol::JoinToken token) {
  while (load.left > 0) {
    load.left--;
    const std::string name = fmt::format("load-{}", load.next++);
    const enrol::JoinAsk ask = load.ask(token, name);
    const enrol::MakeEndpoint make = [&load](const net::SocketAddress&) -> Result<std::unique_ptr<quic::Endpoint>> {
      return load.endpoint(net::IpAddress());
    };
    const enrol::JoinPatience patience{.first = 20ms, .cap = 100ms};
    auto joined = co_await enrol::join(load.loop, load.network, make, ask, patience);
    if (joined)
      fmt::print("{} {}\n", name, ask.key.public_key().fingerprint());
    else
      fmt::print("{} {}\n", name, joined.error().describe());
    std::fflush(stdout);
  }
}

int run(int argc, char** argv) {
  if (argc != 7) return 2;
  log::configure(log::Level::off, log::Format::text);
  Load load;
  load.cloud = must(net::HostPort::parse(argv[1]));
  load.pin = must(enrol::parse_pin(argv[2]));
  const bool bad = std::string_view(argv[3]) == "bad";
  load.left = std::strtoull(argv[4], nullptr, 10);
  Scope tasks(load.loop);
  for (std::uint64_t i = std::strtoull(argv[6], nullptr, 10); i > 0; i--)
    tasks.spawn(bad ? try_in_vain(load) : join_each(load, must(enrol::JoinToken::parse(argv[5]))));
  if (bad)
    for (std::uint64_t i = std::strtoull(argv[5], nullptr, 10); i > 0; i--)
      load.sources.push_back(load.endpoint(net::IpAddress::v4(0x7f010000 + static_cast<std::uint32_t>(i))));
  load.loop.run(tasks.done());
  for (const auto& [how, count] : load.ended) fmt::print("{} {}\n", how, count);
  return 0;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) { return fairlead::run(argc, argv); }
