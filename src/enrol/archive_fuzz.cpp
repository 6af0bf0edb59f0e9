// What somebody could give to `fairlead restore`: as it is, and with sums and digest set right, so that what lies behind them is reached.
// An archive that is accepted holds paths that stay in the folder, and means the same when it is written again.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/bytes.h"
#include "enrol/archive.h"
#include "pki/random.h"

namespace fairlead::enrol {
namespace {

constexpr std::size_t kBlock = 512, kSumAt = 148, kSizeAt = 124, kMagicAt = 257;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void check(std::string_view archive) {
  const auto entries = read_archive(archive);
  if (!entries) {
    require(!entries.error().message().empty());
    return;
  }
  for (const ArchiveEntry& entry : *entries) {
    const std::filesystem::path path(entry.path);
    require(path.is_relative() && !path.empty() && path.lexically_normal() == path && *path.begin() != ".." && path.has_filename());
    require(entry.mode <= 0777u);
  }
  const auto written = write_archive(*entries);
  require(written.has_value());
  const auto again = read_archive(written->reveal());
  require(again && again->size() == entries->size());
  for (std::size_t i = 0; i < entries->size(); i++)
    require((*again)[i].path == (*entries)[i].path && (*again)[i].mode == (*entries)[i].mode &&
            (*again)[i].content.reveal() == (*entries)[i].content.reveal());
}

// Walks as a reader would, and makes each header's magic and sum what they should be.
void mend_headers(std::string& archive) {
  for (std::size_t at = 0; archive.size() - at >= kBlock;) {
    std::string_view("ustar\00000", 8).copy(archive.data() + at + kMagicAt, 8);
    std::uint64_t sum = 8 * ' ';
    for (std::size_t i = 0; i < kBlock; i++)
      if (i < kSumAt || i >= kSumAt + 8) sum += static_cast<unsigned char>(archive[at + i]);
    fmt::format("{:06o}", sum).copy(archive.data() + at + kSumAt, 6);
    archive[at + kSumAt + 6] = '\0';
    archive[at + kSumAt + 7] = ' ';
    std::uint64_t size = 0;
    for (std::size_t i = 0; i < 11 && archive[at + kSizeAt + i] >= '0' && archive[at + kSizeAt + i] <= '7'; i++)
      size = size * 8 + static_cast<std::uint64_t>(archive[at + kSizeAt + i] - '0');
    if (size > archive.size()) return;
    at = std::min(archive.size(), at + kBlock + (size + kBlock - 1) / kBlock * kBlock);
  }
}

// The end of an archive of nothing, with the digest of `text`.
std::string end_of(std::string_view text) {
  static const std::string empty(write_archive({}).value().reveal());
  return empty.substr(0, kBlock) + to_hex(Bytes(pki::sha256(as_bytes(text)))) + empty.substr(kBlock + 64);
}

}  // namespace
}  // namespace fairlead::enrol

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  std::string input(as_text(from_u8(data, size)));
  enrol::check(input);
  enrol::mend_headers(input);
  enrol::check(input);
  input.resize(input.size() / enrol::kBlock * enrol::kBlock);
  enrol::check(input + enrol::end_of(input));
  return 0;
}
