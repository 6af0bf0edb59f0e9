// network_ground.h: where the contract of Network is tested: two hosts that can reach each other. For tests only.
//
// stream_contract.h and datagram_contract.h hold what every Network must do; each implementation brings its grounds and
// instantiates them in one test file.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>

#include "net/network.h"
#include "runtime/loop.h"

namespace fairlead::net {

class Ground {
 public:
  virtual ~Ground() = default;
  virtual Network& dialler() = 0;
  virtual Network& server() = 0;
  virtual IpAddress server_ip() const = 0;
  // Runs `task` to its end; fails the test if that takes too long.
  virtual void run(Task<void> task) = 0;

  Loop& loop() { return server().loop(); }
  SocketAddress any_port() const { return {server_ip(), 0}; }
};

struct GroundKind {
  const char* name;
  std::unique_ptr<Ground> (*make)();
  friend std::ostream& operator<<(std::ostream& out, const GroundKind& kind) { return out << kind.name; }
};
inline std::string name_of_ground(const testing::TestParamInfo<GroundKind>& info) { return info.param.name; }

class StreamContract : public testing::TestWithParam<GroundKind> {
 protected:
  std::unique_ptr<Ground> ground_ = GetParam().make();
};
class DatagramContract : public testing::TestWithParam<GroundKind> {
 protected:
  std::unique_ptr<Ground> ground_ = GetParam().make();
};

}  // namespace fairlead::net
