// flow_script.h: for tests: conversations of every kind over a session, and what each side saw of them.
//
// A script travels as the flow's head, so that the far side plays its part. Both parts are written down in one ledger; judge() says
// whether what was seen can be: every byte once and in order and both ends, or the same failure on both sides.
#pragma once
#include <cstring>
#include <map>
#include <string>

#include "link/egress.h"
#include "link/peers.h"
#include "runtime/scope.h"

namespace fairlead::link {

struct FlowScript {
  enum class Order : std::uint8_t { together, opener_first, acceptor_first };  // who has shut its half before the other sends
  enum class Ending : std::uint8_t { whole, opener_aborts, acceptor_aborts, opener_drops, acceptor_drops, refused };

  std::uint32_t id = 0;
  std::uint32_t up = 0, down = 0;  // bytes of the opener, of the acceptor
  std::uint32_t cut = 0;           // bytes that the side that aborts or drops has sent by then
  std::uint32_t answer_after_ms = 0;
  std::uint32_t opener_rest_ms = 0, acceptor_rest_ms = 0;  // between two reads of at most kSlowRead bytes: a slow reader
  Order order = Order::together;
  Ending ending = Ending::whole;
  bool echo = false;  // the acceptor sends back what it reads; `down` is `up`
  TrafficClass traffic_class = TrafficClass::interactive;

  static constexpr std::size_t kSlowRead = 8_KiB;
  bool opener_breaks() const { return ending == Ending::opener_aborts || ending == Ending::opener_drops; }
  bool acceptor_breaks() const { return ending == Ending::acceptor_aborts || ending == Ending::acceptor_drops; }
  bool aborts() const { return ending == Ending::opener_aborts || ending == Ending::acceptor_aborts; }

  std::string to_head() const { return {reinterpret_cast<const char*>(this), sizeof *this}; }
  static FlowScript from_head(const std::string& head) {
    FlowScript script;
    if (head.size() == sizeof script) std::memcpy(static_cast<void*>(&script), head.data(), sizeof script);
    return script;
  }
};

// With which a script aborts; a flow that is dropped is CANCELLED.
inline constexpr FlowCode kScriptAborts = FlowCode::reset;
// An opener tries again while there is no session that answers.
inline constexpr int kScriptTries = 100;
inline constexpr Duration kScriptPause = 200ms;

struct FlowSide {
  std::uint64_t sent = 0, received = 0;
  bool begun = false, over = false;
  bool intact = true;            // what was received is what was sent, from the start on
  bool whole = false;            // all was sent, and all was received to the end
  bool broke_it = false;         // by script
  FlowCode code = FlowCode::ok;  // why it failed
};

struct FlowRecord {
  FlowScript script;
  FlowSide opener, acceptor;
  bool refused = false;
};

class FlowLedger {
 public:
  FlowRecord& add(const FlowScript& script) {
    FlowRecord& record = flows_[script.id];
    record.script = script;
    return record;
  }
  FlowRecord& at(std::uint32_t id) { return flows_.at(id); }
  bool has(std::uint32_t id) const { return flows_.contains(id); }
  const std::map<std::uint32_t, FlowRecord>& flows() const { return flows_; }
  std::size_t unfinished() const {
    std::size_t n = 0;
    for (const auto& [id, f] : flows_) n += !f.opener.over || (f.acceptor.begun && !f.acceptor.over) ? 1 : 0;
    return n;
  }

 private:
  std::map<std::uint32_t, FlowRecord> flows_;
};

// What is wrong with it; empty: nothing. `link_died`: a session ended meanwhile, so a flow may have failed because of that.
std::string judge(const FlowRecord& record, bool link_died);

inline std::byte script_byte(std::uint64_t stream, std::uint64_t at) {
  return static_cast<std::byte>(((at + stream * 1'000'003) * 0x9e3779b97f4a7c15) >> 56);
}

namespace detail {

// One side of a flow that is being played.
struct Part {
  Part(Flow& f, FlowSide& s) : flow(f), side(s), end_came(f.loop()), both(f.loop()) {}

  Flow& flow;
  FlowSide& side;
  std::uint64_t sends_as = 0, reads_as = 0;  // streams of script_byte()
  std::uint64_t to_send = 0, cut = 0;
  bool breaks = false;  // ends the flow when `cut` bytes were sent
  bool waits_for_end = false;
  bool awaits_reply = false;
  Duration rest{};
  bool sent_all = false, got_end = false, failed = false;
  WaitQueue end_came;
  Scope both;

