#include "enrol/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/bytes.h"
#include "pki/random.h"

namespace fairlead::enrol {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::string_view kDigestName = ".sha256";

// Where a header's fields lie (POSIX.1-2017, pax, "ustar Interchange Format").
struct Place {
  std::size_t at, size;
};
constexpr Place kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12}, kTime{136, 12}, kSum{148, 8}, kType{156, 1},
    kMagic{257, 8}, kPrefix{345, 155};
constexpr std::string_view kUstar{"ustar\00000", 8};

std::size_t padded(std::size_t size) { return (size + kBlock - 1) / kBlock * kBlock; }

bool plain(std::string_view path) {
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t end = std::min(path.find('/', from), path.size());
    const std::string_view part = path.substr(from, end - from);
    if (part.empty() || part == "." || part == "..") return false;
    from = end + 1;
  }
  return path.find('\0') == std::string_view::npos;
}

using Header = std::array<char, kBlock>;

void put(Header& header, Place place, std::string_view text) {
  std::ranges::copy(text, header.begin() + static_cast<std::ptrdiff_t>(place.at));
}
void put_octal(Header& header, Place place, std::uint64_t value) { put(header, place, fmt::format("{:0{}o}", value, place.size - 1)); }

std::string_view field(std::string_view header, Place place) {
  const std::string_view all = header.substr(place.at, place.size);
  return all.substr(0, std::min(all.find('\0'), all.size()));
}
Result<std::uint64_t> octal(std::string_view header, Place place) {
  std::string_view digits = field(header, place);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value, 8);
  if (error != std::errc() || end != digits.end()) return fail(Code::invalid, "the archive has a number that is none");
  return value;
}

std::uint64_t sum_of(std::string_view header) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < header.size(); i++)
    sum += i >= kSum.at && i < kSum.at + kSum.size ? static_cast<unsigned char>(' ') : static_cast<unsigned char>(header[i]);
  return sum;
}

Result<void> append(std::string& to, std::string_view path, unsigned mode, std::string_view content) {
  if (!plain(path)) return fail(Code::invalid, "\"{}\" cannot be in an archive", path);
  std::string_view name = path, prefix;
  if (name.size() > kName.size) {
    const std::size_t slash = path.find('/', path.size() - kName.size - 1);
    if (slash == std::string_view::npos || slash > kPrefix.size)
      return fail(Code::invalid, "\"{}\" is too long a name for an archive", path);
    prefix = path.substr(0, slash);
    name = path.substr(slash + 1);
  }
  Header header{};
  put(header, kName, name);
  put(header, kPrefix, prefix);
  put_octal(header, kMode, mode & 0777u);
  put_octal(header, kUid, 0);
  put_octal(header, kGid, 0);
  put_octal(header, kSize, content.size());
  put_octal(header, kTime, 0);
  put(header, kType, "0");
  put(header, kMagic, kUstar);
  put(header, kSum, fmt::format("{:06o}", sum_of({header.data(), header.size()})));
  header[kSum.at + 7] = ' ';
  to.append(header.data(), header.size());
  to.append(content);
  to.resize(padded(to.size()));
  return {};
}

// What follows `text`: its digest, and the two empty blocks that end a tar archive.
Result<std::string> end_of(std::string_view text) {
  std::string end;
  TRY(append(end, kDigestName, 0600, to_hex(Bytes(pki::sha256(as_bytes(text))))));
  end.append(2 * kBlock, '\0');
  return end;
}

}  // namespace

Result<Secret> write_archive(const std::vector<ArchiveEntry>& entries) {
  std::size_t size = 4 * kBlock;
  for (const ArchiveEntry& entry : entries) size += kBlock + padded(entry.content.reveal().size());
  if (size > kMaxArchive) return fail(Code::too_large, "an archive of {} bytes; at most {} are held", size, kMaxArchive);
  std::string text;
  text.reserve(size);  // secrets are not left behind by growing
  for (const ArchiveEntry& entry : entries) TRY(append(text, entry.path, entry.mode, entry.content.reveal()));
  TRY_ASSIGN(const std::string end, end_of(text));
  text += end;
  return Secret(std::move(text));
}

Result<std::vector<ArchiveEntry>> read_archive(std::string_view archive) {
  std::vector<ArchiveEntry> entries;
  std::size_t at = 0;
  for (;;) {
    if (archive.size() - at < kBlock) return fail(Code::invalid, "the archive is cut off: its digest is missing");
    const std::string_view header = archive.substr(at, kBlock);
    if (header.substr(kMagic.at, kMagic.size) != kUstar) return fail(Code::invalid, "this is no archive of a cloud's folder");
    TRY_ASSIGN(const std::uint64_t sum, octal(header, kSum));
    if (sum != sum_of(header)) return fail(Code::invalid, "the archive is damaged");
    TRY_ASSIGN(const std::uint64_t mode, octal(header, kMode));
    TRY_ASSIGN(const std::uint64_t size, octal(header, kSize));
    const std::size_t left = archive.size() - at - kBlock;
    if (size > left || padded(size) > left) return fail(Code::invalid, "the archive is cut off");
    const std::string_view prefix = field(header, kPrefix);
    const std::string path = (prefix.empty() ? "" : std::string(prefix) + "/") + std::string(field(header, kName));
    const std::string_view content = archive.substr(at + kBlock, size);
    if (path == kDigestName) {
      TRY_ASSIGN(const std::string end, end_of(archive.substr(0, at)));
      if (archive.substr(at) != end) return fail(Code::invalid, "the archive is damaged, or cut off at its end");
      return entries;
    }
    if (field(header, kType) != "0" || !plain(path)) return fail(Code::invalid, "the archive has something else than plain files");
    entries.push_back({.path = path, .mode = static_cast<unsigned>(mode & 0777u), .content = Secret(std::string(content))});
    at += kBlock + padded(size);
  }
}

}  // namespace fairlead::enrol
