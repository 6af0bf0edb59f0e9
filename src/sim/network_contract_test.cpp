#include "net/datagram_contract.h"
#include "net/stream_contract.h"
#include "net/tls_network.h"
#include "sim/network.h"

namespace fairlead::net {
namespace {

const char* const kV4[] = {"192.0.2.1", "192.0.2.2"};
const char* const kV6[] = {"2001:db8::1", "2001:db8::2"};

class SimGround : public Ground {
 public:
  SimGround(const sim::LinkOptions& options, const char* const (&ips)[2])
      : loop_(options.seed),
        network_(loop_, options),
        dialler_(network_.host("dialler", IpAddress::parse(ips[0]).value())),
        server_(network_.host("server", IpAddress::parse(ips[1]).value())) {}

  Network& dialler() override { return dialler_; }
  Network& server() override { return server_; }
  IpAddress server_ip() const override { return server_.addresses().front(); }
  void run(Task<void> task) override { loop_.run(std::move(task), 10min); }

 private:
  SimLoop loop_;
  sim::Network network_;
  sim::Host& dialler_;
  sim::Host& server_;
};

class TlsGround final : public SimGround {
 public:
  explicit TlsGround(const sim::LinkOptions& options)
      : SimGround(options, kV4), dialler_(SimGround::dialler()), server_(SimGround::server()) {}
  Network& dialler() override { return dialler_; }
  Network& server() override { return server_; }

 private:
  TlsNetwork dialler_, server_;
};

// Both ends on one host.
class LoopbackGround final : public Ground {
 public:
  Network& dialler() override { return host_; }
  Network& server() override { return host_; }
  IpAddress server_ip() const override { return IpAddress::loopback_v4(); }
  void run(Task<void> task) override { loop_.run(std::move(task), 10min); }

 private:
  SimLoop loop_{1};
  sim::Network network_{loop_};
  sim::Host& host_ = network_.host("host", IpAddress::parse(kV4[0]).value());
};

std::unique_ptr<Ground> ground(const sim::LinkOptions& options, const char* const (&ips)[2] = kV4) {
  return std::make_unique<SimGround>(options, ips);
}

const GroundKind kGrounds[] = {
    {"Instant", [] { return ground({}); }},
    {"Far", [] { return ground({.seed = 2, .rtt = 50ms, .jitter = 5ms}); }},
    {"Narrow", [] { return ground({.seed = 3, .rtt = 20ms, .rate = 20'000'000}); }},
    {"V6", [] { return ground({.seed = 4, .rtt = 10ms}, kV6); }},
    {"Loopback", [] { return std::unique_ptr<Ground>(std::make_unique<LoopbackGround>()); }},
};
const GroundKind kHarshGrounds[] = {
    {"Lossy", [] { return ground({.seed = 5, .rtt = 50ms, .loss = 0.1, .reorder = 0.1, .duplicate = 0.1}); }},
};

std::unique_ptr<Ground> tls_ground(const sim::LinkOptions& options) { return std::make_unique<TlsGround>(options); }
const GroundKind kTlsGrounds[] = {
    {"Instant", [] { return tls_ground({}); }},
    {"Far", [] { return tls_ground({.seed = 2, .rtt = 50ms, .jitter = 5ms}); }},
    {"Narrow", [] { return tls_ground({.seed = 3, .rtt = 20ms, .rate = 20'000'000}); }},
};

INSTANTIATE_TEST_SUITE_P(Sim, StreamContract, testing::ValuesIn(kGrounds), name_of_ground);
INSTANTIATE_TEST_SUITE_P(SimTls, StreamContract, testing::ValuesIn(kTlsGrounds), name_of_ground);
INSTANTIATE_TEST_SUITE_P(SimHarsh, StreamContract, testing::ValuesIn(kHarshGrounds), name_of_ground);
INSTANTIATE_TEST_SUITE_P(Sim, DatagramContract, testing::ValuesIn(kGrounds), name_of_ground);

}  // namespace
}  // namespace fairlead::net