  void fail(FlowCode code) {
    if (std::exchange(failed, true)) return;
    side.code = code;
    both.cancel();
  }
};

inline Task<void> send_part(Part& part) {
  while (part.waits_for_end && !part.got_end) co_await part.end_came.wait();
  const std::uint64_t size = part.breaks ? part.cut : part.to_send;
  while (part.side.sent < size) {
    auto room = co_await part.flow.prepare();
    if (!room) {
      if (part.got_end) part.fail(part.flow.peer_code());  // else the reader will see why
      co_return;
    }
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(room->size(), size - part.side.sent));
    for (std::size_t i = 0; i < n; i++) (*room)[i] = script_byte(part.sends_as, part.side.sent + i);
    part.flow.commit(n);
    part.side.sent += n;
    co_await part.flow.loop().yield();
  }
  if (part.breaks) {
    part.side.broke_it = true;
    part.both.cancel();
    co_return;
  }
  auto shut = part.flow.shut();
  part.sent_all = shut.has_value();
}

inline Task<void> read_part(Part& part, bool echo) {
  if (part.awaits_reply) {
    auto reply = co_await part.flow.reply();
    if (!reply) {
      part.fail(reply.error().code);
      co_return;
    }
  }
  for (;;) {
    auto bytes = co_await part.flow.peek();
    if (!bytes) {
      part.fail(part.flow.peer_code());
      co_return;
    }
    if (bytes->empty()) break;
    const Bytes some = part.rest > 0ns ? bytes->first(std::min(bytes->size(), FlowScript::kSlowRead)) : *bytes;
    for (std::size_t i = 0; i < some.size(); i++)
      part.side.intact = part.side.intact && some[i] == script_byte(part.reads_as, part.side.received + i);
    if (echo) {
      auto written = co_await part.flow.write(some);
      if (!written) {
        part.fail(part.flow.peer_code());
        co_return;
      }
      part.side.sent += some.size();
    }
    part.side.received += some.size();
    part.flow.consume(some.size());
    if (part.rest > 0ns) co_await part.flow.loop().sleep(part.rest);
  }
  part.got_end = true;
  part.end_came.wake_all();
  if (echo) {
    auto shut = part.flow.shut();
    part.sent_all = shut.has_value();
  }
}

inline Task<void> play(Part& part, bool echo) {
  part.side.begun = true;
  if (!echo) part.both.spawn(send_part(part));
  part.both.spawn(read_part(part, echo));
  co_await part.both.done();
  part.side.whole = part.sent_all && part.got_end;
}

}  // namespace detail

inline Task<void> play_opener(Loop& loop, Peers& peers, Destination to, FlowScript script, FlowRecord& record,
                              int most_tries = kScriptTries) {
  record.opener.begun = true;
  wire::FlowOpen open{.plugin = "script", .backend = "default/script", .target = "127.0.0.1:9", .traffic_class = script.traffic_class};
  open.head = script.to_head();
  auto flow = co_await peers.open(to, open);
  // While the other side is silent, as an ingress may do that has time.
  for (int tries = 1; !flow && flow.error().code == FlowCode::link_down && tries < most_tries; tries++) {
    co_await loop.sleep(kScriptPause);
    flow = co_await peers.open(to, open);
  }
  if (!flow) {
    record.opener.code = flow.error().code;
    record.opener.over = true;
    co_return;
  }
  detail::Part part(**flow, record.opener);
  part.sends_as = 2 * std::uint64_t{script.id};
  part.reads_as = script.echo ? part.sends_as : part.sends_as + 1;
  part.to_send = script.up;
  part.cut = script.cut;
  part.breaks = script.opener_breaks();
  part.waits_for_end = script.order == FlowScript::Order::acceptor_first;
  part.awaits_reply = true;
  part.rest = std::chrono::milliseconds(script.opener_rest_ms);
  auto playing = detail::play(part, false);
  co_await playing;
  if (record.opener.broke_it && script.aborts()) (*flow)->abort(kScriptAborts);
  flow->reset();
  record.opener.over = true;
}

