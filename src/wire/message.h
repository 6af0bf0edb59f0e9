// message.h: what travels in frames, as values that are valid: proto/fairlead/v1/link.proto on one side, these on the other.
//
// encode_* gives a whole frame (length and body). decode_* takes a frame's body and refuses what cannot be: text that is not UTF-8,
// numbers out of range, too many items. Unknown fields are ignored, unknown enumerators become the most careful known one.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "wire/frame.h"

namespace fairlead::wire {

inline constexpr std::uint32_t kVersionMin = 1;
inline constexpr std::uint32_t kVersionMax = 1;

inline constexpr std::size_t kMaxFeatures = 256;
inline constexpr std::size_t kMaxLabels = 128;                  // a node of Kubernetes has some 20
inline constexpr std::size_t kMaxLabelSize = 318;               // prefix/name, as Kubernetes has it
inline constexpr std::size_t kMaxMessage = 1024;                // a sentence for a person
inline constexpr std::size_t kMaxFlowHead = kMaxFrame - 4_KiB;  // of FlowOpen or FlowReply: the names beside it fit the frame, too
inline constexpr std::size_t kMaxName = 512;                    // plug-in, backend, target, source

using Labels = std::map<std::string, std::string>;

enum class SessionCode : std::uint8_t { ok, version, identity, superseded, overloaded, draining, revoked, protocol };
enum class FlowCode : std::uint8_t {
  ok,
  cancelled,
  unreachable,
  refused,
  forbidden,
  no_route,
  unsupported,
  overloaded,
  deadline,
  reset,
  draining,
  protocol,
  link_down,
  internal
};
enum class Delivered : std::uint8_t { no, maybe };
enum class TrafficClass : std::uint8_t { unspecified, management, interactive, bulk, background };

std::string_view name(SessionCode code);
std::string_view name(FlowCode code);
std::string_view name(TrafficClass c);
SessionCode session_code(std::uint64_t on_wire);
FlowCode flow_code(std::uint64_t on_wire);  // an application error code of a stream

struct Hello {
  std::uint32_t version_min = kVersionMin, version_max = kVersionMax;
  std::vector<std::string> features;
  std::string node;
  BootId boot_id;
  Labels labels;
  std::int64_t unix_ms = 0;
  std::string software;
};

struct HelloReply {
  std::uint32_t version = 0;
  std::vector<std::string> features;
  std::string software;
  std::int64_t unix_ms = 0;
  std::string replica_address;
  SessionCode code = SessionCode::ok;
  std::string message;
};

struct Control {
  enum class Kind : std::uint8_t { none, drain, labels, trust };  // none: a kind of a later version, to be ignored
  Kind kind = Kind::none;
  Duration drain_remaining{};
  std::string drain_reason;
  Labels labels;
};

struct FlowOpen {
  std::string plugin;
  std::string backend;
  std::string target;
  TrafficClass traffic_class = TrafficClass::unspecified;
  Duration remaining{};  // zero: no deadline. Milliseconds on the wire, rounded up
  std::string traceparent;
  std::string head;
  std::string source;
  bool datagrams = false;
};

struct FlowReply {
  FlowCode code = FlowCode::ok;
  Delivered delivered = Delivered::no;
  std::string message;
  std::string head;
};

std::vector<std::byte> encode(const Hello& hello);
std::vector<std::byte> encode(const HelloReply& reply);
std::vector<std::byte> encode(const Control& control);
std::vector<std::byte> encode(const FlowOpen& open);
std::vector<std::byte> encode(const FlowReply& reply);

Result<Hello> decode_hello(Bytes body);
Result<HelloReply> decode_hello_reply(Bytes body);
Result<Control> decode_control(Bytes body);
Result<FlowOpen> decode_flow_open(Bytes body);
Result<FlowReply> decode_flow_reply(Bytes body);

}  // namespace fairlead::wire
