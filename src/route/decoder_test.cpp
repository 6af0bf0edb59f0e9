#include "route/decoder.h"

#include <gtest/gtest.h>

#include "route/values.h"

namespace fairlead::route {
namespace {

enum class Colour { red, green };

struct Part {
  std::string name;
  Port port;
};
void decode(const Field& f, Part& out) {
  Object o(f);
  o.required("name", out.name);
  o.optional("port", out.port);
}

// One field of each type.
struct Everything {
  bool flag = false;
  std::string text;
  int number = 7;
  std::uint8_t small = 0;
  std::int64_t weight = 1;
  Port port;
  Duration wait = 5s;
  ByteSize size;
  Labels labels;
  std::vector<std::string> list;
  std::vector<Part> parts;
  std::optional<Part> part;
  std::optional<NodeName> node;
  Colour colour = Colour::red;
  net::Cidr cidr;
  net::IpAddress ip;
  net::SocketAddress socket;
  net::HostPort host;
};
void decode(const Field& f, Everything& out) {
  Object o(f);
  o.optional("flag", out.flag);
  o.optional("text", out.text);
  o.optional("number", out.number);
  o.optional("small", out.small);
  o.optional("weight", in_range(out.weight, 0, 10));
  o.optional("port", out.port);
  o.optional("wait", out.wait);
  o.optional("size", out.size);
  o.optional("labels", out.labels);
  o.optional("list", out.list);
  o.optional("parts", list_of(out.parts, 1, 2));
  o.optional("part", out.part);
  o.optional("node", out.node);
  o.optional("colour", one_of(out.colour, {{"red", Colour::red}, {"green", Colour::green}}));
  o.optional("cidr", out.cidr);
  o.optional("ip", out.ip);
  o.optional("socket", out.socket);
  o.optional("host", out.host);
  o.not_supported("healthCheck");
}

std::string problems_of(std::string_view text) {
  Result<Everything> r = decode_config<Everything>("c.yaml", text);
  return r ? "" : r.error().message();
}

TEST(Decoder, ReadsEachTypeAndKeepsDefaults) {
  Result<Everything> r = decode_config<Everything>("c.yaml", R"(
flag: true
text: "80"
small: 255
weight: 0
port: 65535
size: 64KiB
labels: {site: berlin, example.com/tier: "1"}
list: [a, b]
parts: [{name: a, port: 1}, {name: b}]
part: {name: c}
node: edge-a
colour: green
cidr: 10.0.0.0/8
ip: "::1"
socket: 127.0.0.1:80
host: example.com:443
wait: null
)");
  ASSERT_TRUE(r) << r.error().message();
  EXPECT_TRUE(r->flag);
  EXPECT_EQ(r->text, "80");
  EXPECT_EQ(r->number, 7);
  EXPECT_EQ(r->small, 255);
  EXPECT_EQ(r->weight, 0);
  EXPECT_EQ(r->port, Port(65535));
  EXPECT_EQ(r->wait, 5s);
  EXPECT_EQ(r->size, ByteSize(65536));
  EXPECT_EQ(r->labels, (Labels{{"site", "berlin"}, {"example.com/tier", "1"}}));
  EXPECT_EQ(r->list, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(r->parts.size(), 2u);
  EXPECT_EQ(r->part->name, "c");
  EXPECT_EQ(r->node->value(), "edge-a");
  EXPECT_EQ(r->colour, Colour::green);
  EXPECT_EQ(r->cidr.to_text(), "10.0.0.0/8");
  EXPECT_EQ(r->ip.to_text(), "::1");
  EXPECT_EQ(r->socket.port, 80);
  EXPECT_EQ(r->host.host, "example.com");
}

TEST(Decoder, AnEmptyFileIsAllDefaults) {
  EXPECT_EQ(problems_of(""), "");
  EXPECT_EQ(problems_of("# nothing\n"), "");
}

TEST(Decoder, SaysWhatIsWrongWhereAndWhatWasMeant) {
  struct Case {
    const char* text;
    const char* problem;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"port: 70000", "c.yaml:1:7: port: 70000 is not a port (1-65535)"},
           {"port: 0", "c.yaml:1:7: port: 0 is not a port (1-65535)"},
           {"port: -1", "c.yaml:1:7: port: -1 is not a port (1-65535)"},
           {"port: \"80\"", "c.yaml:1:7: port: \"80\" in quotes is text, and a number is needed: write 80"},
           {"port: http", "c.yaml:1:7: port: \"http\" is not a whole number"},
           {"port: 80.0", "c.yaml:1:7: port: 80.0 is not a whole number in decimal digits"},
           {"port: 0x50", "c.yaml:1:7: port: 0x50 is not a whole number in decimal digits"},
           {"port: 080", "c.yaml:1:7: port: 080 begins with 0, which some readers take as octal"},
           {"port: [80]", "c.yaml:1:7: port: a whole number is needed, not a list"},
           {"number: 99999999999999999999", "c.yaml:1:9: number: 99999999999999999999 is too large"},
           {"small: 256", "c.yaml:1:8: small: 256 is not from 0 to 255"},
           {"small: -1", "c.yaml:1:8: small: -1 is not from 0 to 255"},
           {"weight: 11", "c.yaml:1:9: weight: 11 is not from 0 to 10"},
           {"text: 80", "c.yaml:1:7: text: 80 is a number here, and text is needed: write \"80\""},
           {"text: true", "c.yaml:1:7: text: true is true or false here, and text is needed: write \"true\""},
           {"text: {}", "c.yaml:1:7: text: text is needed, not a mapping"},
           {"flag: yes", "c.yaml:1:7: flag: \"yes\" is text; true or false is needed"},
           {"flag: 'true'", "c.yaml:1:7: flag: \"true\" is text; true or false is needed, without quotes"},
           {"flag: 1", "c.yaml:1:7: flag: true or false is needed, not a number"},
           {"wait: 30", "c.yaml:1:7: wait: 30 has no unit: write 30s, or 30ms"},
           {"wait: soon", "c.yaml:1:7: wait: \"soon\" is not a duration like 1h30m"},
           {"size: 10MB", "c.yaml:1:7: size: \"10MB\" is not a size like 512B, 64KiB, 10MiB or 1GiB (1 KiB is 1024 bytes)"},
           {"size: 1.5MiB", "c.yaml:1:7: size: \"1.5MiB\" is not a size"},
           {"labels: {site: 1}", "c.yaml:1:16: labels.site: 1 is a number here, and text is needed: write \"1\""},
           {"labels: {-site: x}", "c.yaml:1:10: labels: \"-site\" is not a label's key"},
           {"labels: {a.b/c: 'x y'}", "c.yaml:1:17: labels.\"a.b/c\": \"x y\" is not a label's value"},
           {"list: a", "c.yaml:1:7: list: a list is needed, not text"},
           {"list: [a, 1]", "c.yaml:1:11: list[1]: 1 is a number here"},
           {"parts: []", "c.yaml:1:8: parts: at least 1 needed, 0 here"},
           {"parts: [{name: a}, {name: b}, {name: c}]", "c.yaml:1:8: parts: at most 2 allowed, 3 here"},
           {"parts:\n- port: 80", "c.yaml:2:3: parts[0]: \"name\" is missing"},
           {"parts:\n- name: ~", "c.yaml:2:3: parts[0]: \"name\" is missing"},
           {"parts:\n- {name: a, prt: 80}", "c.yaml:2:13: parts[0]: unknown key \"prt\"; did you mean \"port\"?"},
           {"Port: 80", "c.yaml:1:1: unknown key \"Port\"; did you mean \"port\"?"},
           {"zzz: 80", "c.yaml:1:1: unknown key \"zzz\""},
           {"colour: gren", "c.yaml:1:9: colour: \"gren\" is none of red, green; did you mean \"green\"?"},
           {"node: Edge", "c.yaml:1:7: node: node name \"Edge\""},
           {"cidr: 300.0.0.0/8", "c.yaml:1:7: cidr: \"300.0.0.0/8\" is not a network"},
           {"ip: \"\\e[2J\"", "c.yaml:1:5: ip: \"\\x1b[2J\" is not an IP address"},
           {"healthCheck: {}", "c.yaml:1:14: healthCheck: not supported by this version"},
           {"[]", "c.yaml:1:1: a mapping is needed, not a list"},
           {"flag: true\n---\nflag: false", "c.yaml:3:1: more than one document"},
       }) {
    std::string said = problems_of(c.text);
    EXPECT_NE(said.find(c.problem), std::string::npos) << c.text << "\n" << said;
    EXPECT_EQ(said.find(c.problem), 0u) << c.text << "\n" << said;
  }
}

TEST(Decoder, TellsAllThatIsWrongInTheOrderOfTheFile) {
  EXPECT_EQ(problems_of("zzz: 1\nport: 0\nflag: 1\nwait: 1\n"),
            "c.yaml:1:1: unknown key \"zzz\"\n"
            "c.yaml:2:7: port: 0 is not a port (1-65535)\n"
            "c.yaml:3:7: flag: true or false is needed, not a number\n"
            "c.yaml:4:7: wait: 1 has no unit: write 1s, or 1ms");
}

TEST(Decoder, TellsAtMostSoMuch) {
  auto bad = [](std::size_t n) {
    std::string text = "list:\n";
    for (std::size_t i = 0; i < n; i++) text += "- 1\n";
    return problems_of(text);
  };
  EXPECT_EQ(bad(Problems::kMaxPerFile).find("not shown"), std::string::npos);
  std::string said = bad(Problems::kMaxPerFile + 1);
  EXPECT_TRUE(said.ends_with("\nc.yaml: 1 more are not shown")) << said;
}

TEST(Values, DurationsAreThoseOfGep2257) {
  struct Case {
    const char* text;
    Duration d;
  };
  for (const Case& c : std::initializer_list<Case>{{"0s", 0s},
                                                   {"1h", 1h},
                                                   {"1h30m", 90min},
                                                   {"10s500ms", 10'500ms},
                                                   {"500ms", 500ms},
                                                   {"99999h", 99999h},
                                                   {"2h5m", 125min},
                                                   {"1m1s", 61s}})
    EXPECT_EQ(parse_duration(c.text).value(), c.d) << c.text;
  for (const char* bad : {"", "1", "h", "1.5h", "-1h", "1 h", "100000s", "1h1m1s1ms1ms", "1d", "1us", "1ns", "1H", "1h ", "1hm"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
  EXPECT_EQ(parse_duration("1d12h", Durations::config).value(), 36h);
  EXPECT_EQ(parse_duration("250us", Durations::config).value(), 250us);
  for (Duration d : {0ns, Duration(90min), Duration(10'500ms), Duration(250us)})
    EXPECT_EQ(parse_duration(to_manifest_text(d), Durations::config).value(), d) << to_manifest_text(d);
}

TEST(Values, SizesArePowersOfTwo) {
  struct Case {
    const char* text;
    std::uint64_t bytes;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"0", 0}, {"1", 1}, {"512B", 512}, {"64KiB", 65536}, {"10MiB", 10485760}, {"1GiB", 1073741824}, {"2TiB", 2199023255552}})
    EXPECT_EQ(parse_byte_size(c.text).value(), ByteSize(c.bytes)) << c.text;
  for (const char* bad : {"", "B", "KiB", "1KB", "1K", "1Ki", "1 KiB", "-1B", "1.5KiB", "1kib", "18446744073709551616", "16777216TiB"})
    EXPECT_FALSE(parse_byte_size(bad)) << bad;
  EXPECT_EQ(parse_byte_size("16777215TiB").value().value(), 16777215ull << 40);
  EXPECT_EQ(to_manifest_text(ByteSize(65536)), "64KiB");
  EXPECT_EQ(to_manifest_text(ByteSize(1000)), "1000B");
}

TEST(Values, NamesAreThoseOfKubernetes) {
  EXPECT_TRUE(check_dns_label(std::string(63, 'a')));
  EXPECT_FALSE(check_dns_label(std::string(64, 'a')));
  for (const char* bad : {"", "-a", "a-", "a.b", "A"}) EXPECT_FALSE(check_dns_label(bad)) << bad;
  EXPECT_TRUE(check_dns_subdomain(std::string(253, 'a')));
  EXPECT_FALSE(check_dns_subdomain(std::string(254, 'a')));
  for (const char* bad : {"", ".", "a.", ".a", "a..b", "a.-b", "A"}) EXPECT_FALSE(check_dns_subdomain(bad)) << bad;
  for (const char* good : {"a", "a-b", "a.b/C_d", "A.b"}) EXPECT_TRUE(check_label_key(good)) << good;
  for (const char* bad : {"", "/a", "a/", "a/b/c", "-a", "A.B/c"}) EXPECT_FALSE(check_label_key(bad)) << bad;
  EXPECT_TRUE(check_label_value(""));
  EXPECT_TRUE(check_label_value(std::string(63, 'a')));
  EXPECT_FALSE(check_label_value(std::string(64, 'a')));
}

TEST(Values, ASelectorWantsEachOfItsLabels) {
  const Labels labels{{"a", "1"}, {"b", "2"}};
  EXPECT_TRUE(matches({}, labels));
  EXPECT_TRUE(matches({{"a", "1"}}, labels));
  EXPECT_FALSE(matches({{"a", "2"}}, labels));
  EXPECT_FALSE(matches({{"a", "1"}, {"c", "3"}}, labels));
}

}  // namespace
}  // namespace fairlead::route
