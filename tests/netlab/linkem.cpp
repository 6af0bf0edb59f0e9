// linkem: a bad cable. Carries Ethernet frames between two devices of a network namespace, as LinkOptions of the simulator would.
//
// usage: linkem NAMESPACE DEVICE_A DEVICE_B CONTROL [--seed N] [WORD...]
//
// NAMESPACE is a file (/run/netns/NAME). CONTROL is a UNIX datagram socket that linkem makes: a datagram holds words like those of the
// command line, separated by spaces, and is answered by "ok", by JSON (`counters`) or by "error: ...", and then nothing has changed.
//
//   rtt=50ms jitter=2ms             half of rtt each way; up to `jitter` is added each way
//   loss=0.01                       of each packet, independently
//   burst.enter=0.001 burst.leave=0.3 burst.loss=1   in bursts (Gilbert-Elliott): chances to turn bad, to turn good, to lose while bad
//   reorder=0.01 reorder_delay=5ms  share of packets that come later, and by how much; order is kept otherwise
//   duplicate=0.01
//   corrupt=0.01                    share of packets in which a bit is flipped: the device of the receiver finds that and drops them
//   rate=20M queue=1000             bits per second (k, M, G; 0: no limit); packets that may wait for the wire
//   queue_bytes=100k mark_at=50     the same in bytes; packets waiting from which on ECN-capable ones are marked CE (0: no limit, never)
//   mtu=1500                        of the IP packet; larger ones are dropped without a word
//   out.KEY=... in.KEY=...          only what A sends, only what A receives
//   down, up                        down: what is sent is lost; what is past the wire arrives all the same
//   perfect                         every KEY as it was at first, and up
//   counters                        what became of the packets, for each direction
//
// Changes act on the packets that follow. What happens to the n-th depends on the seed and the packets before it, on nothing else. Frames
// that only keep the two ends in touch (ARP, neighbour discovery, multicast) are delayed, lost only while down, and not counted. Devices
// at both far ends must have gso_max_segs 1, so that each frame is one packet; checksums that a sender leaves to its device pass through
// as they are (virtio_net_hdr).
//
// build: clang++-19 -std=c++20 -O2 (netlab/link.py does it)
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <queue>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

