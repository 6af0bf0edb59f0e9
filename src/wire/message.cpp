#include "wire/message.h"

#include <google/protobuf/arena.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "fairlead/v1/link.pb.h"

namespace fairlead::wire {
namespace {

namespace pb = fairlead::v1;

// Heads are small: their messages live on a block of the stack, without touching the heap.
class StackArena {
 public:
  StackArena() : arena_(options()) {}
  template <class Message>
  Message* make() {
    return google::protobuf::Arena::CreateMessage<Message>(&arena_);
  }

 private:
  google::protobuf::ArenaOptions options() {
    google::protobuf::ArenaOptions o;
    o.initial_block = block_;
    o.initial_block_size = sizeof block_;
    return o;
  }
  alignas(8) char block_[4096];
  google::protobuf::Arena arena_;
};

template <class Message>
std::vector<std::byte> frame(const Message& message) {
  const std::size_t size = message.ByteSizeLong();
  std::array<std::byte, kMaxLength> length;
  const std::size_t length_size = put_varint(length, size);
  std::vector<std::byte> out(length_size + size);
  std::copy_n(length.begin(), length_size, out.begin());
  message.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(out.data() + length_size));
  return out;
}

template <class Message>
Result<void> parse(Message& message, Bytes body, std::string_view what) {
  // The library writes to standard error about each malformed message: a stranger could fill a disk with that.
  [[maybe_unused]] static const auto silent = google::protobuf::SetLogHandler(nullptr);
  if (body.size() > kMaxFrame) return fail(Code::too_large, "{} of {} bytes: at most {} are allowed", what, body.size(), kMaxFrame);
  if (!message.ParseFromArray(body.data(), static_cast<int>(body.size()))) return fail(Code::invalid, "malformed {}", what);
  return {};
}

Result<void> limit(std::string_view what, std::size_t size, std::size_t most) {
  if (size > most) return fail(Code::too_large, "{} of {}: at most {} are allowed", what, size, most);
  return {};
}

template <class Field>
Result<std::vector<std::string>> features_of(const Field& field) {
  TRY(limit("number of features", static_cast<std::size_t>(field.size()), kMaxFeatures));
  std::vector<std::string> features;
  for (const std::string& f : field) {
    TRY(limit("feature name", f.size(), kMaxName));
    features.push_back(f);
  }
  return features;
}

template <class Field>
Result<Labels> labels_of(const Field& field) {
  TRY(limit("number of labels", field.size(), kMaxLabels));
  Labels labels;
  for (const auto& [key, value] : field) {
    TRY(limit("label key", key.size(), kMaxLabelSize));
    TRY(limit("label value", value.size(), kMaxLabelSize));
    labels.emplace(key, value);
  }
  return labels;
}

std::string cut(const std::string& text) { return text.substr(0, kMaxMessage); }

std::uint32_t to_ms(Duration d) {
  if (d <= 0ns) return 0;
  const std::int64_t ms = (d + 1ms - 1ns) / 1ms;
  return static_cast<std::uint32_t>(std::min<std::int64_t>(ms, UINT32_MAX));
}

template <class Enum>
Enum known(int value, Enum last, Enum otherwise) {
  return value >= 0 && value <= static_cast<int>(last) ? static_cast<Enum>(value) : otherwise;
}

}  // namespace

std::string_view name(SessionCode code) {
  static constexpr std::string_view kNames[] = {"OK", "VERSION", "IDENTITY", "SUPERSEDED", "OVERLOADED", "DRAINING", "REVOKED", "PROTOCOL"};
  return kNames[static_cast<std::size_t>(code)];
}
std::string_view name(FlowCode code) {
  static constexpr std::string_view kNames[] = {"OK",       "CANCELLED",   "UNREACHABLE", "REFUSED",  "FORBIDDEN",
                                                "NO_ROUTE", "UNSUPPORTED", "OVERLOADED",  "DEADLINE", "RESET",
                                                "DRAINING", "PROTOCOL",    "LINK_DOWN",   "INTERNAL"};
  return kNames[static_cast<std::size_t>(code)];
}
std::string_view name(TrafficClass c) {
  static constexpr std::string_view kNames[] = {"unspecified", "management", "interactive", "bulk", "background"};
  return kNames[static_cast<std::size_t>(c)];
}
SessionCode session_code(std::uint64_t on_wire) {
  return on_wire <= static_cast<std::uint64_t>(SessionCode::protocol) ? static_cast<SessionCode>(on_wire) : SessionCode::protocol;
}
FlowCode flow_code(std::uint64_t on_wire) {
  return on_wire <= static_cast<std::uint64_t>(FlowCode::internal) ? static_cast<FlowCode>(on_wire) : FlowCode::internal;
}

std::vector<std::byte> encode(const Hello& hello) {
  StackArena arena;
  auto& m = *arena.make<pb::Hello>();
  m.set_version_min(hello.version_min);
  m.set_version_max(hello.version_max);
  for (const std::string& f : hello.features) m.add_features(f);
  m.set_node(hello.node);
  m.set_boot_id(hello.boot_id.value());
  for (const auto& [key, value] : hello.labels) (*m.mutable_labels())[key] = value;
  m.set_unix_ms(hello.unix_ms);
  m.set_software(hello.software);
  return frame(m);
}

