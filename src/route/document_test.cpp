#include "route/document.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace fairlead::route {
namespace {

struct Parsed {
  std::vector<Node> documents;
  std::string problems;
};

Parsed parse(std::string_view text, Format format = Format::yaml) {
  Problems problems("f");
  Parsed p;
  p.documents = parse_document(text, format, problems);
  p.problems = to_text(problems.take());
  return p;
}

// A tree in one line: mappings {k:v}, sequences [a,b], strings "s" or 's' (unquoted), numbers #n, booleans, ~.
std::string show(const Node& n) {
  std::string s;
  switch (n.kind) {
    case Node::Kind::null: return "~";
    case Node::Kind::boolean: return n.text;
    case Node::Kind::number: return "#" + n.text;
    case Node::Kind::string: return n.quoted ? "\"" + n.text + "\"" : "'" + n.text + "'";
    case Node::Kind::sequence:
      for (const Node& i : n.items) s += (s.empty() ? "" : ",") + show(i);
      return "[" + s + "]";
    case Node::Kind::mapping:
      for (const Member& m : n.members) s += (s.empty() ? "" : ",") + m.name + ":" + show(m.value);
      return "{" + s + "}";
  }
  return s;
}

std::string show(const std::vector<Node>& documents) {
  std::string s;
  for (const Node& n : documents) s += (s.empty() ? "" : " ") + show(n);
  return s;
}

TEST(Document, YamlBecomesATreeByTheCoreSchema) {
  struct Case {
    const char* text;
    const char* tree;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"a: 1\nb: '2'\nc: \"3\"\n", "{a:#1,b:\"2\",c:\"3\"}"},
           {"a: x\nb: [1, y]\nc: {d: e}\n", "{a:'x',b:[#1,'y'],c:{d:'e'}}"},
           {"a: true\nb: False\nc: yes\nd: no\ne: on\n", "{a:true,b:false,c:'yes',d:'no',e:'on'}"},
           {"a: ~\nb: null\nc:\nd: \"null\"\n", "{a:~,b:~,c:~,d:\"null\"}"},
           {"a: -1\nb: +1.5e3\nc: .5\nd: 0x1f\ne: 0o7\nf: .inf\n", "{a:#-1,b:#+1.5e3,c:#.5,d:#0x1f,e:#0o7,f:#.inf}"},
           {"a: 1h30m\nb: 1.2.3.4\nc: 10.0.0.0/8\nd: 1_000\ne: 1:30\nf: e5\n",
            "{a:'1h30m',b:'1.2.3.4',c:'10.0.0.0/8',d:'1_000',e:'1:30',f:'e5'}"},
           {"a: !!str 80\nb: ! 80\nc: !!int 80\nd: !!map {e: !!seq []}\n", "{a:\"80\",b:\"80\",c:#80,d:{e:[]}}"},
           {"a: |\n  x\n  y\nb: >-\n  z\n  z\n", "{a:\"x\ny\n\",b:\"z z\"}"},
           {"80: a\ntrue: b\n", "{80:'a',true:'b'}"},
           {"a: http://x:80/#y\nb: c # d\n", "{a:'http://x:80/#y',b:'c'}"},
           {"a: 1\r\nb:\r\n- c\r\n", "{a:#1,b:['c']}"},
           {"\xef\xbb\xbf"
            "a: \xc3\xa4\n",
            "{a:'\xc3\xa4'}"},
           {"", ""},
           {"# nothing\n", ""},
           {"---\n---\n# only this\n---\na: 1\n...\n", "{a:#1}"},
           {"a: 1\n---\nb: 2\n--- c\n", "{a:#1} {b:#2} 'c'"},
           {"a: 1\n...\n# x\n\nb: 2\n", "{a:#1} {b:#2}"},
           {"%YAML 1.2\n---\na: 1\n...\n%YAML 1.2\n---\nb: 2\n", "{a:#1} {b:#2}"},
           {"a: 'it''s'\nb: \"\\\"\"\n", "{a:\"it's\",b:\"\"\"}"},
       }) {
    Parsed p = parse(c.text);
    EXPECT_EQ(p.problems, "") << c.text;
    EXPECT_EQ(show(p.documents), c.tree) << c.text;
  }
}

