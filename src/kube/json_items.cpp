#include "kube/json_items.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <boost/json/value.hpp>
#include <limits>
#include <optional>
#include <vector>

namespace fairlead::kube {
namespace {

namespace json = boost::json;

// Builds values of what is wanted. An item that is whole is handed over at once.
class Events {
 public:
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();

  Events(const Wanted& root, const Wanted* item) : root_(root), item_(item) {}

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code& ec) { return begin(json::object(), ec); }
  bool on_object_end(std::size_t, json::error_code& ec) { return end(ec); }
  bool on_array_begin(json::error_code& ec) { return begin(json::array(), ec); }
  bool on_array_end(std::size_t, json::error_code& ec) { return end(ec); }
  bool on_key_part(json::string_view s, std::size_t, json::error_code& ec) { return skipped_ > 0 || collect(s, ec); }
  bool on_key(json::string_view s, std::size_t, json::error_code& ec) {
    if (skipped_ > 0) return true;
    if (!collect(s, ec)) return false;
    Frame& frame = frames_.back();
    frame.key.swap(text_);
    text_.clear();
    frame.next = frame.wanted->below(frame.key);
    return true;
  }
  bool on_string_part(json::string_view s, std::size_t, json::error_code& ec) { return !wanted() || collect(s, ec); }
  bool on_string(json::string_view s, std::size_t, json::error_code& ec) {
    if (!wanted()) return true;
    if (!collect(s, ec)) return false;
    json::value made(text_);
    text_.clear();
    return scalar(std::move(made), ec);
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t n, json::string_view, json::error_code& ec) { return !wanted() || scalar(n, ec); }
  bool on_uint64(std::uint64_t n, json::string_view, json::error_code& ec) { return !wanted() || scalar(n, ec); }
  bool on_double(double n, json::string_view, json::error_code& ec) { return !wanted() || scalar(n, ec); }
  bool on_bool(bool b, json::error_code& ec) { return !wanted() || scalar(b, ec); }
  bool on_null(json::error_code& ec) { return !wanted() || scalar(nullptr, ec); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

  void forget() { kept_ = 0; }
  void reset() {
    frames_.clear();
    text_.clear();
    skipped_ = 0;
    kept_ = 0;
  }

  const JsonItems::Each* each = nullptr;  // during feed()
  json::value whole;                      // the root, once it is whole
  std::optional<Error> failure;           // why it was stopped
  std::size_t handed_over = 0;

 private:
  struct Frame {
    json::value made;
    const Wanted* wanted;
    const Wanted* next;  // of the value that comes
    std::string key;     // of that value, in an object
  };

  bool stop(Error why, json::error_code& ec) {
    failure = std::move(why);
    ec = json::error::array_too_large;  // never shown
    return false;
  }
  bool wanted() const { return skipped_ == 0 && (frames_.empty() || frames_.back().next != nullptr); }
  bool is_item() const {
    return item_ != nullptr && frames_.size() == 2 && frames_.back().wanted == item_ && frames_.back().made.is_array();
  }

  bool count(std::size_t n, json::error_code& ec) {
    kept_ += n;
    if (kept_ <= JsonItems::kMaxKept) return true;
    return stop(Error(Code::too_large, fmt::format("an object has more than {} MiB of what is wanted", JsonItems::kMaxKept >> 20)), ec);
  }
  bool collect(json::string_view s, json::error_code& ec) {
    if (!count(s.size(), ec)) return false;
    text_.append(s.data(), s.size());
    return true;
  }
  bool begin(json::value made, json::error_code& ec) {
    if (!wanted()) {
      skipped_++;
      return true;
    }
    if (frames_.empty() && !made.is_object()) return stop(Error(Code::invalid, "the text is no JSON object"), ec);
    if (is_item() && !made.is_object()) return stop(Error(Code::invalid, "an item is no JSON object"), ec);
    if (!count(JsonItems::kValueCost, ec)) return false;
    const Wanted* what = frames_.empty() ? &root_ : frames_.back().next;
    const bool passes = made.is_array();
    frames_.push_back({std::move(made), what, passes ? what : nullptr, {}});
    return true;
  }
  bool end(json::error_code& ec) {
    if (skipped_ > 0) {
      skipped_--;
      return true;
    }
    json::value made = std::move(frames_.back().made);
    frames_.pop_back();
    if (frames_.empty()) {
      whole = std::move(made);
      return true;
    }
    if (!is_item()) return put(std::move(made));
    kept_ = 0;
    handed_over++;
    if (Result<void> taken = (*each)(made.get_object()); !taken) return stop(std::move(taken).error(), ec);
    return true;
  }
  bool scalar(json::value made, json::error_code& ec) {
    if (frames_.empty()) return stop(Error(Code::invalid, "the text is no JSON object"), ec);
    if (is_item()) return stop(Error(Code::invalid, "an item is no JSON object"), ec);
    return count(JsonItems::kValueCost, ec) && put(std::move(made));
  }
  bool put(json::value made) {
    Frame& frame = frames_.back();
    if (json::array* list = frame.made.if_array())
      list->push_back(std::move(made));
    else
      frame.made.get_object().insert_or_assign(frame.key, std::move(made));
    return true;
  }

  const Wanted& root_;
  const Wanted* item_;  // of the list whose members are items; null: the root is the item
  std::vector<Frame> frames_;
  std::string text_;  // of a key or string that is being read
  std::size_t skipped_ = 0;
  std::size_t kept_ = 0;
};

json::parse_options options() {
  json::parse_options o;
  o.max_depth = JsonItems::kMaxDepth;
  return o;
}

Wanted root_of(JsonItems::Shape shape, const Wanted& item) {
  Wanted root;
  switch (shape) {
    case JsonItems::Shape::one: return item;
    case JsonItems::Shape::list:
      root.add("metadata/resourceVersion");
      root.add("metadata/continue");
      root.add("items", item);
      break;
    case JsonItems::Shape::watch:
      root.add("type");
      root.add("object", item);
      if (item.all()) break;
      root.add("object/code");  // of an error's Status
      root.add("object/message");
      break;
  }
  return root;
}

}  // namespace

struct JsonItems::Impl {
  Impl(Shape s, const Wanted& item)
      : shape(s), root(root_of(s, item)), parser(options(), root, s == Shape::list ? root.below("items") : nullptr) {}

