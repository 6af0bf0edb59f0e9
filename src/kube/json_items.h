// json_items.h: the objects of a list, or the events of a watch, out of JSON that comes in pieces of any size.
//
// Invariant: what is held at a time is one object's wanted fields, at most kMaxKept; text that is not wanted is read past. An object
// longer than kMaxText, or nested deeper than kMaxDepth, is an error: no object of an API server is.
#pragma once
#include <boost/json/object.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/function_ref.h"
#include "kube/wanted.h"

namespace fairlead::kube {

class JsonItems {
 public:
  // etcd takes objects of 1.5 MiB; JSON is longer than what is stored there, but not by that much.
  static constexpr std::size_t kMaxText = 16_MiB;
  // Of texts and, at kValueCost each, values. An EndpointSlice has 1000 endpoints at most, of which 300 bytes each are wanted.
  static constexpr std::size_t kMaxKept = 2_MiB;
  static constexpr std::size_t kValueCost = 32;
  static constexpr std::size_t kMaxDepth = 64;

  enum class Shape : std::uint8_t {
    list,   // {"metadata": {...}, "items": [item, ...]}
    watch,  // event, event, ...: {"type": "ADDED", "object": item}
    one,    // item: the whole text is one object
  };
  JsonItems(Shape shape, const Wanted& item);
  ~JsonItems();
  JsonItems(JsonItems&&) noexcept;
  JsonItems& operator=(JsonItems&&) noexcept;

  // Calls `each` with each item (list, one) or event (watch) that is whole now. After an error, its own or this one's, nothing more can be
  // read. Code::invalid: not JSON, or of another shape; Code::too_large.
  using Each = FunctionRef<Result<void>(boost::json::object&)>;
  Result<void> feed(std::string_view piece, Each each);
  // At the end of the text: whether it was whole. Nothing but white space, or between two events, for a watch.
  Result<void> end() const;

  // Of a list that was whole: "metadata".
  const boost::json::object& list_metadata() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::kube
