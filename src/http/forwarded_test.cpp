#include "http/forwarded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fairlead::http {
namespace {

using ::testing::ElementsAre;

struct Told {
  ForwardedFields made;
  Fields fields;
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    for (const Field& f : fields) all.push_back(std::string(f.name) + ": " + std::string(f.value));
    return all;
  }
};

constexpr ForwardedFrom kStranger{.client = "192.0.2.7", .scheme = "https", .host = "shop.example:8443", .port = 8443};
constexpr ForwardedFrom kProxy{.client = "10.0.0.9", .trusted = true, .scheme = "http", .host = "shop.example", .port = 80};

TEST(Forwarded, AStrangersRequestGetsAllOfThem) {
  Told told;
  told.fields.add("Accept", "*/*");
  told.made.apply(told.fields, kStranger);
  EXPECT_THAT(told.lines(), ElementsAre("Accept: */*", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https",
                                        "X-Forwarded-Host: shop.example:8443", "X-Forwarded-Port: 8443",
                                        "Forwarded: for=192.0.2.7;host=\"shop.example:8443\";proto=https", "Via: 1.1 fairlead"));
}

TEST(Forwarded, WhatAStrangerClaimsIsGone) {
  Told told;
  for (const char* name : {"X-Forwarded-For",
                           "x-forwarded-proto",
                           "X-FORWARDED-HOST",
                           "X-Forwarded-Port",
                           "X-Forwarded-Prefix",
                           "X-Forwarded-Server",
                           "X-Forwarded",
                           "Forwarded",
                           "Via",
                           "X-Real-IP",
                           "X-Client-IP",
                           "True-Client-IP",
                           "CF-Connecting-IP",
                           "X-Original-URL",
                           "X-Rewrite-URL",
                           "X_Forwarded_For",
                           "X-Forwarded_Host",
                           "X_Real_IP",
                           "X-Fairlead-Node",
                           "X_Fairlead_Node",
                           "X-Client-Cert",
                           "X-Client-Cert-Subject",
                           "Client-Cert",
                           "Client-Cert-Chain",
                           "X-SSL-Client-Verify",
                           "X-Forwarded-Client-Cert"})
    told.fields.add(name, "evil");
  told.made.apply(told.fields, kStranger);
  for (const Field& f : told.fields) EXPECT_EQ(f.value.find("evil"), f.value.npos) << f.name;
  EXPECT_EQ(told.fields.size(), 6u);
}

TEST(Forwarded, OtherFieldsStay) {
  Told told;
  for (const char* name : {"X-Forward", "Vial", "Client-Certainty", "X-Request-Id", "X-Real-IPs", "Forwarded-By", "X-Fairleads", "Cookie",
                           "True-Client", "Cf-Ray", "V", "X"})
    told.fields.add(name, "kept");
  const std::size_t before = told.fields.size();
  told.made.apply(told.fields, kStranger);
  EXPECT_EQ(std::ranges::count(told.fields, "kept", &Field::value), static_cast<std::ptrdiff_t>(before));
}

TEST(Forwarded, WhatATrustedProxySaysIsKeptAndAddedTo) {
  Told told;
  told.fields.add("x-forwarded-for", "198.51.100.1");
  told.fields.add("X-Forwarded-Proto", "https");
  told.fields.add("X-Forwarded-For", "198.51.100.2");
  told.fields.add("X-Forwarded-Host", "front.example");
  told.fields.add("X-Forwarded-Prefix", "/api");
  told.fields.add("X-Real-IP", "198.51.100.1");
  told.fields.add("Via", "1.1 front");
  told.made.apply(told.fields, kProxy);
  EXPECT_THAT(told.lines(), ElementsAre("X-Forwarded-For: 198.51.100.1, 198.51.100.2, 10.0.0.9", "X-Forwarded-Proto: https",
                                        "X-Forwarded-Host: front.example", "X-Forwarded-Prefix: /api", "X-Real-IP: 198.51.100.1",
                                        "Via: 1.1 front, 1.1 fairlead"));
}

TEST(Forwarded, ATrustedProxyThatSpeaksForwardedIsAnsweredInKind) {
  Told told;
  told.fields.add("Forwarded", "for=198.51.100.1;proto=https");
  told.made.apply(told.fields, kProxy);
  EXPECT_THAT(told.lines(),
              ElementsAre("Forwarded: for=198.51.100.1;proto=https, for=10.0.0.9;host=\"shop.example\";proto=http", "Via: 1.1 fairlead"));
}

TEST(Forwarded, ATrustedProxyMayNotSayWhoAClientIs) {
  Told told;
  told.fields.add("X-Client-Cert-Subject", "CN=admin");
  told.fields.add("X-Fairlead-Node", "edge-a");
  told.fields.add("X_Forwarded_For", "198.51.100.1");
  told.made.apply(told.fields, kProxy);
  EXPECT_EQ(told.fields.find("x-forwarded-for")->value, "10.0.0.9");
  EXPECT_EQ(told.fields.size(), 6u);
}

TEST(Forwarded, AnIpv6AddressIsBareInOneAndInBracketsInTheOther) {
  Told told;
  told.made.apply(told.fields, {.client = "2001:db8::7", .scheme = "http", .minor = 0});
  EXPECT_THAT(told.lines(), ElementsAre("X-Forwarded-For: 2001:db8::7", "X-Forwarded-Proto: http",
                                        "Forwarded: for=\"[2001:db8::7]\";proto=http", "Via: 1.0 fairlead"));
}

TEST(Forwarded, AHostCannotEndItsQuotes) {
  Told told;
  told.made.apply(told.fields, {.client = "192.0.2.7", .scheme = "http", .host = "a\";for=evil\\"});
  EXPECT_EQ(told.fields.find("forwarded")->value, "for=192.0.2.7;host=\"a\\\";for=evil\\\\\";proto=http");
}

TEST(Forwarded, ItIsUsedAgainAndAgain) {
  Told told;
  const std::string host(5000, 'h');
  for (int i = 0; i < 3; i++) {
    told.fields.clear();
    told.made.apply(told.fields, {.client = "192.0.2.7", .scheme = "http", .host = host});
    EXPECT_EQ(told.fields.find("x-forwarded-host")->value, host);
    EXPECT_EQ(told.fields.find("via")->value, "1.1 fairlead");
  }
}

TEST(Forwarded, ALongListFromATrustedProxyIsKeptWhole) {
  Told told;
  const std::string many(3000, 'x');
  for (int i = 0; i < 5; i++) {
    told.fields.add("X-Forwarded-For", many);
    told.fields.add("Forwarded", many);
    told.fields.add("Via", many);
  }
  told.made.apply(told.fields, kProxy);
  EXPECT_EQ(told.fields.find("x-forwarded-for")->value.size(), 5 * 3002u + 8);
  EXPECT_TRUE(told.fields.find("forwarded")->value.starts_with(many));
  EXPECT_TRUE(told.fields.find("via")->value.ends_with(", 1.1 fairlead"));
}

}  // namespace
}  // namespace fairlead::http
