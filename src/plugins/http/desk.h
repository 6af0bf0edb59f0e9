// desk.h: what serving a request needs of memory, apart from the connection, so that a connection that idles holds none of it. Desks are
// used again, with what their containers have grown to, within limits.
#pragma once
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "http/chunked.h"
#include "http/forwarded.h"
#include "http/head_parser.h"
#include "plugins/http/texts.h"
#include "route/balancer.h"

namespace fairlead::http_plugin {

// Bytes from the client: [pinned) is the head that is being served, which views point into; [begin, end) was not used yet.
class InputBuffer {
 public:
  static constexpr std::size_t kFirst = 4_KiB;

  std::string_view rest() const { return {bytes_.get() + begin_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }
  void consume(std::size_t n) { begin_ += n; }
  std::size_t capacity() const { return capacity_; }

  // Room behind what is there; what was consumed is given up for it, the pinned head is not. May be empty.
  MutableBytes room() {
    if (begin_ == end_) {
      begin_ = end_ = pinned_;
    } else if (end_ == capacity_ && begin_ > pinned_) {
      std::memmove(bytes_.get() + pinned_, bytes_.get() + begin_, end_ - begin_);
      end_ = pinned_ + (end_ - begin_);
      begin_ = pinned_;
    }
    return {reinterpret_cast<std::byte*>(bytes_.get()) + end_, capacity_ - end_};
  }
  void filled(std::size_t n) { end_ += n; }
  // At least `capacity` bytes in all. Views end.
  void grow(std::size_t capacity) {
    if (capacity <= capacity_) return;
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (end_ > 0) std::memcpy(larger.get(), bytes_.get(), end_);
    bytes_ = std::move(larger);
    capacity_ = capacity;
  }
  // The first `n` bytes of rest() are a head: they stay where they are, consumed, until unpin().
  void pin(std::size_t n) { pinned_ = begin_ += n; }
  void unpin() {
    const std::size_t n = end_ - begin_;
    if (n > 0 && begin_ > 0) std::memmove(bytes_.get(), bytes_.get() + begin_, n);
    pinned_ = begin_ = 0;
    end_ = n;
  }
  void clear() { pinned_ = begin_ = end_ = 0; }
  void release() {
    clear();
    bytes_.reset();
    capacity_ = 0;
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0, pinned_ = 0;
};

struct Desk {
  InputBuffer in;
  http::HeadLimits limits;
  http::RequestParser parser;
  http::ChunkDecoder chunks;
  Texts texts;
  std::string path;  // normalized, if that was needed
  http::ForwardedFields forwarded;
  http::Request request;  // as it goes on, after the filters of the rule
  http::Request sent;     // and after those of the share, if it has any
  http::Response answer;  // as it goes to the client
  std::string out;        // bytes for the client that wait to be written
  std::string replay;     // the body so far, for another try
  std::vector<route::Endpoint> tried;
  http::Fields answer_fields;  // to be added to the answer

  // Before it is put away: nothing of the last request is left, and no more memory than usual ones need.
  void clear() {
    constexpr std::size_t kKeep = 32_KiB;
    in.clear();
    if (in.capacity() > kKeep) in.release();
    for (std::string* text : {&path, &out, &replay}) {
      text->clear();
      if (text->capacity() > kKeep) text->shrink_to_fit();
    }
    parser.reset();
    texts.clear();
    tried.clear();
  }
};

class Desks {
 public:
  std::unique_ptr<Desk> take() {
    in_use_++;
    if (free_.empty()) return std::make_unique<Desk>();
    std::unique_ptr<Desk> desk = std::move(free_.back());
    free_.pop_back();
    return desk;
  }
  void give_back(std::unique_ptr<Desk> desk) {
    in_use_--;
    if (free_.size() == kKept) return;
    desk->clear();
    free_.push_back(std::move(desk));
  }
  std::size_t in_use() const { return in_use_; }

 private:
  static constexpr std::size_t kKept = 64;
  std::vector<std::unique_ptr<Desk>> free_;
  std::size_t in_use_ = 0;
};

}  // namespace fairlead::http_plugin
