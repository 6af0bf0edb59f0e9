// texts.h: text that is made while a request is served (a rewritten path, a forwarded header) and must live as long as the request does:
// its fields are views.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>
#include <string_view>
#include <vector>

namespace fairlead::http_plugin {

class Texts {
 public:
  static constexpr std::size_t kBlock = 1024;  // what a usual request needs

  // Room for `size` bytes, until clear().
  char* room(std::size_t size) {
    if (size > left_) {
      const std::size_t block = blocks_.empty() ? std::max(kBlock, size) : size + kBlock;
      blocks_.push_back(std::make_unique_for_overwrite<char[]>(block));
      at_ = blocks_.back().get();
      left_ = block;
    }
    char* given = at_;
    at_ += size;
    left_ -= size;
    return given;
  }
  std::string_view keep(std::string_view text) {
    if (text.empty()) return {};
    char* to = room(text.size());
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }
  template <class... Args>
  std::string_view format(fmt::format_string<Args...> text, Args&&... args) {
    fmt::memory_buffer buffer;
    fmt::vformat_to(std::back_inserter(buffer), text, fmt::make_format_args(args...));
    return keep({buffer.data(), buffer.size()});
  }
  // All views end. One block is kept for the next request.
  void clear() {
    if (blocks_.empty()) return;
    blocks_.resize(1);
    at_ = blocks_.front().get();
    left_ = kBlock;
  }

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;  // the first one has at least kBlock bytes
  char* at_ = nullptr;
  std::size_t left_ = 0;
};

}  // namespace fairlead::http_plugin
