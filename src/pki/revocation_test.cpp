#include "pki/revocation.h"

#include <gmock/gmock.h>

#include "pki/files.h"
#include "pki/test_certificates.h"

namespace fairlead::pki {
namespace {

const Fingerprint kKey = Fingerprint::parse(std::string(64, 'a')).value();
const Fingerprint kOtherKey = Fingerprint::parse(std::string(64, 'b')).value();
const Serial kSerial = Serial::parse("7a0019").value();
const Serial kOtherSerial = Serial::parse("7a0018").value();
NodeName node(const char* name) { return NodeName::parse(name).value(); }

std::string why_not(std::string_view text) {
  auto list = RevocationList::parse(text, "revoked");
  return list ? "it can be read" : list.error().describe();
}

TEST(RevocationList, FindsWhatItHasAndNothingElse) {
  auto list = RevocationList::parse(
      "\n# all of them\r\nnode edge-7\r\n\tfingerprint\t" + std::string(64, 'A') + "  # lost # twice\n  serial 7A:00:19#x", "revoked");
  ASSERT_TRUE(list) << list.error().describe();
  EXPECT_EQ(list->size(), 3u);
  const NodeName seven = node("edge-7"), eight = node("edge-8");
  EXPECT_EQ(list->find(kOtherKey, kOtherSerial, &eight), nullptr);
  EXPECT_EQ(list->find(kOtherKey, kOtherSerial, nullptr), nullptr);
  ASSERT_NE(list->find(kOtherKey, kOtherSerial, &seven), nullptr);
  EXPECT_EQ(list->find(kOtherKey, kOtherSerial, &seven)->line, 3u);
  EXPECT_EQ(list->find(kKey, kOtherSerial, nullptr)->comment, "lost # twice");
  EXPECT_EQ(list->find(kOtherKey, kSerial, nullptr)->line, 5u);
}

TEST(RevocationList, EmptyIsNobody) {
  EXPECT_EQ(RevocationList::parse("", "revoked")->size(), 0u);
  EXPECT_EQ(RevocationList::parse("\n  \n# nobody\n", "revoked")->size(), 0u);
}

TEST(RevocationList, AnEntryMayComeTwice) { EXPECT_EQ(RevocationList::parse("node a\nnode a # again\n", "revoked")->size(), 1u); }

TEST(RevocationList, ErrorsNameFileAndLine) {
  EXPECT_EQ(why_not("# x\nnodes edge-7\n"), "revoked:2: \"nodes edge-7\" is none of `node NAME`, `fingerprint HEX`, `serial HEX`");
  EXPECT_EQ(why_not("node\n"), "revoked:1: a node name must not be empty");
  EXPECT_EQ(why_not("node a b\n"), "revoked:1: node name \"a b\": only a-z, 0-9, '-' and '.' are allowed");
  EXPECT_EQ(why_not("\n\nfingerprint abc\n"), "revoked:3: a fingerprint has 64 hex digits, not 3");
  EXPECT_EQ(why_not("serial 0x12\n"), "revoked:1: a serial number has only hex digits, not 'x'");
  EXPECT_EQ(why_not("serial\n"), "revoked:1: a serial number has 1 to 40 hex digits, not 0");
  EXPECT_EQ(why_not(std::string(64, 'a')),
            "revoked:1: \"" + std::string(57, 'a') + "...\" is none of `node NAME`, `fingerprint HEX`, `serial HEX`");
}

TEST(RevocationList, LoadsAFileUpToItsLimit) {
  TestFolder folder;
  const auto file = folder / "revoked";
  EXPECT_EQ(RevocationList::load(file).error().code(), Code::not_found);
  std::string text = "node edge-7\n";
  text.resize(RevocationList::kMaxFileSize, '#');
  ASSERT_TRUE(write_file(file, text, 0644));
  EXPECT_EQ(RevocationList::load(file)->size(), 1u);
  ASSERT_TRUE(write_file(file, text + "#", 0644));
  EXPECT_EQ(RevocationList::load(file).error().code(), Code::too_large);
}

}  // namespace
}  // namespace fairlead::pki
