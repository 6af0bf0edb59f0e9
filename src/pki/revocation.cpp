#include "pki/revocation.h"

#include <fmt/format.h>

#include <algorithm>

#include "pki/files.h"
#include "pki/printable.h"

namespace fairlead::pki {
namespace {

constexpr std::string_view kSpace = " \t\r";

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

template <class Map, class Value>
Result<void> add(Map& map, Result<Value> value, RevocationList::Entry&& entry) {
  if (!value) return fail(std::move(value).error());
  map.try_emplace(*std::move(value), std::move(entry));
  return {};
}

}  // namespace

Result<RevocationList> RevocationList::parse(std::string_view text, std::string_view file) {
  RevocationList list;
  std::size_t number = 0;
  while (!text.empty()) {
    number++;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));

    const std::size_t hash = std::min(line.find('#'), line.size());
    const std::string_view entry = trim(line.substr(0, hash));
    if (entry.empty()) continue;
    const std::string_view kind = entry.substr(0, std::min(entry.find_first_of(kSpace), entry.size()));
    const std::string_view value = trim(entry.substr(kind.size()));
    Entry where{number, printable(trim(line.substr(std::min(hash + 1, line.size()))))};

    Result<void> added;
    if (kind == "node")
      added = add(list.nodes_, NodeName::parse(value), std::move(where));
    else if (kind == "fingerprint")
      added = add(list.fingerprints_, Fingerprint::parse(value), std::move(where));
    else if (kind == "serial")
      added = add(list.serials_, Serial::parse(value), std::move(where));
    else
      added = fail(Code::invalid, "\"{}\" is none of `node NAME`, `fingerprint HEX`, `serial HEX`", printable(entry, 60));
    if (!added) return fail(Error::wrap(fmt::format("{}:{}", file, number), std::move(added).error()));
  }
  return list;
}

Result<RevocationList> RevocationList::load(const std::filesystem::path& file) {
  TRY_ASSIGN(std::string text, read_file(file, kMaxFileSize));
  return parse(text, file.native());
}

const RevocationList::Entry* RevocationList::find(const Fingerprint& fingerprint, const Serial& serial, const NodeName* node) const {
  if (node != nullptr)
    if (auto it = nodes_.find(*node); it != nodes_.end()) return &it->second;
  if (auto it = fingerprints_.find(fingerprint); it != fingerprints_.end()) return &it->second;
  if (auto it = serials_.find(serial); it != serials_.end()) return &it->second;
  return nullptr;
}

}  // namespace fairlead::pki
