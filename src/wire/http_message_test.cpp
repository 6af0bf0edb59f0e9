#include "wire/http_message.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "fairlead/v1/http.pb.h"
#include "wire/message.h"

namespace fairlead::wire {
namespace {

namespace pb = fairlead::v1;

http::Request request() {
  http::Request r;
  r.method = "POST";
  r.scheme = "https";
  r.authority = "shop.example:8443";
  r.target = "/cart?item=1";
  r.fields.add("X-B", "2");
  r.fields.add("x-a", "\xe4\xff");
  r.fields.add("X-B", "3");
  r.fields.add("Empty", "");
  r.body = http::BodyLength::exact(12);
  return r;
}

// As a peer could send it: encoded by its own hands.
pb::HttpRequest plain_request() {
  pb::HttpRequest m;
  m.set_method("GET");
  m.set_target("/");
  m.set_authority("a");
  return m;
}
Result<void> decode(const pb::HttpRequest& m) {
  DecodedHttpRequest decoded;
  return decoded.decode(as_bytes(m.SerializeAsString()));
}
Result<void> decode(const pb::HttpResponse& m) {
  DecodedHttpResponse decoded;
  return decoded.decode(as_bytes(m.SerializeAsString()));
}

TEST(HttpMessage, ARequestRoundTrips) {
  const http::Request r = request();
  const HttpService service{.tls = true,
                            .server_name = "inner",
                            .ca_pem = "pem",
                            .proxy_protocol = 2,
                            .connect = 1500ms,
                            .idle = 2s,
                            .response = 1ns,
                            .max_connections = 7};
  const std::string head = encode_http_request(r, service).value();
  DecodedHttpRequest back;
  ASSERT_TRUE(back.decode(as_bytes(head)));
  EXPECT_EQ(back.request.method, r.method);
  EXPECT_EQ(back.request.scheme, r.scheme);
  EXPECT_EQ(back.request.authority, r.authority);
  EXPECT_EQ(back.request.target, r.target);
  EXPECT_TRUE(std::equal(r.fields.begin(), r.fields.end(), back.request.fields.begin(), back.request.fields.end()))
      << "order and case kept";
  EXPECT_EQ(back.request.body, r.body);
  EXPECT_EQ(back.request.upgrade, "");
  EXPECT_FALSE(back.request.expect_continue);
  EXPECT_TRUE(back.service.tls);
  EXPECT_EQ(back.service.server_name, "inner");
  EXPECT_EQ(back.service.ca_pem, "pem");
  EXPECT_EQ(back.service.proxy_protocol, 2u);
  EXPECT_EQ(back.service.connect, 1500ms);
  EXPECT_EQ(back.service.idle, 2s);
  EXPECT_EQ(back.service.response, 1ms) << "rounded up: a limit never becomes none";
  EXPECT_EQ(back.service.max_connections, 7u);

  // The same object again: nothing of the first is left.
  http::Request plain;
  plain.method = "GET";
  plain.target = "*";
  plain.upgrade = "websocket";
  plain.expect_continue = true;
  plain.body = http::BodyLength::unknown();
  const std::string second = encode_http_request(plain, {}).value();
  ASSERT_TRUE(back.decode(as_bytes(second)));
  EXPECT_EQ(back.request.target, "*");
  EXPECT_EQ(back.request.upgrade, "websocket");
  EXPECT_TRUE(back.request.expect_continue);
  EXPECT_TRUE(back.request.fields.empty());
  EXPECT_EQ(back.request.body, plain.body);
  EXPECT_EQ(back.service.ca_pem, "");
  EXPECT_FALSE(back.service.tls);
}

TEST(HttpMessage, ADecodedRequestIsAViewOfItsOwn) {
  DecodedHttpRequest back;
  {
    const std::string head = encode_http_request(request(), {}).value();
    ASSERT_TRUE(back.decode(as_bytes(head)));
  }
  EXPECT_EQ(back.request.fields.find("empty")->name, "Empty") << "what it was decoded from is gone";
}

TEST(HttpMessage, AResponseRoundTrips) {
  http::Response r;
  r.status = 304;
  r.reason = "Nothing New";
  r.fields.add("Set-Cookie", "a=b");
  r.content_length = "99";
  std::string bytes = "before";
  ASSERT_TRUE(encode_http_response(bytes, r, kMaxFrame));
  EXPECT_TRUE(bytes.starts_with("before"));
  DecodedHttpResponse back;
  ASSERT_TRUE(back.decode(as_bytes(bytes).subspan(6)));
  EXPECT_EQ(back.response.status, 304u);
  EXPECT_EQ(back.response.reason, "Nothing New");
  EXPECT_EQ(back.response.content_length, "99");
  EXPECT_EQ(back.response.body, http::BodyLength::none());
  EXPECT_EQ(back.response.fields.size(), 1u);

  r = {};
  r.status = 101;
  r.upgrade = "websocket";
  bytes.clear();
  ASSERT_TRUE(encode_http_response(bytes, r, kMaxFrame));
  ASSERT_TRUE(back.decode(as_bytes(bytes)));
  EXPECT_EQ(back.response.upgrade, "websocket");
  EXPECT_TRUE(back.response.fields.empty());
}

TEST(HttpMessage, TrailersRoundTrip) {
  http::Fields fields;
  fields.add("X-Sum", "1");
  std::string bytes;
  ASSERT_TRUE(encode_http_trailers(bytes, fields, kMaxFrame));
  DecodedHttpTrailers back;
  ASSERT_TRUE(back.decode(as_bytes(bytes)));
  EXPECT_EQ(back.fields.find("x-sum")->value, "1");
}

TEST(HttpMessage, LimitsAreKeptAtTheLimitAndOnePast) {
  http::Request r = request();
  const auto size_with = [&](std::size_t n) {
    std::string value(n, 'v');
    http::Request large = r;
    large.fields.add("Large", value);
    auto head = encode_http_request(large, {});
    return head ? head->size() : 0;
  };
  const std::size_t overhead = size_with(50'000) - 50'000;
  EXPECT_EQ(size_with(kMaxFlowHead - overhead), kMaxFlowHead);
  EXPECT_EQ(size_with(kMaxFlowHead - overhead + 1), 0u);

  http::Response response;
  response.status = 200;
  std::string bytes;
  ASSERT_TRUE(encode_http_response(bytes, response, kMaxFrame));
  const std::size_t size = bytes.size();
  bytes.clear();
  EXPECT_TRUE(encode_http_response(bytes, response, size));
  bytes.clear();
  EXPECT_FALSE(encode_http_response(bytes, response, size - 1));
  EXPECT_EQ(bytes, "") << "nothing is left of what does not fit";

  const std::string too_large(kMaxFrame + 1, '\0');
  DecodedHttpResponse back;
  EXPECT_EQ(back.decode(as_bytes(too_large)).error().code(), Code::too_large);
}

TEST(HttpMessage, ARequestThatNoParserWouldGiveIsRefused) {
  EXPECT_TRUE(decode(plain_request()));
  const auto refused = [](auto change) {
    pb::HttpRequest m = plain_request();
    change(m);
    auto decoded = decode(m);
    return !decoded && decoded.error().code() == Code::invalid;
  };
  for (std::string_view bad : {"", "GE T", "GET\r\n", "G\x01T", "GET "})
    EXPECT_TRUE(refused([&](auto& m) { m.set_method(bad.data(), bad.size()); })) << bad;
  for (std::string_view bad : {"", "a", "/a b", "/a\r\nX: y", "/\t", "http://a/", "**", "/\x7f", "/\xe4"})
    EXPECT_TRUE(refused([&](auto& m) { m.set_target(bad.data(), bad.size()); })) << bad;
  EXPECT_TRUE(refused([](auto& m) { m.set_target(std::string("/\0", 2)); }));
  for (std::string_view bad : {"a b", "a\r\nX: y", "a\n"})
    EXPECT_TRUE(refused([&](auto& m) { m.set_authority(bad.data(), bad.size()); })) << bad;
  for (std::string_view bad : {"ftp", "HTTP", "http\r\n"})
    EXPECT_TRUE(refused([&](auto& m) { m.set_scheme(bad.data(), bad.size()); })) << bad;
  EXPECT_TRUE(refused([](auto& m) { m.set_upgrade("a\r\nX: y"); }));
  EXPECT_TRUE(refused([](auto& m) { m.set_body(static_cast<pb::HttpBody>(3)); }));
  EXPECT_TRUE(refused([](auto& m) { m.mutable_service()->set_proxy_protocol(3); }));
}

TEST(HttpMessage, FieldsThatNoParserWouldGiveAreRefused) {
  const auto allowed = [](std::string_view name, std::string_view value) {
    pb::HttpRequest request = plain_request();
    pb::HttpResponse response;
    response.set_status(200);
    pb::HttpTrailers trailers;
    for (pb::HttpField* f : {request.add_fields(), response.add_fields(), trailers.add_fields()}) {
      f->set_name(name.data(), name.size());
      f->set_value(value.data(), value.size());
    }
    DecodedHttpTrailers decoded;
    const bool ok = decoded.decode(as_bytes(trailers.SerializeAsString())).has_value();
    EXPECT_EQ(decode(request).has_value(), ok) << name;
    EXPECT_EQ(decode(response).has_value(), ok) << name;
    return ok;
  };
  EXPECT_TRUE(allowed("X-Ok", "a\tb \xff"));
  for (std::string_view bad : {"", "a b", "a:", "a\r\n", "\xe4", "(a)"}) EXPECT_FALSE(allowed(bad, "v")) << bad;
  for (std::string_view bad : {"a\r\nb", "a\rb", "a\nb", "\x01", "\x7f"}) EXPECT_FALSE(allowed("X", bad)) << bad;
  EXPECT_FALSE(allowed("X", std::string_view("a\0b", 3)));
  for (std::string_view framing : {"Host", "content-length", "Transfer-Encoding", "CONNECTION", "Keep-Alive", "Proxy-Connection", "TE",
                                   "Trailer", "Upgrade", "expect"})
    EXPECT_FALSE(allowed(framing, "x")) << framing;
}

TEST(HttpMessage, AResponseThatNoParserWouldGiveIsRefused) {
  const auto refused = [](auto change) {
    pb::HttpResponse m;
    m.set_status(200);
    change(m);
    return !decode(m);
  };
  EXPECT_FALSE(refused([](auto&) {}));
  for (std::uint32_t status : {0u, 99u, 1000u, 4'000'000'000u}) EXPECT_TRUE(refused([&](auto& m) { m.set_status(status); })) << status;
  EXPECT_TRUE(refused([](auto& m) { m.set_reason("OK\r\nX: y"); }));
  EXPECT_TRUE(refused([](auto& m) { m.set_status(101); })) << "to what";
  EXPECT_TRUE(refused([](auto& m) { m.set_content_length("1, 2"); }));
  EXPECT_TRUE(refused([](auto& m) { m.set_content_length("123456789012345678901"); }));
  EXPECT_TRUE(refused([](auto& m) { m.set_body(static_cast<pb::HttpBody>(-1)); }));
}

std::string some_text(Random& random, std::string_view letters) {
  std::string text;
  for (std::uint64_t n = random.below(2) * random.below(300); n > 0; n--) text += letters[random.below(letters.size())];
  return text;
}

TEST(HttpMessage, IsOneLanguageWithTheGeneratedClasses) {
  Random random(3);
  for (int i = 0; i < 2000; i++) {
    pb::HttpRequest theirs;
    theirs.set_method("M" + some_text(random, "ABC"));
    theirs.set_target("/" + some_text(random, "abc/%2"));
    theirs.set_authority(some_text(random, "abc.:"));
    theirs.set_scheme(random.below(2) == 0 ? "http" : "https");
    for (std::uint64_t n = random.below(20); n > 0; n--) {
      pb::HttpField* f = theirs.add_fields();
      f->set_name("X" + some_text(random, "abc-"));
      f->set_value(some_text(random, "abc \t\xff"));
    }
    theirs.set_body(static_cast<pb::HttpBody>(random.below(3)));
    if (theirs.body() == pb::HTTP_BODY_EXACT) theirs.set_body_size(random.next() >> random.below(64));
    theirs.set_upgrade(some_text(random, "w"));
    theirs.set_expect_continue(random.below(2) == 0);
    pb::HttpService& service = *theirs.mutable_service();
    service.set_tls(random.below(2) == 0);
    service.set_server_name(some_text(random, "ab."));
    service.set_ca_pem(some_text(random, "PEM\n"));
    service.set_proxy_protocol(static_cast<std::uint32_t>(random.below(3)));
    service.set_connect_ms(static_cast<std::uint32_t>(random.next() >> random.below(64)));
    service.set_response_ms(static_cast<std::uint32_t>(random.below(1000)));

    const std::string bytes = theirs.SerializeAsString();
    DecodedHttpRequest ours;
    ASSERT_TRUE(ours.decode(as_bytes(bytes))) << theirs.DebugString();
    EXPECT_EQ(encode_http_request(ours.request, ours.service).value(), bytes) << theirs.DebugString();
  }
}

// As Protobuf has it: the last one counts, messages are merged, and what is not known is passed over.
TEST(HttpMessage, RepeatedAndUnknownFieldsAreTakenAsProtobufSays) {
  pb::HttpRequest first = plain_request(), second;
  first.mutable_service()->set_server_name("inner");
  second.set_method("PUT");
  second.mutable_service()->set_tls(true);
  std::string bytes = first.SerializeAsString() + second.SerializeAsString();
  bytes += std::string("\xf8\x07\x05", 3) + std::string("\xfa\x07\x02hi", 5) +
           std::string(
               "\xfd\x07"
               "abcd",
               6) +
           std::string(
               "\xf9\x07"
               "abcdefgh",
               10);
  bytes += std::string("\x08\x01", 2);  // the method, as a number
  pb::HttpRequest theirs;
  ASSERT_TRUE(theirs.ParseFromString(bytes));
  DecodedHttpRequest ours;
  ASSERT_TRUE(ours.decode(as_bytes(bytes)));
  EXPECT_EQ(ours.request.method, theirs.method());
  EXPECT_EQ(ours.request.method, "PUT");
  EXPECT_EQ(ours.service.server_name, "inner");
  EXPECT_TRUE(ours.service.tls);
}

TEST(HttpMessage, GarbageNeverDoesMoreThanFail) {
  Random random(1);
  const std::string good = encode_http_request(request(), {.tls = true}).value();
  DecodedHttpRequest decoded_request;
  DecodedHttpResponse decoded_response;
  DecodedHttpTrailers decoded_trailers;
  for (int i = 0; i < 20'000; i++) {
    std::string bad = good.substr(0, random.below(good.size() + 1));
    for (std::uint64_t n = random.below(4); n > 0 && !bad.empty(); n--) bad[random.below(bad.size())] = static_cast<char>(random.next());
    static_cast<void>(decoded_request.decode(as_bytes(bad)));
    static_cast<void>(decoded_response.decode(as_bytes(bad)));
    static_cast<void>(decoded_trailers.decode(as_bytes(bad)));
  }
}

}  // namespace
}  // namespace fairlead::wire
