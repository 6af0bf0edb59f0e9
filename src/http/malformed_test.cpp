// Each case of malformed.txt, at once and byte by byte.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "http/parse_test_support.h"

namespace fairlead::http {
namespace {

struct Case {
  std::string name, kind, refusal, bytes;
};

std::string unescape(std::string_view text) {
  std::string made;
  for (std::size_t i = 0; i < text.size(); i++) {
    if (text[i] != '\\') {
      made += text[i];
      continue;
    }
    switch (const char c = text.at(++i)) {
      case 'r': made += '\r'; break;
      case 'n': made += '\n'; break;
      case 't': made += '\t'; break;
      case '0': made += '\0'; break;
      case '\\': made += '\\'; break;
      case 'x':
        made += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
        break;
      case '{': {
        const std::size_t star = text.find('*', i), end = text.find('}', i);
        const std::string once = unescape(text.substr(star + 1, end - star - 1));
        for (int n = std::stoi(std::string(text.substr(i + 1, star - i - 1))); n > 0; n--) made += once;
        i = end;
        break;
      }
      default: ADD_FAILURE() << "no escape: \\" << c << " in " << text;
    }
  }
  return made;
}

std::vector<Case> cases() {
  std::ifstream file(FAIRLEAD_SOURCE_DIR "/src/http/malformed.txt");
  std::vector<Case> all;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> column;
    std::string_view rest = line;
    for (int i = 0; i < 4; i++) {
      column.emplace_back(rest.substr(0, rest.find(' ')));
      rest.remove_prefix(std::min(column.back().size() + 1, rest.size()));
    }
    all.push_back({column[0], column[1], column[2] + " " + column[3], unescape(rest)});
  }
  return all;
}

// How it was refused, and after how many bytes: each case ends with the byte that must not be taken.
struct Outcome {
  std::string refusal;
  std::size_t after;
};
Outcome read(const Case& c) {
  if (c.kind == "request") {
    const RequestSeen seen = read_request(c.bytes);
    return {seen.refused, seen.after};
  }
  if (c.kind == "response") {
    const ResponseSeen seen = read_response(c.bytes);
    return {seen.refused, seen.after};
  }
  const std::string before = c.kind == "trailers" ? "0\r\n" : "";
  const ChunksSeen seen = read_chunks(before + c.bytes);
  return {seen.refused, seen.after - before.size()};
}

TEST(Malformed, EachCaseIsRefusedAsItIsWritten) {
  std::set<std::string> names;
  std::map<std::string, int> kinds;
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    EXPECT_TRUE(names.insert(c.name).second) << "there are two of this name";
    ASSERT_TRUE(c.kind == "request" || c.kind == "response" || c.kind == "chunked" || c.kind == "trailers") << c.kind;
    EXPECT_EQ(read(c).refusal, c.refusal);
    kinds[c.kind]++;
  }
  EXPECT_GE(names.size(), 500u);
  EXPECT_EQ(kinds.size(), 4u);
}

// A reader that waits for more holds the connection, and perhaps a request that another one sees.
TEST(Malformed, NothingBehindABadByteIsWaitedFor) {
  const std::set<std::string> at_once = {"bare-lf",       "bare-cr",         "folded-line",     "control-character",
                                         "space-in-name", "bad-field-name",  "too-many-fields", "chunk-size",
                                         "chunk-end",     "chunk-extension", "empty-line",      "no-colon"};
  for (const Case& c : cases()) {
    const std::string code = c.refusal.substr(4);
    if (!at_once.contains(code) || c.bytes.empty()) continue;
    // Without its last byte it is still good, or was refused before for the same reason: nothing depends on what comes later.
    const Outcome outcome = read(c);
    for (const char* tail : {"\r\n", "\r\n\r\n", "x", "\n", " "}) {
      Case longer = c;
      longer.bytes += tail;
      const Outcome again = read(longer);
      EXPECT_EQ(again.refusal, c.refusal) << c.name;
      EXPECT_EQ(again.after, outcome.after) << c.name;
    }
  }
}

TEST(Malformed, EachCodeIsInTheDocumentation) {
  std::ifstream file(FAIRLEAD_SOURCE_DIR "/docs/HTTP.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  for (const Case& c : cases()) EXPECT_NE(text.find("`" + c.refusal.substr(4) + "`"), text.npos) << c.refusal;
}

}  // namespace
}  // namespace fairlead::http