TEST(Document, WhatTwoReadersCouldTakeDifferentlyIsRefusedWithItsPlace) {
  struct Case {
    const char* text;
    const char* problem;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "f:5:3: b: the key \"c\" is here twice; the other one is in line 3"},
           {"a: 1\n'a': 2\n", "f:2:1: the key \"a\" is here twice; the other one is in line 1"},
           {"l:\n- {x: 1, x: 2}\n", "f:2:10: l[0]: the key \"x\" is here twice; the other one is in line 2"},
           {"a: &x 1\n", "f:1:4: a: anchors (&name) are not allowed"},
           {"a: &x {b: *x}\n", "f:1:11: a.b: aliases (*name) are not allowed"},
           {"a:\n  <<: {b: 1}\n", "f:2:3: a: merge keys (<<) are not allowed"},
           {"a: !Ref b\n", "f:1:4: a: the tag \"!Ref\" does not fit here"},
           {"a: !!int x\n", "f:1:4: a: the tag \"tag:yaml.org,2002:int\" does not fit here"},
           {"a: !!binary aGk=\n", "the tag \"tag:yaml.org,2002:binary\" does not fit here"},
           {"a: !!str {b: 1}\n", "does not fit here"},
           {"? [a, b]\n: 1\n", "f:1:3: a key must be text, not a list or a mapping"},
           {"~: 1\n", "a key must be text, not null"},
           {"a:\n\tb: 1\n", "f:2:3: not valid YAML: a tab in the indentation of line 2; use spaces"},
           {"a: b: c\n", "f:1:5: not valid YAML: a key cannot stand here"},
           {"a: 1\n b: 2\n", "f:2:3: not valid YAML: a key cannot stand here"},
           {"a: @x\n", "f:1:4: not valid YAML: no value can begin with this character; put it in quotes"},
           {"a: [1, 2\nb: 3\n", "not valid YAML: end of sequence flow not found"},
           {"a: 1\n]\n", "f:2:1: not valid YAML: illegal flow end"},
           {"a: \"x\n", "f:1:4: the quoted text that begins here does not end"},
           {"a: b\nc: 'x''\n", "f:2:4: the quoted text that begins here does not end"},
           {"a: !!str \"x\\\"\n", "f:1:4: the quoted text that begins here does not end"},
           {"a: \"\\0\"\n", "f:1:4: a: a NUL character in a text"},
           {"{a: 1}{b: 2}\n", "f:1:7: more text after the end of the document"},
           {"\"a\" \"b\"\n", "more text after the end of the document"},
           {",\n", "more text after the end of the document"},
           {"a: 1\n...\n,\n", "more text after the end of the document"},
           {"{},{}\n", "more text after the end of the document"},
       }) {
    Parsed p = parse(c.text);
    EXPECT_NE(p.problems.find(c.problem), std::string::npos) << c.text << p.problems;
  }
}

TEST(Document, BytesThatAreNoTextAreRefused) {
  struct Case {
    std::string text;
    const char* problem;
  };
  for (Format format : {Format::yaml, Format::json})
    for (const Case& c : std::initializer_list<Case>{
             {std::string("a: b\nc: \0d", 10), "f:2:4: a NUL character"},
             {"a: \x01", "f:1:4: a control character (0x01)"},
             {"a: \x7f", "f:1:4: a control character (0x7f)"},
             {"a: 1\rb: 2", "f:1:5: a carriage return without a line feed"},
             {"a: \xff", "f:1:4: the byte 0xff is not UTF-8 here"},
             {"a: \xc0\xaf", "f:1:4: the byte 0xc0 is not UTF-8 here"},      // an overlong "/"
             {"a: \xed\xa0\x80", "f:1:4: the byte 0xed is not UTF-8 here"},  // half of a surrogate pair
             {"a: \xf4\x90\x80\x80", "f:1:4: the byte 0xf4 is not UTF-8 here"},
             {"a: \xe2\x82", "f:1:4: the byte 0xe2 is not UTF-8 here"},  // cut short
             {std::string("\xff\xfe"
                          "a\0",
                          4),
              "f:1:1: this is UTF-16"},
         })
      EXPECT_EQ(parse(c.text, format).problems.find(c.problem), 0u) << c.problem << "\n" << parse(c.text, format).problems;
}

TEST(Document, AnAliasBombIsRefusedWhereItBegins) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; i++) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; k++) bomb += (k > 0 ? ",*a" : "*a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  Parsed p = parse(bomb);
  EXPECT_EQ(p.problems.find("f:1:5: a0: anchors (&name) are not allowed"), 0u) << p.problems;
  EXPECT_NE(p.problems.find("more are not shown"), std::string::npos);
  EXPECT_EQ(std::count(p.problems.begin(), p.problems.end(), '\n'), static_cast<long>(Problems::kMaxPerFile) + 1);
}

TEST(Document, JsonBecomesTheSameTree) {
  Parsed p = parse("{\"a\": 1, \"b\": [true, null, \"x\"],\n \"c\": {\"d\": -1.5e3}, \"e\": \"\\u00e4\\n\"}", Format::json);
  EXPECT_EQ(p.problems, "");
  EXPECT_EQ(show(p.documents), "{a:#1,b:[true,~,\"x\"],c:{d:#-1.5e3},e:\"\xc3\xa4\n\"}");
  EXPECT_EQ(p.documents[0].members[2].at, (Position{2, 3}));
  EXPECT_EQ(show(parse("{\"n\": 123456789012345678901234567890}", Format::json).documents), "{n:#123456789012345678901234567890}");
}

