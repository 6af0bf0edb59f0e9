#include "route/match_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "base/random.h"
#include "route/http_reference.h"

namespace fairlead::route {
namespace {

// Matches by number, asked both ways.
class Matches {
 public:
  void add(RequestMatch match) { all_.push_back(std::move(match)); }
  void compile() {
    for (std::uint32_t n = 0; n < all_.size(); n++) list_.add(n, all_[n]);
    list_.finish();
  }
  std::uint32_t first(const RequestToMatch& request) const { return list_.first(request); }
  std::uint32_t first_plainly(const RequestToMatch& request) const {
    std::uint32_t best = MatchList::kNone;
    for (std::uint32_t n = 0; n < all_.size(); n++)
      if (all_[n].takes_rest(request) && (best == MatchList::kNone || all_[n].precedence() < all_[best].precedence())) best = n;
    return best;
  }

 private:
  std::deque<RequestMatch> all_;
  MatchList list_;
};

struct Asked {
  std::string query;
  http::Fields fields;
  std::string method = "GET";
  RequestToMatch ask() const { return {.host = "h", .path = "/", .query = query, .method = method, .fields = fields}; }
};

RequestMatch with_header(std::string name, std::string value) { return {.headers = {{std::move(name), std::move(value), {}}}}; }
RequestMatch with_query(std::string name, std::string value) { return {.query = {{std::move(name), std::move(value), {}}}}; }

TEST(MatchList, FindsWhatTryingEachFinds) {
  Random random(11);
  auto choose = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random.below(below)); };
  std::size_t found = 0, missed = 0;
  for (const std::size_t size : {std::size_t{1}, MatchList::kShort, MatchList::kShort + 1, std::size_t{40}, std::size_t{400}}) {
    for (int round = 0; round < 40; round++) {
      Matches matches;
      for (std::size_t n = 0; n < size; n++) {
        RequestMatch m = testing::random_match(choose);
        // More names than queries are filed under, and values that are told apart by more than one of them.
        if (choose(2) == 0) m.query.push_back({"name" + std::to_string(choose(MatchList::kQueryNames * 2)), std::to_string(choose(4)), {}});
        if (choose(2) == 0) m.headers.push_back({"X-C", std::to_string(choose(8)), {}});
        matches.add(std::move(m));
      }
      matches.compile();
      for (int i = 0; i < 40; i++) {
        const testing::RandomRequest some(choose);
        Asked asked{.query = some.query, .fields = some.fields, .method = some.method};
        for (std::uint32_t n = choose(6); n > 0; n--)
          asked.query += fmt::format("&name{}={}", choose(MatchList::kQueryNames * 2), choose(4));
        const std::string c = std::to_string(choose(8));
        if (choose(2) == 0) asked.fields.add("x-c", c);
        const std::uint32_t plain = matches.first_plainly(asked.ask());
        ASSERT_EQ(matches.first(asked.ask()), plain) << size << " matches, query " << asked.query;
        (plain == MatchList::kNone ? missed : found)++;
      }
    }
  }
  EXPECT_GT(found, 1000u);
  EXPECT_GT(missed, 1000u);
}

TEST(MatchList, AHeaderThatComesTwiceIsAskedByItsJoinedValue) {
  Matches matches;
  for (int n = 0; n < 20; n++) matches.add(with_header("X-Tenant", n == 7 ? "a,b" : std::to_string(n)));
  matches.compile();
  Asked asked;
  asked.fields.add("x-tenant", "a");
  EXPECT_EQ(matches.first(asked.ask()), MatchList::kNone);
  asked.fields.add("X-TENANT", "b");
  EXPECT_EQ(matches.first(asked.ask()), 7u);
}

TEST(MatchList, OfSeveralParametersTheFirstCounts) {
  Matches matches;
  for (int n = 0; n < 20; n++) matches.add(with_query("tenant", std::to_string(n)));
  matches.compile();
  EXPECT_EQ(matches.first(Asked{.query = "tenant=3&tenant=4", .fields = {}}.ask()), 3u);
  EXPECT_EQ(matches.first(Asked{.query = "tenant=%31%39", .fields = {}}.ask()), 19u);
}

// What is filed under different names is still in one order.
TEST(MatchList, MoreHeadersComeFirstWhereverTheyAreFiled) {
  Matches matches;
  for (int n = 0; n < 20; n++) matches.add(with_header("X-A", std::to_string(n)));
  RequestMatch both = with_header("X-B", "rare");
  both.headers.push_back({"X-A", "5", {}});
  matches.add(std::move(both));
  matches.compile();
  Asked asked;
  asked.fields.add("X-A", "5");
  EXPECT_EQ(matches.first(asked.ask()), 5u);
  asked.fields.add("X-B", "rare");
  EXPECT_EQ(matches.first(asked.ask()), 20u);
}

}  // namespace
}  // namespace fairlead::route
