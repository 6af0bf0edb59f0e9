#include "doctor/probe_message.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <array>

#include "fairlead/v1/probe.pb.h"
#include "wire/frame.h"
#include "wire/message.h"

namespace fairlead::doctor {
namespace {

namespace pb = fairlead::v1;

template <class Message>
std::vector<std::byte> frame(const Message& message) {
  const std::string body = message.SerializeAsString();
  std::array<std::byte, wire::kMaxLength> length;
  const std::size_t length_size = wire::put_varint(length, body.size());
  std::vector<std::byte> out(length.begin(), length.begin() + static_cast<std::ptrdiff_t>(length_size));
  const Bytes bytes = as_bytes(body);
  out.insert(out.end(), bytes.begin(), bytes.end());
  return out;
}

template <class Message>
Result<void> parse(Message& message, Bytes body, std::string_view what) {
  // The library writes to standard error about each malformed message.
  [[maybe_unused]] static const auto silent = google::protobuf::SetLogHandler(nullptr);
  if (body.size() > wire::kMaxFrame) return fail(Code::too_large, "{} of {} bytes", what, body.size());
  if (!message.ParseFromArray(body.data(), static_cast<int>(body.size()))) return fail(Code::invalid, "malformed {}", what);
  return {};
}

template <class T>
void put(std::vector<std::byte>& out, T value) {
  for (std::size_t i = sizeof(T); i-- > 0;) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}
template <class T>
T take(Bytes& from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); i++) value = static_cast<T>(value << 8 | std::to_integer<T>(from[i]));
  from = from.subspan(sizeof(T));
  return value;
}

}  // namespace

std::vector<std::byte> encode(const ProbeRequest& request) {
  pb::ProbeRequest m;
  m.set_kind(static_cast<pb::ProbeKind>(request.kind));
  m.set_bytes(request.bytes);
  m.set_milliseconds(static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(request.time).count()));
  return frame(m);
}

std::vector<std::byte> encode(const ProbeAnswer& answer) {
  pb::ProbeAnswer m;
  m.set_code(static_cast<pb::ProbeCode>(answer.code));
  m.set_sentence(answer.sentence.substr(0, wire::kMaxMessage));
  m.set_unix_us(std::chrono::duration_cast<std::chrono::microseconds>(answer.clock.time_since_epoch()).count());
  m.set_address(answer.address);
  m.set_datagrams(answer.datagrams);
  m.set_bytes(answer.bytes);
  m.set_microseconds(static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(answer.time).count()));
  m.set_udp_payload(static_cast<std::uint32_t>(answer.udp_payload));
  m.set_software(answer.software);
  return frame(m);
}

Result<ProbeRequest> decode_probe_request(Bytes body) {
  pb::ProbeRequest m;
  TRY(parse(m, body, "ProbeRequest"));
  const int kind = m.kind();
  if (kind < static_cast<int>(ProbeKind::where) || kind > static_cast<int>(ProbeKind::wake))
    return fail(Code::unsupported, "a ProbeRequest of kind {}, which this cloud does not know", kind);
  ProbeRequest request{.kind = static_cast<ProbeKind>(kind), .bytes = m.bytes(), .time = std::chrono::milliseconds(m.milliseconds())};
  const Duration most = request.kind == ProbeKind::wake ? kMaxWake : kMaxTransfer;
  if (request.time > most) return fail(Code::invalid, "a ProbeRequest of {}: at most {} are allowed", to_text(request.time), to_text(most));
  return request;
}

Result<ProbeAnswer> decode_probe_answer(Bytes body) {
  // Beyond these a duration or a calendar time cannot be written down in nanoseconds.
  constexpr std::int64_t kLatest = 9'000'000'000'000'000;
  pb::ProbeAnswer m;
  TRY(parse(m, body, "ProbeAnswer"));
  if (m.unix_us() < 0 || m.unix_us() > kLatest || m.microseconds() > static_cast<std::uint64_t>(kLatest))
    return fail(Code::invalid, "a ProbeAnswer with an impossible time");
  ProbeAnswer answer{.code = m.code() == 0   ? ProbeCode::ok
                             : m.code() == 1 ? ProbeCode::bad_request
                                             : ProbeCode::busy,
                     .sentence = m.sentence().substr(0, wire::kMaxMessage),
                     .clock = WallTime(std::chrono::microseconds(m.unix_us())),
                     .address = m.address().substr(0, wire::kMaxName),
                     .datagrams = m.datagrams(),
                     .bytes = m.bytes(),
                     .time = std::chrono::microseconds(m.microseconds()),
                     .udp_payload = std::min<std::size_t>(m.udp_payload(), 65'535),
                     .software = m.software().substr(0, wire::kMaxName)};
  return answer;
}

std::vector<std::byte> encode(const ProbeDatagram& datagram) {
  std::vector<std::byte> out;
  out.reserve(ProbeDatagram::kSize);
  put(out, static_cast<std::uint8_t>(datagram.kind));
  put(out, datagram.number);
  put(out, datagram.sent_ns);
  put(out, datagram.come);
  return out;
}

std::optional<ProbeDatagram> decode_probe_datagram(Bytes bytes) {
  if (bytes.size() != ProbeDatagram::kSize) return std::nullopt;
  const auto kind = take<std::uint8_t>(bytes);
  if (kind < 1 || kind > 3) return std::nullopt;
  ProbeDatagram datagram{.kind = static_cast<ProbeDatagram::Kind>(kind)};
  datagram.number = take<std::uint32_t>(bytes);
  datagram.sent_ns = take<std::uint64_t>(bytes);
  datagram.come = take<std::uint32_t>(bytes);
  return datagram;
}

}  // namespace fairlead::doctor
