// scenario.h: what befalls a link over time, as a text. tests/netlab/link.py plays the same text to the emulated link: one scenario, in
// virtual time and for real.
//
//   # a tram under a bridge
//   0s      rtt=50ms jitter=2ms rate=20M queue=200 loss=0.01
//   1500ms  down
//   4s      up out.loss=0.2                  out: only what `near` sends; in: only what it receives
//   6s      rebind                           the NAT of `near` forgets its mappings
//   7s      address                          `near` moves to the address after its own
//   8s      perfect                          every KEY as it was at first, and up
//
// A line is a time since the beginning and words; times do not go back. The words are those of tests/netlab/linkem.cpp, KEY=VALUE for each
// field of LinkOptions but `seed`: rtt, jitter, loss, burst.enter, burst.leave, burst.loss, reorder, reorder_delay, duplicate, corrupt,
// rate (bits per second; k, M, G), queue, queue_bytes, mark_at, mtu. Durations have a unit: ns, us, ms, s.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "sim/link_options.h"

namespace fairlead::sim {

class Host;
class Network;

class Scenario {
 public:
  // Code::invalid names the line and the word.
  static Result<Scenario> parse(std::string_view text);
  static Result<Scenario> load(const std::filesystem::path& file);

  // When the last line acts.
  Duration length() const { return steps_.empty() ? Duration{} : steps_.back().at; }
  // Plans all of it, counted from now, for the path between `near` and `far`. The network must outlive it. A host without NAT has nothing
  // to forget.
  void play(Network& network, Host& near, Host& far) const;

 private:
  enum class Event { none, down, up, perfect, rebind, address };
  enum class Direction { both, out, in };
  struct Word {
    Event event = Event::none;  // none: a key and its value
    Direction direction = Direction::both;
    std::string key;
    double value = 0;  // a duration in ns
  };
  struct Step {
    Duration at;
    std::vector<Word> words;
  };
  static Result<Word> parse_word(std::string_view text);
  static void act(const Word& word, Network& network, Host& near, Host& far);

  std::vector<Step> steps_;
};

}  // namespace fairlead::sim
