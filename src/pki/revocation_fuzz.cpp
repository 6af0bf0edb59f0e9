// Any text is a revocation list or is refused with file and line; what is read is found again.
#include <cstdint>
#include <cstdlib>

#include "pki/revocation.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  const std::string text(reinterpret_cast<const char*>(data), size);
  auto list = pki::RevocationList::parse(text, "revoked");
  if (!list) {
    if (!list.error().message().starts_with("revoked:")) std::abort();
    return 0;
  }
  // A line more is an entry more, however the text ended.
  auto longer = pki::RevocationList::parse(text + "\nnode added.by.the.fuzzer", "revoked");
  if (!longer) std::abort();
  const NodeName node = NodeName::parse("added.by.the.fuzzer").value();
  const auto key = pki::Fingerprint::parse(std::string(64, '0')).value();
  if (longer->find(key, pki::Serial::parse("0").value(), &node) == nullptr) std::abort();
  return 0;
}
