// refusal.h: why a flow could not be had, in the words that travel: a code, whether the service may have seen something, a sentence.
#pragma once
#include <expected>
#include <string>

#include "base/error.h"
#include "wire/message.h"

namespace fairlead::link {

using wire::Delivered;
using wire::FlowCode;
using wire::TrafficClass;

struct Refusal {
  FlowCode code = FlowCode::internal;
  Delivered delivered = Delivered::no;
  std::string message;
};

template <class T>
using FlowResult = std::expected<T, Refusal>;

inline std::unexpected<Refusal> refuse(FlowCode code, std::string message, Delivered delivered = Delivered::no) {
  return std::unexpected(Refusal{code, delivered, std::move(message)});
}

// What a failed connect or a failed stream is called on the wire.
FlowCode flow_code_of(Code code);
// The other way, for those who only know Error.
Error to_error(const Refusal& refusal);

}  // namespace fairlead::link