TEST(Document, JsonIsStrict) {
  struct Case {
    const char* text;
    const char* problem;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"", "not valid JSON"},
           {"{", "not valid JSON"},
           {"{\"a\": 1,}", "f:1:9: not valid JSON"},
           {"{\"a\": 1} {}", "f:1:10: not valid JSON"},
           {"{\"a\": 1 /* x */}", "not valid JSON"},
           {"{a: 1}", "not valid JSON"},
           {"{\"a\": 01}", "not valid JSON"},
           {"{\"a\": \"\\ud800\"}", "not valid JSON"},
           {"{\"a\": NaN}", "not valid JSON"},
           {"{\"a\":\n 1, \"b\": 2,\n \"a\": 3}", "f:3:3: the key \"a\" is here twice; the other one is in line 1"},
           {"{\"a\": \"\\u0000\"}", "a NUL character in a text"},
       }) {
    Parsed p = parse(c.text, Format::json);
    EXPECT_NE(p.problems.find(c.problem), std::string::npos) << c.text << p.problems;
  }
}

std::string repeat(std::string_view piece, std::size_t times) {
  std::string s;
  for (std::size_t i = 0; i < times; i++) s += piece;
  return s;
}

TEST(Document, DepthIsLimited) {
  for (Format format : {Format::yaml, Format::json}) {
    EXPECT_EQ(parse(repeat("[", kMaxDepth) + repeat("]", kMaxDepth), format).problems, "");
    EXPECT_NE(parse(repeat("[", kMaxDepth + 1) + repeat("]", kMaxDepth + 1), format).problems.find("more than 64 levels deep"),
              std::string::npos);
    EXPECT_NE(parse(repeat("[", 1000) + repeat("]", 1000), format).problems.find("more than 64 levels deep"), std::string::npos);
    EXPECT_NE(parse(repeat("[", 100'000), format).problems, "");
  }
  EXPECT_NE(parse(repeat("- ", 1000) + "x").problems.find("more than 64 levels deep"), std::string::npos);
}

TEST(Document, SizeIsLimited) {
  std::string text = "# " + std::string(kMaxFileBytes - 2, 'x');
  EXPECT_EQ(parse(text).problems, "");
  EXPECT_EQ(parse(text + "x").problems, "f: 16777217 bytes; at most 16777216 are read\n");
}

TEST(Document, TheNumberOfValuesIsLimited) {
  std::string text = "[" + repeat("1,", kMaxNodes - 2) + "1]";
  EXPECT_EQ(parse(text, Format::json).problems, "");
  EXPECT_NE(parse("[" + repeat("1,", kMaxNodes - 1) + "1]", Format::json).problems.find("more than 1000000 values in one file"),
            std::string::npos);
}

TEST(Document, AFileOfTenMegabytesIsRead) {
  const std::string line = "- {name: a-name-of-some-length, value: " + std::string(100, 'v') + "}\n";
  Parsed p = parse(repeat(line, 10'000'000 / line.size()));
  EXPECT_EQ(p.problems, "");
  EXPECT_EQ(p.documents[0].items.size(), 10'000'000 / line.size());
}

TEST(Document, AMappingOfManyKeysIsCheckedForDuplicatesInGoodTime) {
  std::string text;
  for (int i = 0; i < 200'000; i++) text += "k" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(parse(text + "k7: 2\n").problems, "f:200001:1: the key \"k7\" is here twice; the other one is in line 8\n");
}

TEST(Document, ThePlaceOfEveryValueIsKept) {
  Parsed p = parse("kind: x\nspec:\n  ports:\n  - 80\n");
  const Node& ports = p.documents[0].members[1].value.members[0].value;
  EXPECT_EQ(ports.items[0].at, (Position{4, 5}));
  EXPECT_EQ(p.documents[0].members[1].at, (Position{2, 1}));
}

TEST(Problem, TextFromAFileCannotSteerATerminal) {
  EXPECT_EQ(shown("a\x1b[31m\"\\"), "\"a\\x1b[31m\\\"\\\\\"");
  EXPECT_EQ(shown("\xc2\x9b"
                  "31m"),
            "\"\\x9b31m\"");
  EXPECT_EQ(shown(std::string(kMaxShown, 'a')), "\"" + std::string(kMaxShown, 'a') + "\"");
  EXPECT_EQ(shown(std::string(kMaxShown + 1, 'a')), "\"" + std::string(kMaxShown, 'a') + "\"...");
  EXPECT_EQ(shown(std::string(kMaxShown - 1, 'a') + "\xc3\xa4"), "\"" + std::string(kMaxShown - 1, 'a') + "\"...");
}

TEST(Problem, AReportForMachinesIsJson) {
  Problems problems("a.yaml");
  problems.add(Severity::error, {1, 2}, "spec", "bad");
  problems.add(Severity::warning, {}, "", "odd");
  EXPECT_EQ(to_json(problems.take()), R"({"valid":false,"problems":[{"severity":"warning","file":"a.yaml","message":"odd"},)"
                                      R"({"severity":"error","file":"a.yaml","line":1,"column":2,"field":"spec","message":"bad"}]})");
}

}  // namespace
}  // namespace fairlead::route
