// byte_queue.h: bytes that go in at the end and out at the front.
#pragma once
#include <algorithm>
#include <vector>

#include "base/bytes.h"

namespace fairlead::sim {

class ByteQueue {
 public:
  std::size_t size() const { return bytes_.size() - head_; }
  bool empty() const { return size() == 0; }
  void append(Bytes more) {
    // What was taken is given up once it is the larger part: each byte is moved at most once more.
    if (head_ > bytes_.size() / 2) {
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    bytes_.insert(bytes_.end(), more.begin(), more.end());
  }
  std::size_t take(MutableBytes into) {
    const std::size_t n = std::min(into.size(), size());
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(head_), n, into.begin());
    head_ += n;
    if (empty()) clear();
    return n;
  }
  void clear() {
    bytes_ = {};  // an idle stream of ten thousand holds no memory
    head_ = 0;
  }

 private:
  std::vector<std::byte> bytes_;
  std::size_t head_ = 0;
};

}  // namespace fairlead::sim
