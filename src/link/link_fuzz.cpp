// A session whose peer does and says anything: control and flow streams, whole and in pieces, aborts, ends, time that passes. Nothing
// may crash, hang or be left; and what read_frame() finds in pieces is what stands in the whole.
#include <algorithm>

#include "base/log.h"
#include "link/fake_mux.h"
#include "link/session.h"
#include "runtime/sim_loop.h"

namespace fairlead::link {
namespace {

// Bytes of the input, taken from the front.
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
    const std::size_t size = byte();
    const Bytes taken = rest_.first(std::min(rest_.size(), size));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  std::string text() { return std::string(as_text(some())); }

 private:
  Bytes rest_;
};

// Echoes, or does with the flow what its first byte says.
class FuzzEgress final : public Egress {
 public:
  std::string_view plugin() const override { return "tcp"; }
  Task<void> serve(std::unique_ptr<Flow> flow) override {
    const char way = flow->head().target.empty() ? 0 : flow->head().target.front();
    if (way == 'r') {
      Refusal refusal{FlowCode::forbidden, Delivered::no, "no"};
      auto refusing = flow->refuse(std::move(refusal));
      co_await refusing;
      co_return;
    }
    auto accepted = co_await flow->accept();
    if (!accepted || way == 'd') co_return;
    if (way == 'a') flow->abort(FlowCode::reset);
    for (;;) {
      auto bytes = co_await flow->peek();
      if (!bytes || bytes->empty()) break;
      const std::size_t n = bytes->size();
      auto written = co_await flow->write(*bytes);
      if (!written) co_return;
      flow->consume(n);
    }
    static_cast<void>(flow->shut());
  }
};

Task<void> run(Session& session, bool& over) {
  auto how = co_await session.run();
  over = true;
}

Task<void> open_and_listen(Session& session, std::string target) {
  wire::FlowOpen open{.plugin = "tcp", .target = std::move(target), .remaining = 5s};
  auto flow = co_await session.open(std::move(open));
  if (!flow) co_return;
  auto reply = co_await (*flow)->reply();
  if (!reply) co_return;
  for (;;) {
    auto bytes = co_await (*flow)->peek();
    if (!bytes || bytes->empty()) co_return;
    (*flow)->consume(bytes->size());
  }
}

void fuzz_session(Input input) {
  SimLoop loop(1);
  FuzzEgress egress;
  EgressTable egresses;
  egresses.add(egress);
  auto carrier = std::make_unique<FakeMux>(loop);
  FakeMux& mux = *carrier;
  std::shared_ptr<FakeHalves> control = mux.add();
  pki::Identity peer{.role = pki::Role::edge,
                     .node = NodeName::parse("edge-a").value(),
                     .host = "",
                     .fingerprint = pki::Fingerprint(pki::Sha256{}),
                     .serial = pki::Serial::from_bytes(as_bytes("1")),
                     .not_after = {}};
  auto session = std::make_shared<Session>(loop, std::move(carrier), mux.handle(control), std::move(peer), wire::Hello{},
                                           std::vector<std::string>{"plugin/tcp"}, egresses, SessionOptions{.flows = 20});
  bool over = false;
  Scope running(loop), ours(loop);
  running.spawn(run(*session, over));
  std::vector<std::shared_ptr<FakeHalves>> streams;
  const auto pick = [&](std::uint8_t i) -> FakeHalves& { return streams.empty() ? *control : *streams[i % streams.size()]; };
  while (!input.empty()) {
    switch (input.byte() % 14) {
      case 0: FakeMux::arrive(*control, input.some()); break;
      case 1: {
        const std::vector<std::byte> frame = wire::encode(wire::Control{.kind = wire::Control::Kind::drain, .drain_reason = input.text()});
        FakeMux::arrive(*control, frame);
        break;
      }
      case 2: {
        wire::Control labels{.kind = wire::Control::Kind::labels};
        labels.labels[input.text()] = input.text();
        FakeMux::arrive(*control, wire::encode(labels));
        break;
      }
      case 3:
        streams.push_back(mux.peer_opens());
        FakeMux::arrive(*streams.back(), input.some());
        break;
      case 4: {
        streams.push_back(mux.peer_opens());
        FakeMux::arrive(*streams.back(), wire::encode(wire::FlowOpen{.plugin = "tcp", .target = input.text(), .head = input.text()}));
        break;
      }
      case 5: {
        FakeHalves& stream = pick(input.byte());
        FakeMux::arrive(stream, input.some());
        break;
      }
      case 6: FakeMux::finish(pick(input.byte())); break;
      case 7: FakeMux::break_off(pick(input.byte()), input.byte()); break;
      case 8: pick(input.byte()).room = input.byte(); break;
      case 9: loop.run_for(std::chrono::milliseconds(10 * input.byte())); break;
      case 10:
        if (mux.opened().size() < 20) ours.spawn(open_and_listen(*session, input.text()));
        loop.settle();
        if (!mux.opened().empty()) streams.push_back(mux.opened().back());
        break;
      case 11: {
        const wire::FlowReply reply{.code = static_cast<FlowCode>(input.byte() % 14), .message = input.text()};
        FakeMux::arrive(pick(input.byte()), wire::encode(reply));
        break;
      }
      case 12: ours.spawn(session->drain(std::chrono::milliseconds(input.byte()), input.text())); break;
      case 13:
        if (input.byte() > 200) session->end(wire::SessionCode::ok, input.text());
        break;
    }
    if (streams.size() > 200) break;
    loop.settle();
  }
  // Heads that never came are over by now, and so are opens.
  loop.run_for(1min);
  mux.end({.by_peer = true, .orderly = true});
  loop.run_for(1min);
  ours.cancel_now();
  if (!over || running.size() != 0 || session->tally().open != 0) __builtin_trap();
  // Whoever was given a stream has let go of it.
  for (const auto& stream : mux.opened())
    if (!stream->handle_gone) __builtin_trap();
}

// The same bytes, cut as the input says.
Task<void> read_frames(net::MuxStream& stream, std::vector<std::vector<std::byte>>& frames, std::optional<Code>& end) {
  for (;;) {
    auto body = co_await read_frame(stream);
    if (!body) {
      end = body.error().code();
      co_return;
    }
    frames.push_back(*std::move(body));
  }
}

void fuzz_frames(Input input) {
  SimLoop loop(1);
  FakeMux mux(loop);
  std::shared_ptr<FakeHalves> halves = mux.add();
  auto stream = mux.handle(halves);
  std::vector<std::vector<std::byte>> frames;
  std::optional<Code> end;
  Scope reading(loop);
  reading.spawn(read_frames(*stream, frames, end));
  std::vector<std::byte> whole;
  while (!input.empty()) {
    const Bytes piece = input.some();
    whole.insert(whole.end(), piece.begin(), piece.end());
    FakeMux::arrive(*halves, piece);
    loop.settle();
  }
  FakeMux::finish(*halves);
  loop.settle();
  Bytes rest = whole;
  for (const std::vector<std::byte>& body : frames) {
    auto frame = wire::get_frame(rest);
    if (!frame || !*frame || !std::ranges::equal((*frame)->body, body)) __builtin_trap();
    rest = rest.subspan((*frame)->size);
  }
  auto next = wire::get_frame(rest);
  const Code expected = next ? Code::closed : next.error().code();
  if (end != expected || (next && *next)) __builtin_trap();
}

}  // namespace
}  // namespace fairlead::link

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  log::configure(log::Level::off, log::Format::text);
  link::Input input(from_u8(data, size));
  if (input.byte() % 4 == 0) {
    link::fuzz_frames(input);
  } else {
    link::fuzz_session(input);
  }
  return 0;
}
