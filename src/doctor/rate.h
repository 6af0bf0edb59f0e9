// rate.h: how fast bytes come, without the beginning of a transfer, in which every transport still looks for the rate of the path.
#pragma once
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace fairlead::doctor {

class Rate {
 public:
  void add(TimePoint at, std::size_t n) {
    total_ += n;
    if (samples_.empty() || at - samples_.back().at >= kStep) {
      samples_.push_back({at, total_});
    }
    last_ = at;
  }
  std::uint64_t total() const { return total_; }

  struct Part {
    std::uint64_t bytes = 0;
    Duration time{};
    // 0 where too little came to tell.
    double mbit() const {
      const double seconds = std::chrono::duration<double>(time).count();
      return seconds > 0 ? static_cast<double>(bytes) * 8 / seconds / 1e6 : 0;
    }
  };
  // The later two thirds of the time.
  Part steady() const {
    if (samples_.empty()) return {};
    const TimePoint begin = samples_.front().at;
    Part part;
    for (const Sample& s : samples_) {
      part = {total_ - s.total, last_ - s.at};
      if (s.at - begin >= (last_ - begin) / 3) break;
    }
    return part;
  }

 private:
  // At most some thousand samples of a transfer.
  static constexpr Duration kStep = 10ms;
  struct Sample {
    TimePoint at;
    std::uint64_t total;
  };
  std::vector<Sample> samples_;
  std::uint64_t total_ = 0;
  TimePoint last_{};
};

}  // namespace fairlead::doctor