namespace {

using Clock = std::chrono::steady_clock;
using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<Clock, Duration>;
using Frame = std::vector<std::uint8_t>;  // a virtio_net_hdr, then the Ethernet frame

constexpr std::size_t kBatch = 64;                          // frames for one system call
constexpr Duration kTurn = std::chrono::microseconds(100);  // not oftener does it look: by so much a frame of a busy link may be late
constexpr std::size_t kFrameMax = 65'536 + 64;              // the largest IP packet with what is around it
constexpr int kSocketBuffer = 16 << 20;                     // 0.1 s of 1 Gbit/s and more: a burst waits for us, not in vain
constexpr std::size_t kVnetHeader = 10;                     // struct virtio_net_hdr, whose header file C++ cannot read
constexpr std::size_t kHeader = kVnetHeader + ETH_HLEN;

struct Options {
  Duration rtt{}, jitter{}, reorder_delay = std::chrono::milliseconds(5);
  double loss = 0, burst_enter = 0, burst_leave = 0.3, burst_loss = 1, reorder = 0, duplicate = 0, corrupt = 0;
  double rate = 0, queue = 1000, queue_bytes = 0, mark_at = 0, mtu = 1500;
};

const std::map<std::string_view, double Options::*> kNumbers{
    {"loss", &Options::loss},
    {"burst.enter", &Options::burst_enter},
    {"burst.leave", &Options::burst_leave},
    {"burst.loss", &Options::burst_loss},
    {"reorder", &Options::reorder},
    {"duplicate", &Options::duplicate},
    {"corrupt", &Options::corrupt},
    {"rate", &Options::rate},
    {"queue", &Options::queue},
    {"queue_bytes", &Options::queue_bytes},
    {"mark_at", &Options::mark_at},
    {"mtu", &Options::mtu},
};
const std::map<std::string_view, Duration Options::*> kDurations{
    {"rtt", &Options::rtt}, {"jitter", &Options::jitter}, {"reorder_delay", &Options::reorder_delay}};
const std::map<std::string_view, double> kScales{{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}};
const std::map<std::string_view, double> kUnits{{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};

// What a user may say wrongly.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "linkem: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

double number(std::string_view text, const std::map<std::string_view, double>& units) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto unit = units.find(text.substr(static_cast<std::size_t>(end - text.data())));
  if (error != std::errc{} || unit == units.end() || value < 0) throw Refused("not a value: " + std::string(text));
  return value * unit->second;
}

void set(Options& options, std::string_view key, std::string_view value) {
  if (const auto at = kNumbers.find(key); at != kNumbers.end()) {
    options.*at->second = number(value, kScales);
  } else if (const auto span = kDurations.find(key); span != kDurations.end()) {
    options.*span->second = Duration(static_cast<Duration::rep>(number(value, kUnits)));
  } else {
    throw Refused("no such key: " + std::string(key));
  }
}

// A frame without which the two ends would not find each other: ARP, ICMPv6 from Router Solicitation to Redirect, what is for all.
bool keeps_in_touch(const Frame& frame) {
  const auto* ethernet = frame.data() + kVnetHeader;
  const auto type = static_cast<unsigned>(ethernet[12] << 8 | ethernet[13]);
  const auto* ip = ethernet + ETH_HLEN;
  const bool discovery = type == ETH_P_IPV6 && frame.size() > kHeader + 40 && ip[6] == IPPROTO_ICMPV6 && ip[40] >= 133 && ip[40] <= 137;
  return type == ETH_P_ARP || discovery || (ethernet[0] & 1) != 0;
}

// Marks an ECN-capable packet CE (RFC 3168); false if it is none.
bool mark(Frame& frame) {
  auto* ip = frame.data() + kHeader;
  const bool v4 = ip[0] >> 4 == 4;
  auto& byte = ip[1];  // IPv4: the traffic class; IPv6: its last half and the flow label
  const unsigned ecn = v4 ? byte & 3u : (byte >> 4) & 3u;
  if (ecn != 1 && ecn != 2) return false;
  if (!v4) {
    byte |= 0x30;
    return true;
  }
  const unsigned before = static_cast<unsigned>(ip[0] << 8 | byte);
  byte |= 3;
  unsigned sum = static_cast<unsigned>(~(ip[10] << 8 | ip[11]) & 0xffff) + (~before & 0xffff) + static_cast<unsigned>(ip[0] << 8 | byte);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);  // RFC 1624
  ip[10] = static_cast<std::uint8_t>(~sum >> 8);
  ip[11] = static_cast<std::uint8_t>(~sum);
  return true;
}

