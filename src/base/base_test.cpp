#include <gtest/gtest.h>

#include <cerrno>

#include "base/error.h"
#include "base/ids.h"
#include "base/list.h"
#include "base/random.h"
#include "base/time.h"

namespace fairlead {
namespace {

TEST(Error, TellsItsCausesInOrder) {
  Error e = Error::wrap("open the door", Error::wrap("turn the key", Error(Code::refused, "wrong key")));
  EXPECT_EQ(e.describe(), "open the door: turn the key: wrong key");
  EXPECT_EQ(e.code(), Code::refused);
}

TEST(Error, ErrnoBecomesACode) {
  EXPECT_EQ(Error::from_errno(ECONNREFUSED, "connect").code(), Code::refused);
  EXPECT_EQ(Error::from_errno(EMFILE, "accept").code(), Code::overloaded);
}

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Code::invalid, "{} is odd", n);
  return n / 2;
}
Result<int> quarter(int n) {
  TRY_ASSIGN(int h, half(n));
  return half(h);
}

TEST(Error, TryPassesOnTheFirstFailure) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().message(), "3 is odd");
}

TEST(NodeName, IsAnRfc1123Subdomain) {
  for (const char* good : {"a", "edge-a", "edge--a", "a.b", "0", "shop-1.berlin"}) EXPECT_TRUE(NodeName::parse(good)) << good;
  for (const char* bad : {"", "-a", "a-", ".a", "a.", "a..b", "a.-b", "a-.b", "A", "a_b", "a b", "\xc3\xa4"})
    EXPECT_FALSE(NodeName::parse(bad)) << bad;
  EXPECT_TRUE(NodeName::parse(std::string(NodeName::kMaxSize, 'a')));
  EXPECT_FALSE(NodeName::parse(std::string(NodeName::kMaxSize + 1, 'a')));
}

struct Item : ListHook {
  explicit Item(int n) : number(n) {}
  int number;
};

TEST(List, AnElementLeavesWhenItDies) {
  List<Item> list;
  Item a(1), c(3);
  list.push_back(a);
  {
    Item b(2);
    list.push_back(b);
    list.push_back(c);
  }
  EXPECT_EQ(list.pop_front()->number, 1);
  EXPECT_EQ(list.pop_front()->number, 3);
  EXPECT_TRUE(list.empty());
}

TEST(List, SpliceTakesAllBehindItsOwn) {
  List<Item> x, y;
  Item a(1), b(2), c(3);
  x.push_back(a);
  y.push_back(b);
  y.push_back(c);
  x.splice(y);
  EXPECT_TRUE(y.empty());
  for (int n : {1, 2, 3}) EXPECT_EQ(x.pop_front()->number, n);
}

TEST(Random, SameSeedSameNumbers) {
  Random a(7), b(7), c(8);
  EXPECT_EQ(a.next(), b.next());
  EXPECT_NE(a.next(), c.next());
}

TEST(Time, IsReadable) {
  EXPECT_EQ(to_text(1500ms), "1.5s");
  EXPECT_EQ(to_text(25h), "1d1h");
  EXPECT_EQ(to_rfc3339(WallTime(1700000000123ms)), "2023-11-14T22:13:20.123Z");
}

}  // namespace
}  // namespace fairlead
