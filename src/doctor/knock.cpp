#include "doctor/knock.h"

#include <algorithm>
#include <vector>

#include "pki/random.h"
#include "runtime/timer.h"

namespace fairlead::doctor {
namespace {

constexpr std::size_t kIdSize = 8;
// Reserved for this (RFC 9000, 15): nobody speaks 0x?a?a?a?a.
constexpr std::uint8_t kNoVersion[] = {0x1a, 0x2a, 0x3a, 0x4a};
constexpr std::size_t kBurst = 64;
// A search ends when it is that close.
constexpr std::size_t kNear = 4;

std::vector<std::byte> packet(std::size_t size, Bytes id) {
  std::vector<std::byte> out(size);
  std::size_t at = 0;
  const auto put = [&](std::uint8_t byte) { out[at++] = static_cast<std::byte>(byte); };
  put(0xc0);
  for (std::uint8_t byte : kNoVersion) put(byte);
  for (int i = 0; i < 2; i++) {  // the destination's id, and ours
    put(kIdSize);
    for (std::byte byte : id) out[at++] = byte;
  }
  return out;
}

std::vector<std::byte> short_packet(std::size_t size) {
  std::vector<std::byte> out(size);
  pki::random_bytes(out);
  out[0] = (out[0] & std::byte{0x3f}) | std::byte{0x40};
  return out;
}

// Version negotiation that is for `id`: RFC 9000, 17.2.1.
bool is_answer(Bytes datagram, Bytes id) {
  if (datagram.size() < 7 + 2 * kIdSize || (std::to_integer<unsigned>(datagram[0]) & 0x80) == 0) return false;
  for (std::size_t i = 1; i <= 4; i++)
    if (datagram[i] != std::byte{0}) return false;
  return std::to_integer<std::size_t>(datagram[5]) == kIdSize && std::ranges::equal(datagram.subspan(6, kIdSize), id);
}

}  // namespace

Knocker::Knocker(Loop& loop, net::SocketAddress to, std::unique_ptr<net::DatagramSocket> socket)
    : loop_(loop), to_(to), socket_(std::move(socket)) {}

Result<std::unique_ptr<Knocker>> Knocker::make(net::Network& network, const net::SocketAddress& to) {
  TRY_ASSIGN(std::unique_ptr<net::DatagramSocket> socket,
             network.connect_datagrams(to, {.receive_buffer = 64_KiB, .send_buffer = 64_KiB, .offload = false}));
  return std::unique_ptr<Knocker>(new Knocker(network.loop(), to, std::move(socket)));
}

Task<Result<Knocker::Outcome>> Knocker::answer(bool small) {
  for (;;) {
    co_await socket_->readable();
    bool found = false;
    socket_->receive(kBurst, [&](const net::Datagram& datagram) { found = found || small || is_answer(datagram.payload, id_); });
    if (found) co_return Outcome{.heard = Heard::answer};
    if (auto error = socket_->take_error()) {
      const Heard heard = error->code() == Code::refused ? Heard::refused : Heard::unreachable;
      co_return Outcome{.heard = heard, .error = std::move(error)};
    }
  }
}

Task<Knocker::Outcome> Knocker::knock(std::size_t size, int tries, Duration pause) {
  auto sending = send(size, false, tries, pause);
  Outcome outcome = co_await sending;
  co_return outcome;
}

Task<Knocker::Outcome> Knocker::tap(int tries, Duration pause) {
  auto sending = send(kSmall, true, tries, pause);
  Outcome outcome = co_await sending;
  co_return outcome;
}

Task<Knocker::Outcome> Knocker::send(std::size_t size, bool small, int tries, Duration pause) {
  Outcome last;
  for (int i = 0; i < tries; i++) {
    pki::random_bytes(id_);
    const std::vector<std::byte> data = small ? short_packet(size) : packet(size, id_);
    const TimePoint sent = loop_.now();
    const net::SendOutcome outcome = socket_->send({.to = to_, .from = {}, .ecn = net::Ecn::not_ect, .data = data, .segment = size});
    if (outcome == net::SendOutcome::too_large || outcome == net::SendOutcome::failed) {
      last = {.heard = Heard::not_sent};
      if (outcome == net::SendOutcome::too_large) co_return last;
    }
    auto heard = co_await with_deadline<Outcome>(loop_, sent + pause, "wait for an answer", answer(small));
    if (!heard) continue;
    heard->rtt = loop_.now() - sent;
    last = *heard;
    // One ICMP error may be of a moment; an answer counts.
    if (last.heard == Heard::answer) co_return last;
    const TimePoint next = sent + pause;
    if (i + 1 < tries) co_await loop_.sleep_until(next);
  }
  co_return last;
}

Task<std::optional<std::size_t>> Knocker::largest(Duration pause) {
  constexpr int kTries = 3;  // at 5 % loss both ways one of a thousand sizes is wronged
  std::size_t good = kLeast, bad = most(to_) + 1;
  Outcome least = co_await knock(good, kTries, pause);
  if (least.heard != Heard::answer) co_return std::nullopt;
  Outcome whole = co_await knock(bad - 1, kTries, pause);
  if (whole.heard == Heard::answer) co_return bad - 1;
  bad--;
  while (bad - good > kNear) {
    const std::size_t middle = (good + bad) / 2;
    Outcome outcome = co_await knock(middle, kTries, pause);
    (outcome.heard == Heard::answer ? good : bad) = middle;
  }
  co_return good;
}

}  // namespace fairlead::doctor
