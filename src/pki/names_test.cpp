#include "pki/names.h"

#include <gmock/gmock.h>

#include "pki/certificate.h"

namespace fairlead::pki {
namespace {

using namespace std::string_literals;

TEST(HostName, HasOneWayToBeWritten) {
  const std::vector<std::array<const char*, 2>> cases = {{"Cloud.Example.", "cloud.example"},
                                                         {"localhost", "localhost"},
                                                         {"192.0.2.7", "192.0.2.7"},
                                                         {"2001:DB8:0::1", "2001:db8::1"},
                                                         {"::ffff:192.0.2.7", "::ffff:192.0.2.7"},
                                                         {"*.a.example", "*.a.example"},
                                                         {"a_b.example", "a_b.example"},
                                                         {"7.example", "7.example"}};
  for (auto [given, text] : cases) {
    auto name = HostName::parse(given);
    ASSERT_TRUE(name) << given;
    EXPECT_EQ(name->text(), text);
  }
  EXPECT_EQ(HostName::parse("192.0.2.7")->kind(), HostName::Kind::ip);
  EXPECT_EQ(HostName::parse("192.0.2.7")->address_bytes(), "\xc0\x00\x02\x07"s);
  EXPECT_EQ(HostName::parse("::1")->address_bytes(), std::string(15, '\0') + '\1');
  EXPECT_EQ(HostName::parse("cloud.example")->kind(), HostName::Kind::dns);
}

TEST(HostName, RefusesWhatIsNone) {
  for (std::string bad : {"", ".", "a..b", "-a", "a-", "a b", "*", "*.", "a.*", "**.a", "*a.b", "10.0.0", "999.1.1.1", "1", "[::1]",
                          "::1%lo", "cloud:8443", "\xc3\xa4.example"})
    EXPECT_FALSE(HostName::parse(bad)) << bad;
  EXPECT_FALSE(HostName::parse(std::string("192.0.2.7\0", 10)));
  EXPECT_EQ(HostName::parse("10.0.0\n").error().message(), "\"10.0.0?\" is neither a DNS name nor an IP address");
}

TEST(HostName, HasLimits) {
  const std::string label(63, 'a');
  EXPECT_TRUE(HostName::parse(label));
  EXPECT_FALSE(HostName::parse(label + "a"));
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  ASSERT_EQ(longest.size(), HostName::kMaxSize);
  EXPECT_TRUE(HostName::parse(longest));
  EXPECT_FALSE(HostName::parse(longest + "a"));
}

TEST(HostName, AListIsNeitherEmptyNorTooLongAndHasNothingTwice) {
  EXPECT_EQ(HostName::parse_all({"a", "A", "a."})->size(), 1u);
  EXPECT_FALSE(HostName::parse_all({}));
  EXPECT_FALSE(HostName::parse_all({"a", "b c"}));
  std::vector<std::string> many;
  for (std::size_t i = 0; i < kMaxNames; i++) many.push_back(fmt::format("n{}", i));
  EXPECT_TRUE(HostName::parse_all(many));
  many.push_back("one-more");
  EXPECT_EQ(HostName::parse_all(many).error().code(), Code::too_large);
}

TEST(NodeOf, IsWhatAKubeletHas) {
  EXPECT_EQ(node_of("system:node:edge-a", {"system:nodes"})->value(), "edge-a");
  EXPECT_EQ(node_of("system:node:edge-a", {"other", "system:nodes"})->value(), "edge-a");
  EXPECT_FALSE(node_of("system:node:edge-a", {}));
  EXPECT_FALSE(node_of("edge-a", {"system:nodes"}));
  EXPECT_FALSE(node_of("system:node:Edge", {"system:nodes"}));
  EXPECT_FALSE(node_of(std::string_view("system:node:a\0b", 15), {"system:nodes"}));
}

}  // namespace
}  // namespace fairlead::pki
