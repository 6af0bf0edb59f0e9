#include "http/message.h"

#include <gtest/gtest.h>

#include "http/grammar.h"
#include "http/parse_test_support.h"

namespace fairlead::http {
namespace {

Fields fields(std::initializer_list<Field> all) {
  Fields made;
  for (const Field& f : all) made.add(f.name, f.value);
  return made;
}

TEST(Fields, NamesAreEqualWhateverTheirCase) {
  const Fields f = fields({{"A", "1"}, {"b", "2"}, {"a", "3"}});
  EXPECT_EQ(f.find("a")->value, "1");
  EXPECT_EQ(f.find("B")->value, "2");
  EXPECT_EQ(f.find("c"), nullptr);
  EXPECT_FALSE(equal_name("a-b", "a_b"));
  EXPECT_FALSE(equal_name("@", "`")) << "only letters have a case";
  EXPECT_FALSE(equal_name("[", "{"));
}

TEST(Fields, EachCharacterOfANameCounts) {
  for (std::size_t size = 1; size < 20; size++) {
    for (std::size_t at = 0; at < size; at++) {
      for (unsigned c = 0; c < 256; c++) {
        for (unsigned d : {c, c ^ 0x20, c ^ 0x80, c + 1, c - 1}) {
          std::string a(size, 'x'), b(size, 'X');
          a[at] = static_cast<char>(c);
          b[at] = static_cast<char>(d);
          ASSERT_EQ(equal_name(a, b), lower(a[at]) == lower(b[at])) << size << " " << at << " " << c << " " << d;
        }
      }
    }
  }
  EXPECT_TRUE(equal_name("", ""));
}

TEST(Fields, SetReplacesAllAtThePlaceOfTheFirst) {
  Fields f = fields({{"x", "0"}, {"A", "1"}, {"b", "2"}, {"a", "3"}});
  f.set("a", "new");
  EXPECT_EQ(lines(f), "x: 0|a: new|b: 2");
  f.set("c", "4");
  EXPECT_EQ(lines(f), "x: 0|a: new|b: 2|c: 4");
  EXPECT_EQ(f.remove("B"), 1u);
  EXPECT_EQ(f.remove("B"), 0u);
  EXPECT_EQ(lines(f), "x: 0|a: new|c: 4");
}

TEST(Fields, TokensOfAList) {
  const Fields f = fields({{"Connection", " Upgrade ,, keep-alive"}, {"connection", "x, \"a, b\", \"c\\\", d\""}});
  for (const char* there : {"upgrade", "KEEP-ALIVE", "x", "\"a, b\""}) EXPECT_TRUE(f.has_token("connection", there)) << there;
  for (const char* not_there : {"", "up", "a", "b", "b\"", "d", "keep", "d\""})
    EXPECT_FALSE(f.has_token("connection", not_there)) << not_there;
}

TEST(HopByHop, GoesAndWhatConnectionNamesGoesToo) {
  Fields f = fields({{"Host", "a"},
                     {"Connection", "X-Hop, close"},
                     {"X-Hop", "1"},
                     {"x-hop", "2"},
                     {"connection", "\tX-Other"},
                     {"X-OTHER", "3"},
                     {"Keep-Alive", "5"},
                     {"Proxy-Connection", "close"},
                     {"TE", "trailers"},
                     {"Trailer", "X"},
                     {"Transfer-Encoding", "chunked"},
                     {"Upgrade", "h2c"},
                     {"HTTP2-Settings", "x"},
                     {"Content-Length", "3"},
                     {"Expect", "100-continue"},
                     {"Accept", "*/*"},
                     {"X-Hop-2", "kept"},
                     {"Close", "kept"}});
  strip_hop_by_hop(f);
  EXPECT_EQ(lines(f), "Accept: */*|X-Hop-2: kept|Close: kept");
}

TEST(HopByHop, WithoutConnectionTheRestStaysAsItIs) {
  Fields f = fields({{"B", "1"}, {"A", "2"}, {"B", "3"}});
  strip_hop_by_hop(f);
  EXPECT_EQ(lines(f), "B: 1|A: 2|B: 3");
}

TEST(Grammar, TextIsSkippedUpToWhatIsNone) {
  // At each place of each length, so that both the words and what is left of one are tried.
  for (std::size_t size = 0; size < 20; size++) {
    const Tight clean(std::string(size, '~'));
    const char* const from = clean.view().data();
    EXPECT_EQ(skip_text(from, from + size), from + size);
    EXPECT_EQ(skip_visible(from, from + size), from + size);
    for (std::size_t at = 0; at < size; at++) {
      for (unsigned c = 0; c < 256; c++) {
        std::string text(size, c % 2 == 0 ? '~' : '!');
        text[at] = static_cast<char>(c);
        const Tight tight(text);
        const char* const begin = tight.view().data();
        const std::size_t in_text = c < 0x20 || c == 0x7f ? at : size;
        const std::size_t visible = c <= 0x20 || c >= 0x7f ? at : size;
        ASSERT_EQ(static_cast<std::size_t>(skip_text(begin, begin + size) - begin), in_text) << size << " " << at << " " << c;
        ASSERT_EQ(static_cast<std::size_t>(skip_visible(begin, begin + size) - begin), visible) << size << " " << at << " " << c;
      }
    }
  }
}

TEST(Grammar, TheFirstOfSeveralIsFound) {
  const std::string text = "abcdef\x7f\x01\x80 \x1f\x7f";
  EXPECT_EQ(skip_text(text.data(), text.data() + text.size()) - text.data(), 6);
  EXPECT_EQ(skip_visible(text.data() + 8, text.data() + text.size()) - text.data(), 8);
}

}  // namespace
}  // namespace fairlead::http
