#include "kube/json_items.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <vector>

namespace fairlead::kube {
namespace {

using Shape = JsonItems::Shape;
using Texts = std::vector<std::string>;

struct Seen {
  Texts items;
  Result<void> end;
  std::string metadata;
};

Seen read(Shape shape, const Wanted& wanted, std::string_view text, std::size_t step) {
  Seen seen;
  JsonItems items(shape, wanted);
  for (std::size_t at = 0; at < text.size(); at += step) {
    auto fed = items.feed(text.substr(at, step), [&](boost::json::object& item) -> Result<void> {
      seen.items.push_back(boost::json::serialize(item));
      return {};
    });
    if (!fed) {
      seen.end = fed;
      return seen;
    }
  }
  seen.end = items.end();
  seen.metadata = boost::json::serialize(items.list_metadata());
  return seen;
}
// Whole and byte by byte must come to the same.
Seen read(Shape shape, const Wanted& wanted, std::string_view text) {
  Seen whole = read(shape, wanted, text, text.size() + 1), bytes = read(shape, wanted, text, 1);
  EXPECT_EQ(whole.items, bytes.items) << text;
  EXPECT_EQ(whole.end.has_value(), bytes.end.has_value()) << text;
  EXPECT_EQ(whole.metadata, bytes.metadata) << text;
  return whole;
}

TEST(JsonItems, ListGivesItsItemsAndItsMetadata) {
  const Seen seen = read(Shape::list, Wanted::paths({"a/b", "c"}),
                         R"({"kind":"L","items":[{"a":{"b":1,"x":[{"y":2}]},"z":"no"},{"c":[1,{"d":true}],"a":7},{}],)"
                         R"("metadata":{"resourceVersion":"5","continue":"t","x":1}} )");
  EXPECT_TRUE(seen.end);
  EXPECT_EQ(seen.items, (Texts{R"({"a":{"b":1}})", R"({"c":[1,{"d":true}],"a":7})", "{}"}));
  EXPECT_EQ(seen.metadata, R"({"resourceVersion":"5","continue":"t"})");
}

TEST(JsonItems, FieldsOfMembersOfAListAreChosenToo) {
  const Seen seen =
      read(Shape::one, Wanted::paths({"p/port", "p/name"}), R"({"p":[{"port":1,"x":2},{"name":"n"},3,[{"port":4,"x":5}]],"q":[1]})");
  EXPECT_EQ(seen.items, Texts{R"({"p":[{"port":1},{"name":"n"},3,[{"port":4}]]})"});
}

TEST(JsonItems, WatchGivesEventsAsSoonAsTheyAreWhole) {
  const std::string event = R"({"object":{"a":1,"b":2},"type":"ADDED"})";
  JsonItems items(Shape::watch, Wanted::paths({"a"}));
  Texts seen;
  const auto each = [&](boost::json::object& e) -> Result<void> {
    seen.push_back(boost::json::serialize(e));
    return {};
  };
  ASSERT_TRUE(items.feed(event, each));
  EXPECT_EQ(seen.size(), 1U) << "without what comes behind";
  ASSERT_TRUE(items.feed("\n" + event + event + "\r\n\r\n", each));
  EXPECT_EQ(seen, (Texts(3, R"({"object":{"a":1},"type":"ADDED"})")));
  EXPECT_TRUE(items.end());
  ASSERT_TRUE(items.feed("{", each));
  EXPECT_FALSE(items.end());
}

TEST(JsonItems, ErrorsOfAWatchAreKept) {
  const Seen seen =
      read(Shape::watch, Wanted::paths({"a"}), R"({"type":"ERROR","object":{"code":410,"message":"old","reason":"Expired"}})");
  EXPECT_EQ(seen.items, Texts{R"({"type":"ERROR","object":{"code":410,"message":"old"}})"});
}

TEST(JsonItems, EverythingIsKeptWhereNothingIsChosen) {
  EXPECT_EQ(read(Shape::one, Wanted(), R"({"a":[1,[2,{"b":null}]],"é":"\u00e9\n"})").items, Texts{R"({"a":[1,[2,{"b":null}]],"é":"é\n"})"});
  EXPECT_EQ(read(Shape::list, Wanted(), R"({"items":[{"a":[{"b":1}]},{"c":2}]})").items, (Texts{R"({"a":[{"b":1}]})", R"({"c":2})"}));
}

TEST(JsonItems, WhatIsOfAnotherShapeIsRefused) {
  for (const char* text :
       {"7", "\"x\"", "null", "[]", "[{}]", "{", "}", "{]", R"({"a" 1})", R"({"a":1} x)", R"({"a":1}{})", "{\"a\":\"\x01\"}"})
    EXPECT_FALSE(read(Shape::one, Wanted(), text).end) << text;
  for (const char* text : {R"({"items":[7]})", R"({"items":[[]]})", R"({"items":["x"]})", R"({"items":[{}]}{})", ""})
    EXPECT_FALSE(read(Shape::list, Wanted(), text).end) << text;
  for (const char* text : {R"({"items":null})", R"({"items":{}})", "{}"}) EXPECT_TRUE(read(Shape::list, Wanted(), text).end) << text;
  EXPECT_TRUE(read(Shape::watch, Wanted(), " \n").end);
}

TEST(JsonItems, RefusalOfAnItemEndsIt) {
  JsonItems items(Shape::list, Wanted());
  int seen = 0;
  const auto fed = items.feed(R"({"items":[{},{},{}]})", [&](boost::json::object&) -> Result<void> {
    return ++seen == 2 ? Result<void>(fail(Code::too_large, "enough")) : Result<void>();
  });
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().code(), Code::too_large);
  EXPECT_EQ(seen, 2);
}

TEST(JsonItems, DepthHasALimit) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  const auto text = [&](std::size_t depth) { return "{\"x\":" + nested(depth - 1) + "}"; };
  const Wanted none = Wanted::paths({"a"});
  EXPECT_TRUE(read(Shape::one, none, text(JsonItems::kMaxDepth)).end);
  EXPECT_FALSE(read(Shape::one, none, text(JsonItems::kMaxDepth + 1)).end);
}

