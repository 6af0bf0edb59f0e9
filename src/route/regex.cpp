#include "route/regex.h"

#include <re2/re2.h>

namespace fairlead::route {
namespace {

class Re2 final : public Regex {
 public:
  explicit Re2(std::string_view text) : regex_(re2::StringPiece(text.data(), text.size()), options()) {}
  const RE2& get() const { return regex_; }
  bool matches(std::string_view text) const override { return RE2::FullMatch(re2::StringPiece(text.data(), text.size()), regex_); }

 private:
  static RE2::Options options() {
    RE2::Options o;
    o.set_log_errors(false);
    o.set_max_mem(kMaxMemory);
    // Bytes of a request are no UTF-8 until somebody has checked them.
    o.set_encoding(RE2::Options::EncodingLatin1);
    return o;
  }
  RE2 regex_;
};

}  // namespace

Result<std::shared_ptr<const Regex>> Regex::parse(std::string_view text) {
  auto made = std::make_shared<const Re2>(text);
  if (!made->get().ok()) return fail(Code::invalid, "not a regular expression: {}", made->get().error());
  return made;
}

}  // namespace fairlead::route