  Shape shape;
  Wanted root;
  json::basic_parser<Events> parser;
  std::size_t text = 0;   // of the item that is being read
  bool between = true;    // nothing but white space since the last document
  json::object metadata;  // of the list
  bool done = false;      // list, one
};

JsonItems::JsonItems(Shape shape, const Wanted& item) : impl_(std::make_unique<Impl>(shape, item)) {}
JsonItems::~JsonItems() = default;
JsonItems::JsonItems(JsonItems&&) noexcept = default;
JsonItems& JsonItems::operator=(JsonItems&&) noexcept = default;

Result<void> JsonItems::feed(std::string_view piece, Each each) {
  constexpr std::string_view kSpace = " \t\r\n";
  // A limit is looked at after each slice, so that one that is far beyond it does not have to be whole.
  constexpr std::size_t kSlice = 64_KiB;
  Impl& at = *impl_;
  Events& events = at.parser.handler();
  events.each = &each;
  while (!piece.empty()) {
    if (at.between || at.done) {
      piece.remove_prefix(std::min(piece.find_first_not_of(kSpace), piece.size()));
      if (piece.empty()) break;
      if (at.done) return fail(Code::invalid, "more follows what should be all");
      at.between = false;
    }
    json::error_code ec;
    const std::size_t handed_over = events.handed_over;
    const std::size_t used = at.parser.write_some(true, piece.data(), std::min(piece.size(), kSlice), ec);
    if (ec) return events.failure ? fail(*events.failure) : fail(Code::invalid, "not valid JSON: {}", ec.message());
    piece.remove_prefix(used);
    at.text = events.handed_over == handed_over ? at.text + used : used;
    if (at.text > kMaxText) return fail(Code::too_large, "an object has more than {} MiB of text", kMaxText >> 20);
    if (!at.parser.done()) continue;

    json::value whole = std::exchange(events.whole, nullptr);
    at.parser.reset();
    events.reset();
    at.text = 0;
    at.between = true;
    at.done = at.shape != Shape::watch;
    if (at.shape == Shape::list) {
      if (json::value* metadata = whole.get_object().if_contains("metadata"); metadata != nullptr && metadata->is_object())
        at.metadata = std::move(metadata->get_object());
    } else {
      TRY(each(whole.get_object()));
    }
  }
  return {};
}

Result<void> JsonItems::end() const {
  if (impl_->shape == Shape::watch ? impl_->between : impl_->done) return {};
  return fail(Code::invalid, "the text ended within an object");
}

const json::object& JsonItems::list_metadata() const { return impl_->metadata; }

}  // namespace fairlead::kube