// Plays the acceptor's part of every flow that comes.
class ScriptEgress final : public Egress {
 public:
  ScriptEgress(Loop& loop, FlowLedger& ledger) : loop_(loop), ledger_(ledger) {}
  std::string_view plugin() const override { return "script"; }
  Task<void> serve(std::unique_ptr<Flow> flow) override {
    const FlowScript script = FlowScript::from_head(flow->head().head);
    if (!ledger_.has(script.id)) co_return;
    FlowRecord& record = ledger_.at(script.id);
    Over over{record.acceptor};
    record.acceptor.begun = true;
    if (script.answer_after_ms > 0) co_await loop_.sleep(std::chrono::milliseconds(script.answer_after_ms));
    if (script.ending == FlowScript::Ending::refused) {
      Refusal refusal{FlowCode::forbidden, Delivered::no, "by the script"};
      auto refusing = flow->refuse(std::move(refusal));
      co_await refusing;
      record.refused = true;
      co_return;
    }
    auto accepted = co_await flow->accept();
    if (!accepted) {
      record.acceptor.code = flow->peer_code();
      co_return;
    }
    detail::Part part(*flow, record.acceptor);
    part.reads_as = 2 * std::uint64_t{script.id};
    part.sends_as = part.reads_as + 1;
    part.to_send = script.down;
    part.cut = script.cut;
    part.breaks = script.acceptor_breaks();
    part.waits_for_end = script.order == FlowScript::Order::opener_first;
    part.rest = std::chrono::milliseconds(script.acceptor_rest_ms);
    auto playing = detail::play(part, script.echo);
    co_await playing;
    if (record.acceptor.broke_it && script.aborts()) flow->abort(kScriptAborts);
  }

 private:
  // Also when the session ends and this task with it.
  struct Over {
    FlowSide& side;
    ~Over() {
      if (!side.whole && !side.broke_it && side.code == FlowCode::ok) side.code = FlowCode::link_down;
      side.over = true;
    }
  };
  Loop& loop_;
  FlowLedger& ledger_;
};

inline std::string judge(const FlowRecord& f, bool link_died) {
  const FlowScript& s = f.script;
  const FlowSide &o = f.opener, &a = f.acceptor;
  // The peer of one who aborts may learn it from STOP_SENDING first, of which the QUIC library tells no code.
  const auto told = [&](FlowCode code) { return code == FlowCode::cancelled || (s.aborts() && code == kScriptAborts); };
  const auto say = [&](std::string_view what) {
    const auto side = [](const FlowSide& x) {
      return fmt::format("sent {} received {}{}{}{}{} code {}", x.sent, x.received, x.begun ? "" : " not begun", x.over ? "" : " NOT OVER",
                         x.whole ? " whole" : "", x.broke_it ? " broke it" : "", name(x.code));
    };
    return fmt::format("flow {} (up {} down {} cut {} order {} ending {}{}): {}; opener: {}; acceptor: {}\n", s.id, s.up, s.down, s.cut,
                       static_cast<int>(s.order), static_cast<int>(s.ending), s.echo ? " echo" : "", what, side(o), side(a));
  };
  if (!o.over || (a.begun && !a.over)) return say("hangs");
  if (!o.intact || !a.intact) return say("bytes are wrong");
  if (o.received > a.sent || a.received > o.sent) return say("more was received than was sent");
  const std::uint64_t down = s.echo ? s.up : s.down;
  if (o.whole && (o.received != down || o.sent != s.up)) return say("the opener took a part for the whole");
  if (a.whole && (a.received != s.up || a.sent != down)) return say("the acceptor took a part for the whole");
  if (link_died) {
    // One side may have had all it wanted before; but who did not has been told.
    const bool opener_knows = o.whole || o.broke_it || o.code != FlowCode::ok;
    const bool acceptor_knows = !a.begun || a.whole || a.broke_it || f.refused || a.code != FlowCode::ok;
    return opener_knows && acceptor_knows ? "" : say("a side was not told");
  }
  // The head did not get through in time: nothing has happened, and the opener knows.
  if (!a.begun && o.code == FlowCode::deadline) return "";
  switch (s.ending) {
    case FlowScript::Ending::whole:
      if (!o.whole || !a.whole) return say("not whole");
      break;
    case FlowScript::Ending::refused:
      if (!f.refused || o.code != FlowCode::forbidden) return say("not refused");
      break;
    case FlowScript::Ending::opener_aborts:
    case FlowScript::Ending::opener_drops:
      if (!o.broke_it) return say("the opener did not break it off");
      // The abort may have overtaken the head: then nobody was there to be told.
      if (a.begun && !told(a.code)) return say("the acceptor was told something else");
      break;
    case FlowScript::Ending::acceptor_aborts:
    case FlowScript::Ending::acceptor_drops:
      if (!a.broke_it) return say("the acceptor did not break it off");
      if (!told(o.code)) return say("the opener was told something else");
      break;
  }
  return "";
}

}  // namespace fairlead::link