// A packet socket at one device, which sees what arrives there and can send from there.
class Device {
 public:
  explicit Device(const std::string& name) : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = static_cast<std::uint16_t>(ETH_P_ALL << 8);
    address.sll_ifindex = static_cast<int>(if_nametoindex(name.c_str()));
    if (fd_ < 0 || address.sll_ifindex == 0) die(name);
    if (setsockopt(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0 ||
        setsockopt(fd_, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) != 0) {
      die("options of a packet socket");
    }
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
    setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind to " + name);
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() { close(fd_); }

  int fd() const { return fd_; }
  // To be sent by the next flush().
  void put(Frame frame) {
    outgoing_.push_back(std::move(frame));
    if (outgoing_.size() == kBatch) flush();
  }
  // Also when the far end is down: then a frame is lost, as on any cable.
  void flush() {
    std::array<iovec, kBatch> pieces;
    std::array<mmsghdr, kBatch> messages{};
    for (std::size_t i = 0; i < outgoing_.size(); i++) {
      pieces[i] = {outgoing_[i].data(), outgoing_[i].size()};
      messages[i].msg_hdr.msg_iov = &pieces[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (std::size_t sent = 0; sent < outgoing_.size();) {
      const int n = sendmmsg(fd_, messages.data() + sent, static_cast<unsigned>(outgoing_.size() - sent), 0);
      sent += n > 0 ? static_cast<std::size_t>(n) : 1;
    }
    outgoing_.clear();
  }

  // Calls `take` for each frame that waits, up to a batch.
  template <typename Take>
  void receive(Take take) {
    static std::vector<std::uint8_t> room(kBatch * kFrameMax);
    std::array<iovec, kBatch> pieces;
    std::array<mmsghdr, kBatch> messages{};
    for (std::size_t i = 0; i < kBatch; i++) {
      pieces[i] = {room.data() + i * kFrameMax, kFrameMax};
      messages[i].msg_hdr.msg_iov = &pieces[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int n = recvmmsg(fd_, messages.data(), kBatch, MSG_DONTWAIT, nullptr);
    for (std::size_t i = 0; n > 0 && i < static_cast<std::size_t>(n); i++) {
      const auto* begin = static_cast<std::uint8_t*>(pieces[i].iov_base);
      if (messages[i].msg_len > kHeader) take(Frame(begin, begin + messages[i].msg_len));
    }
  }

 private:
  int fd_;
  std::vector<Frame> outgoing_;  // at most kBatch
};

struct Counters {
  std::uint64_t sent = 0, bytes = 0, delivered = 0, lost = 0, queue_full = 0, too_large = 0, cut = 0, duplicated = 0, reordered = 0,
                corrupted = 0, marked = 0;
  std::size_t longest_queue = 0;

  std::string json() const {
    std::ostringstream out;
    out << "{\"sent\":" << sent << ",\"bytes\":" << bytes << ",\"delivered\":" << delivered << ",\"lost\":" << lost
        << ",\"queue_full\":" << queue_full << ",\"too_large\":" << too_large << ",\"cut\":" << cut << ",\"duplicated\":" << duplicated
        << ",\"reordered\":" << reordered << ",\"corrupted\":" << corrupted << ",\"marked\":" << marked
        << ",\"longest_queue\":" << longest_queue << "}";
    return out.str();
  }
};

// One direction: a queue in front of a wire of some rate, then delay, loss and the rest of Options.
class Path {
 public:
  Path(Device& to, std::uint64_t seed) : to_(to), random_(seed) {}

  Options options;
  const Counters& counters() const { return counters_; }

  void carry(Frame frame, bool up, TimePoint now) {
    if (keeps_in_touch(frame)) {
      if (up) flight_.push({now + options.rtt / 2, planned_++, std::move(frame), false});
      return;
    }
    const std::size_t size = frame.size() - kHeader;
    counters_.sent++;
    counters_.bytes += size;
    if (!up) {
      counters_.cut++;
      return;
    }
    if (static_cast<double>(size) > options.mtu) {
      counters_.too_large++;
      return;
    }
    forget_departed(now);
    const bool no_room = static_cast<double>(departures_.size()) > options.queue;  // one is on the wire, the others wait
    const bool no_bytes =
        options.queue_bytes > 0 && !departures_.empty() && static_cast<double>(queued_bytes_ + size) > options.queue_bytes;
    if (no_room || no_bytes) {
      counters_.queue_full++;
      return;
    }
    if (options.mark_at > 0 && static_cast<double>(departures_.size()) >= options.mark_at && mark(frame)) counters_.marked++;
    const TimePoint left = depart(size, now);
    if (loses()) {
      counters_.lost++;
      return;
    }
    if (chance(options.corrupt)) {
      counters_.corrupted++;
      return;
    }
    TimePoint arrives = std::max(delayed(left), last_arrival_);
    if (chance(options.reorder)) {
      arrives += options.reorder_delay;
      counters_.reordered++;
    } else {
      last_arrival_ = arrives;
    }
    if (chance(options.duplicate)) {
      counters_.duplicated++;
      deliver_at(arrives, frame);
    }
    deliver_at(arrives, std::move(frame));
  }

  void deliver_due(TimePoint now) {
    for (; !flight_.empty() && flight_.top().due <= now; flight_.pop()) {
      counters_.delivered += flight_.top().counted ? 1 : 0;
      to_.put(std::move(flight_.top().frame));
    }
    to_.flush();
  }

  std::optional<TimePoint> next_due() const { return flight_.empty() ? std::nullopt : std::optional(flight_.top().due); }

 private:
  struct Flying {
    TimePoint due;
    std::uint64_t order;
    mutable Frame frame;  // taken out before it is popped; the order does not depend on it
    bool counted;
    bool operator<(const Flying& other) const { return due != other.due ? due > other.due : order > other.order; }
  };

  struct Departure {
    TimePoint at;
    std::size_t bytes;
  };

  void deliver_at(TimePoint due, Frame frame) { flight_.push({due, planned_++, std::move(frame), true}); }
  bool chance(double p) { return p > 0 && uniform_(random_) < p; }

  // When the last bit has left.
  TimePoint depart(std::size_t bytes, TimePoint now) {
    if (options.rate <= 0) return now;
    const TimePoint start = departures_.empty() ? now : departures_.back().at;
    departures_.push_back({start + Duration(static_cast<Duration::rep>(static_cast<double>(bytes) * 8e9 / options.rate)), bytes});
    queued_bytes_ += bytes;
    counters_.longest_queue = std::max(counters_.longest_queue, departures_.size());
    return departures_.back().at;
  }

  void forget_departed(TimePoint now) {
    for (; !departures_.empty() && departures_.front().at <= now; departures_.pop_front()) queued_bytes_ -= departures_.front().bytes;
  }

  bool loses() {
    if (chance(bad_ ? options.burst_leave : options.burst_enter)) bad_ = !bad_;
    const bool in_burst = bad_ && chance(options.burst_loss);
    return chance(options.loss) || in_burst;
  }

  TimePoint delayed(TimePoint left) {
    const auto jitter = static_cast<Duration::rep>(uniform_(random_) * static_cast<double>(options.jitter.count()));
    return left + options.rtt / 2 + Duration(jitter);
  }

  Device& to_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> uniform_{0, 1};
  Counters counters_;
  bool bad_ = false;                  // the state of burst loss
  std::deque<Departure> departures_;  // of what waits for the wire or is on it
  std::size_t queued_bytes_ = 0;
  std::priority_queue<Flying> flight_;
  TimePoint last_arrival_{};
  std::uint64_t planned_ = 0;
};

class Link {
 public:
  Link(const std::string& a, const std::string& b, std::uint64_t seed) : a_(a), b_(b), out_(b_, seed), in_(a_, seed + 1) {}

  // Does what the words say, or throws and does nothing. Returns the answer.
  std::string obey(std::string_view words) {
    Options out = out_.options, in = in_.options;
    bool up = up_, counters = false;
    std::istringstream stream{std::string(words)};
    for (std::string word; stream >> word;) {
      if (word == "down" || word == "up") {
        up = word == "up";
      } else if (word == "perfect") {
        out = in = Options{};
        up = true;
      } else if (word == "counters") {
        counters = true;
      } else {
        const auto equals = word.find('=');
        if (equals == std::string::npos) throw Refused("no such word: " + word);
        std::string_view key = std::string_view(word).substr(0, equals), value = std::string_view(word).substr(equals + 1);
        const bool only_out = key.starts_with("out."), only_in = key.starts_with("in.");
        if (only_out || only_in) key.remove_prefix(only_out ? 4 : 3);
        if (!only_in) set(out, key, value);
        if (!only_out) set(in, key, value);
      }
    }
    out_.options = out;
    in_.options = in;
    up_ = up;
    return counters ? "{\"out\":" + out_.counters().json() + ",\"in\":" + in_.counters().json() + "}" : "ok";
  }

  // Waits until a frame, a datagram at `control` or a due time, and carries on. True if there is something at `control`.
  bool turn(int control) {
    rest();
    std::optional<TimePoint> due = out_.next_due();
    if (const auto other = in_.next_due(); other && (!due || *other < *due)) due = other;
    timespec wait{};
    if (due) {
      const auto left = std::max(Duration{0}, *due - now());
      wait = {left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    }
    std::array<pollfd, 3> ready{{{a_.fd(), POLLIN, 0}, {b_.fd(), POLLIN, 0}, {control, POLLIN, 0}}};
    if (ppoll(ready.data(), ready.size(), due ? &wait : nullptr, nullptr) < 0) return false;
    const TimePoint time = last_turn_ = now();
    if (ready[0].revents != 0) a_.receive([&](Frame frame) { out_.carry(std::move(frame), up_, time); });
    if (ready[1].revents != 0) b_.receive([&](Frame frame) { in_.carry(std::move(frame), up_, time); });
    out_.deliver_due(time);
    in_.deliver_due(time);
    return ready[2].revents != 0;
  }

 private:
  // On a busy link several frames are carried at once.
  void rest() const {
    const auto left = last_turn_ + kTurn - now();
    if (left <= Duration{0}) return;
    const timespec pause{0, left.count()};
    nanosleep(&pause, nullptr);
  }
  static TimePoint now() { return std::chrono::time_point_cast<Duration>(Clock::now()); }

  Device a_, b_;
  Path out_, in_;
  bool up_ = true;
  TimePoint last_turn_{};
};

void enter(const std::string& network) {
  const int fd = open(network.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) die(network);
  close(fd);
}

int control_socket(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Refused("too long for a socket's name: " + path);
  path.copy(address.sun_path, path.size());
  unlink(path.c_str());
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die(path);
  return fd;
}

void answer(int control, Link& link) {
  std::array<char, 4096> words;
  sockaddr_un from{};
  socklen_t length = sizeof from;
  const ssize_t n = recvfrom(control, words.data(), words.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
  if (n < 0) return;
  std::string said;
  try {
    said = link.obey({words.data(), static_cast<std::size_t>(n)});
  } catch (const Refused& why) {
    said = std::string("error: ") + why.what();
  }
  sendto(control, said.data(), said.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
}

volatile sig_atomic_t asked_to_end = 0;

int run(const std::vector<std::string>& arguments) {
  std::uint64_t seed = 1;
  std::string words;
  for (std::size_t i = 4; i < arguments.size(); i++) {
    if (arguments[i] == "--seed" && i + 1 < arguments.size()) {
      seed = static_cast<std::uint64_t>(number(arguments[++i], kScales));
    } else {
      words += arguments[i] + ' ';
    }
  }
  const int control = control_socket(arguments[3]);  // here, so that who steers need not be in NAMESPACE
  enter(arguments[0]);
  Link link(arguments[1], arguments[2], seed);
  link.obey(words);

  struct sigaction end{};
  end.sa_handler = [](int) { asked_to_end = 1; };
  sigaction(SIGTERM, &end, nullptr);
  sigaction(SIGINT, &end, nullptr);
  prctl(PR_SET_TIMERSLACK, 1);
  const sched_param before_others{.sched_priority = 1};  // what it waits for a processor is delay that nobody asked for
  if (sched_setscheduler(0, SCHED_RR, &before_others) != 0) setpriority(PRIO_PROCESS, 0, -10);
  std::puts("carrying");
  std::fflush(stdout);
  while (asked_to_end == 0) {
    if (link.turn(control)) answer(control, link);
  }
  std::printf("%s\n", link.obey("counters").c_str());
  unlink(arguments[3].c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 4) {
    std::fprintf(stderr, "usage: linkem NAMESPACE DEVICE_A DEVICE_B CONTROL [--seed N] [WORD...]\n");
    return 2;
  }
  try {
    return run(arguments);
  } catch (const Refused& why) {
    std::fprintf(stderr, "linkem: %s\n", why.what());
    return 2;
  }
}