Code code_of(std::string_view text, const Wanted& wanted, Shape shape = Shape::one) {
  const Seen seen = read(shape, wanted, text, 1_MiB);
  return seen.end ? Code::internal : seen.end.error().code();
}

TEST(JsonItems, WhatIsKeptHasALimitAndWhatIsNotHasOneToo) {
  const Wanted a = Wanted::paths({"a"});
  const std::size_t room = JsonItems::kMaxKept - 2 * JsonItems::kValueCost - 1;  // the object, the text, its key
  EXPECT_EQ(code_of(fmt::format(R"({{"a":"{}"}})", std::string(room, 'x')), a), Code::internal);
  EXPECT_EQ(code_of(fmt::format(R"({{"a":"{}"}})", std::string(room + 1, 'x')), a), Code::too_large);
  std::string zeros = "0";
  for (std::size_t i = 0; i < JsonItems::kMaxKept / JsonItems::kValueCost; i++) zeros += ",0";
  EXPECT_EQ(code_of(fmt::format(R"({{"a":[{}]}})", zeros), a), Code::too_large);
  EXPECT_EQ(code_of(fmt::format(R"({{"b":[{}]}})", zeros), a), Code::internal);

  EXPECT_EQ(code_of(fmt::format(R"({{"b":"{}"}})", std::string(JsonItems::kMaxText - 16, 'x')), a), Code::internal);
  EXPECT_EQ(code_of(fmt::format(R"({{"b":"{}"}})", std::string(JsonItems::kMaxText + 1, 'x')), a), Code::too_large);
}

TEST(JsonItems, LimitsAreOfOneItemAndNotOfAll) {
  std::string list = R"({"items":[{})";
  const std::string item = fmt::format(R"(,{{"a":"{}"}})", std::string(1_MiB, 'x'));
  for (int i = 0; i < 40; i++) list += item;
  EXPECT_EQ(code_of(list + "]}", Wanted::paths({"a"}), Shape::list), Code::internal);
}

}  // namespace
}  // namespace fairlead::kube