Result<Hello> decode_hello(Bytes body) {
  StackArena arena;
  auto& m = *arena.make<pb::Hello>();
  TRY(parse(m, body, "Hello"));
  Hello hello;
  hello.version_min = m.version_min();
  hello.version_max = m.version_max();
  if (hello.version_min == 0 || hello.version_min > hello.version_max)
    return fail(Code::invalid, "Hello with protocol versions {} to {}", hello.version_min, hello.version_max);
  TRY_ASSIGN(hello.features, features_of(m.features()));
  TRY(limit("node name", m.node().size(), NodeName::kMaxSize));
  hello.node = m.node();
  hello.boot_id = BootId(m.boot_id());
  TRY_ASSIGN(hello.labels, labels_of(m.labels()));
  hello.unix_ms = m.unix_ms();
  hello.software = cut(m.software());
  return hello;
}

std::vector<std::byte> encode(const HelloReply& reply) {
  StackArena arena;
  auto& m = *arena.make<pb::HelloReply>();
  m.set_version(reply.version);
  for (const std::string& f : reply.features) m.add_features(f);
  m.set_software(reply.software);
  m.set_unix_ms(reply.unix_ms);
  m.set_replica_address(reply.replica_address);
  m.set_code(static_cast<pb::SessionCode>(reply.code));
  m.set_message(cut(reply.message));
  return frame(m);
}

Result<HelloReply> decode_hello_reply(Bytes body) {
  StackArena arena;
  auto& m = *arena.make<pb::HelloReply>();
  TRY(parse(m, body, "HelloReply"));
  HelloReply reply;
  reply.version = m.version();
  TRY_ASSIGN(reply.features, features_of(m.features()));
  reply.software = cut(m.software());
  reply.unix_ms = m.unix_ms();
  TRY(limit("replica address", m.replica_address().size(), kMaxName));
  reply.replica_address = m.replica_address();
  reply.code = known(m.code(), SessionCode::protocol, SessionCode::protocol);
  reply.message = cut(m.message());
  return reply;
}

std::vector<std::byte> encode(const Control& control) {
  StackArena arena;
  auto& m = *arena.make<pb::Control>();
  if (control.kind == Control::Kind::drain) {
    m.mutable_drain()->set_remaining_ms(to_ms(control.drain_remaining));
    m.mutable_drain()->set_reason(cut(control.drain_reason));
  } else if (control.kind == Control::Kind::labels) {
    m.mutable_labels();
    for (const auto& [key, value] : control.labels) (*m.mutable_labels()->mutable_labels())[key] = value;
  } else if (control.kind == Control::Kind::trust) {
    m.mutable_trust();
  }
  return frame(m);
}

Result<Control> decode_control(Bytes body) {
  StackArena arena;
  auto& m = *arena.make<pb::Control>();
  TRY(parse(m, body, "Control"));
  Control control;
  if (m.has_drain()) {
    control.kind = Control::Kind::drain;
    control.drain_remaining = std::chrono::milliseconds(m.drain().remaining_ms());
    control.drain_reason = cut(m.drain().reason());
  } else if (m.has_labels()) {
    control.kind = Control::Kind::labels;
    TRY_ASSIGN(control.labels, labels_of(m.labels().labels()));
  } else if (m.has_trust()) {
    control.kind = Control::Kind::trust;
  }
  return control;
}

std::vector<std::byte> encode(const FlowOpen& open) {
  StackArena arena;
  auto& m = *arena.make<pb::FlowOpen>();
  m.set_plugin(open.plugin);
  m.set_backend(open.backend);
  m.set_target(open.target);
  m.set_class_(static_cast<pb::TrafficClass>(open.traffic_class));
  m.set_remaining_ms(to_ms(open.remaining));
  m.set_traceparent(open.traceparent);
  m.set_head(open.head);
  m.set_source(open.source);
  m.set_datagrams(open.datagrams);
  return frame(m);
}

Result<FlowOpen> decode_flow_open(Bytes body) {
  StackArena arena;
  auto& m = *arena.make<pb::FlowOpen>();
  TRY(parse(m, body, "FlowOpen"));
  TRY(limit("plug-in name", m.plugin().size(), kMaxName));
  TRY(limit("backend name", m.backend().size(), kMaxName));
  TRY(limit("target", m.target().size(), kMaxName));
  TRY(limit("source", m.source().size(), kMaxName));
  TRY(limit("traceparent", m.traceparent().size(), kMaxName));
  if (m.plugin().empty()) return fail(Code::invalid, "FlowOpen without a plug-in");
  FlowOpen open;
  open.plugin = m.plugin();
  open.backend = m.backend();
  open.target = m.target();
  open.traffic_class = known(m.class_(), TrafficClass::background, TrafficClass::unspecified);
  open.remaining = std::chrono::milliseconds(m.remaining_ms());
  open.traceparent = m.traceparent();
  open.head = m.head();
  open.source = m.source();
  open.datagrams = m.datagrams();
  return open;
}

std::vector<std::byte> encode(const FlowReply& reply) {
  StackArena arena;
  auto& m = *arena.make<pb::FlowReply>();
  m.set_code(static_cast<pb::FlowCode>(reply.code));
  m.set_delivered(static_cast<pb::Delivered>(reply.delivered));
  m.set_message(cut(reply.message));
  m.set_head(reply.head);
  return frame(m);
}

Result<FlowReply> decode_flow_reply(Bytes body) {
  StackArena arena;
  auto& m = *arena.make<pb::FlowReply>();
  TRY(parse(m, body, "FlowReply"));
  FlowReply reply;
  reply.code = known(m.code(), FlowCode::internal, FlowCode::internal);
  reply.delivered = known(m.delivered(), Delivered::maybe, Delivered::maybe);
  reply.message = cut(m.message());
  reply.head = m.head();
  return reply;
}

}  // namespace fairlead::wire
