#include "kube/api_client.h"

#include "kube/api_world.h"

namespace fairlead::kube {
namespace {

using ::testing::HasSubstr;

class ApiClientTest : public ApiWorld {
 protected:
  static ApiRequest get(std::string path = "/api/v1/nodes/edge-a") {
    ApiRequest request;
    request.path = std::move(path);
    request.verb = "get";
    request.resource = "nodes";
    request.name = "edge-a";
    return request;
  }
  Result<std::string> call(ApiRequest request = get()) {
    Task<Result<std::string>> task = client.call(std::move(request));
    return loop.run(std::move(task), 10min);
  }
  void SetUp() override {
    for (FakeApiServer* server : {&first, &second}) server->put(Kind::node, "edge-a", NodeText{.name = "edge-a"});
  }
  void answer(std::string bytes, bool leave_open = false) {
    first.interfere = [=](const FakeApiServer::Asked&) { return FakeApiServer::Raw{.bytes = bytes, .leave_open = leave_open}; };
  }
  Error refused() {
    auto result = call();
    EXPECT_FALSE(result) << *result;
    return result ? Error(Code::internal, "none") : result.error();
  }

  ApiClient client{client_host, load()};
};

TEST_F(ApiClientTest, RequestIsAnsweredAndCarriesTheToken) {
  const auto body = call();
  ASSERT_TRUE(body) << body.error().describe();
  EXPECT_EQ(*body, first.text(Kind::node, "edge-a"));
  ASSERT_EQ(first.asked.size(), 1U);
  EXPECT_EQ(first.asked[0].authorization, "Bearer secret-token");
  EXPECT_EQ(first.asked[0].target, "/api/v1/nodes/edge-a");
}

TEST_F(ApiClientTest, ClientCertificateIsShown) {
  const pki::PrivateKey key = pki::PrivateKey::generate();
  shows = ca.with(ca.ca.issue_edge(NodeName::parse("fairlead").value(), key.public_key(), std::chrono::system_clock::now()).value(), key);
  token.clear();
  ASSERT_TRUE(call());
  EXPECT_THAT(first.asked[0].subject, HasSubstr("CN=system:node:fairlead"));
  EXPECT_EQ(first.asked[0].authorization, "");
}

TEST_F(ApiClientTest, ConnectionIsKeptForTheNextRequest) {
  for (int i = 0; i < 3; i++) ASSERT_TRUE(call());
  EXPECT_EQ(first.connections, 1U);
  loop.run_for(ApiClient::kConnectionAge + 1s);
  ASSERT_TRUE(call());
  EXPECT_EQ(first.connections, 2U) << "the server may have closed it by now";
}

TEST_F(ApiClientTest, KeptConnectionThatBreaksIsReplacedForWhatOnlyReads) {
  ASSERT_TRUE(call());
  int times = 0;
  first.interfere = [&](const FakeApiServer::Asked&) -> std::optional<FakeApiServer::Raw> {
    if (times++ > 0) return std::nullopt;
    return FakeApiServer::Raw{};
  };
  ASSERT_TRUE(call());
  EXPECT_EQ(times, 2);
  times = 0;
  ApiRequest patch = get();
  patch.method = "PATCH";
  patch.verb = "patch";
  patch.body = "{}";
  patch.content = "application/merge-patch+json";
  const auto result = call(std::move(patch));
  ASSERT_FALSE(result) << "it may have been done";
  EXPECT_EQ(result.error().code(), Code::reset);
  EXPECT_EQ(times, 1);
}

TEST_F(ApiClientTest, RefusalSaysWhatIsMissing) {
  const std::string_view status = R"({"kind":"Status","message":"nodes \"edge-a\" is forbidden: User \"x\" cannot"})";
  answer(fmt::format("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{}", status.size(), status));
  const Error error = refused();
  EXPECT_EQ(error.code(), Code::forbidden);
  EXPECT_EQ(
      error.message(),
      "the API server at 192.0.2.1:6443 did not get nodes edge-a: 403 Forbidden: nodes \"edge-a\" is forbidden: User \"x\" cannot; its "
      "role needs the rule {apiGroups: [\"\"], resources: [nodes], verbs: [get]}");
}

TEST_F(ApiClientTest, StatusBecomesACode) {
  const std::pair<int, Code> cases[] = {{400, Code::invalid},     {404, Code::not_found},   {409, Code::exists},
                                        {410, Code::closed},      {422, Code::invalid},     {429, Code::overloaded},
                                        {500, Code::unreachable}, {503, Code::unreachable}, {405, Code::refused}};
  for (const auto& [status, code] : cases) {
    answer(fmt::format("HTTP/1.1 {} X\r\nContent-Length: 5\r\n\r\nsorry", status));
    const Error error = refused();
    EXPECT_EQ(error.code(), code) << status;
    EXPECT_THAT(error.message(), HasSubstr("sorry"));
  }
}

TEST_F(ApiClientTest, TokenIsReadAgainAfterAMinute) {
  ASSERT_TRUE(call());
  token = "second-token";
  ASSERT_TRUE(call());
  EXPECT_EQ(first.asked.back().authorization, "Bearer secret-token");
  loop.run_for(kAccessAge);
  ASSERT_TRUE(call());
  EXPECT_EQ(first.asked.back().authorization, "Bearer second-token");
}

TEST_F(ApiClientTest, TokenThatIsRefusedIsReadAgainSoon) {
  first.interfere = [](const FakeApiServer::Asked& asked) -> std::optional<FakeApiServer::Raw> {
    if (asked.authorization == "Bearer second-token") return std::nullopt;
    return FakeApiServer::Raw{.bytes = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"};
  };
  EXPECT_EQ(refused().code(), Code::unauthenticated);
  token = "second-token";
  EXPECT_EQ(refused().code(), Code::unauthenticated) << "not with each request";
  loop.run_for(ApiClient::kReloadPause);
  EXPECT_TRUE(call());
  EXPECT_EQ(loads, 2);
}

TEST_F(ApiClientTest, AccessThatCannotBeReadAgainStaysAsItWas) {
  ASSERT_TRUE(call());
  load_failure = Error(Code::not_found, "the file is gone");
  loop.run_for(kAccessAge);
  EXPECT_TRUE(call());
}

TEST_F(ApiClientTest, AccessThatCannotBeReadAtAllIsSaid) {
  load_failure = Error(Code::not_found, "there is no kubeconfig");
  EXPECT_THAT(refused().describe(), HasSubstr("there is no kubeconfig"));
}

TEST_F(ApiClientTest, ServerOfAnotherCaIsNotTalkedTo) {
  net::TestCa other;
  FakeApiServer stranger{second_host, {ip("192.0.2.2"), 7443}, tls(other)};
  servers = {{"192.0.2.2", 7443}};
  const Error error = refused();
  EXPECT_EQ(error.code(), Code::unauthenticated);
  EXPECT_THAT(error.describe(), HasSubstr("192.0.2.2:7443"));
  EXPECT_TRUE(stranger.asked.empty());
}

TEST_F(ApiClientTest, ServerThatIsDownIsPassedOverAndThenAskedLast) {
  servers = {{"192.0.2.1", 6443}, {"192.0.2.2", 6443}};
  first.stop();
  ASSERT_TRUE(call());
  EXPECT_EQ(second.asked.size(), 1U);
  first.start();
  loop.run_for(ApiClient::kConnectionAge + 1s);
  ASSERT_TRUE(call());
  EXPECT_EQ(second.asked.size(), 2U) << "it worked last";
  EXPECT_TRUE(first.asked.empty());
}

TEST_F(ApiClientTest, ServerThatTakesNoPacketsIsPassedOverInTime) {
  servers = {{"192.0.2.1", 6443}, {"192.0.2.2", 6443}};
  net.set_up(client_host, first_host, false);
  const TimePoint begun = loop.now();
  ASSERT_TRUE(call());
  EXPECT_LE(loop.now() - begun, ApiClient::kConnectTimeout + 1s);
}

TEST_F(ApiClientTest, ServerThatFailsIsNotAskedFirstAgain) {
  servers = {{"192.0.2.1", 6443}, {"192.0.2.2", 6443}};
  answer("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(refused().code(), Code::unreachable);
  EXPECT_TRUE(call());
  EXPECT_EQ(second.asked.size(), 1U);
}

TEST_F(ApiClientTest, WhenNoServerAnswersEachIsNamed) {
  servers = {{"192.0.2.1", 6443}, {"192.0.2.2", 6443}};
  first.stop();
  second.stop();
  const Error error = refused();
  EXPECT_EQ(error.code(), Code::unreachable);
  EXPECT_THAT(error.describe(), HasSubstr("192.0.2.1:6443: "));
  EXPECT_THAT(error.describe(), HasSubstr("192.0.2.2:6443: "));
}

TEST_F(ApiClientTest, PauseThatAServerAsksForIsKept) {
  answer("HTTP/1.1 429 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(refused().code(), Code::overloaded);
  first.interfere = nullptr;
  const TimePoint begun = loop.now();
  EXPECT_TRUE(call());
  EXPECT_GE(loop.now() - begun, 6s);
  answer("HTTP/1.1 429 X\r\nRetry-After: 99999999\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(refused().code(), Code::overloaded);
  first.interfere = nullptr;
  const TimePoint again = loop.now();
  EXPECT_TRUE(call());
  EXPECT_LE(loop.now() - again, ApiClient::kLongestPause + 1s);
}

TEST_F(ApiClientTest, AnswersOfEachFramingAreReadWhole) {
  const std::string head = "HTTP/1.1 200 OK\r\n";
  for (const char* framed :
       {"Content-Length: 10\r\n\r\n0123456789", "Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n",
        "Connection: close\r\n\r\n0123456789"}) {
    answer(head + framed);
    const auto body = call();
    ASSERT_TRUE(body) << framed << body.error().describe();
    EXPECT_EQ(*body, "0123456789");
  }
  answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(call().value(), "ok");
  first.interfere = [&](const FakeApiServer::Asked&) {
    return FakeApiServer::Raw{.bytes = head + "Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n", .between = 10ms};
  };
  EXPECT_EQ(call().value(), "0123456789") << "byte by byte";
}

TEST_F(ApiClientTest, AnswersThatBreakOffAreNoAnswers) {
  for (const char* bytes : {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n45"}) {
    answer(bytes);
    EXPECT_EQ(refused().code(), Code::reset) << bytes;
  }
  for (const char* bytes : {"not http\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"}) {
    answer(bytes);
    EXPECT_EQ(refused().code(), Code::invalid) << bytes;
  }
}

TEST_F(ApiClientTest, AnswerThatNeverComesIsATimeout) {
  answer("", true);
  EXPECT_EQ(refused().code(), Code::timeout);
  answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234", true);
  EXPECT_EQ(refused().code(), Code::timeout);
}

TEST_F(ApiClientTest, AnswersHaveALimit) {
  const auto sized = [](std::size_t n) { return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", n, std::string(n, 'x')); };
  answer(sized(ApiClient::kMaxBody));
  EXPECT_EQ(call().value().size(), ApiClient::kMaxBody);
  answer(sized(ApiClient::kMaxBody + 1));
  EXPECT_EQ(refused().code(), Code::too_large);
  answer("HTTP/1.1 200 OK\r\nX: " + std::string(64_KiB, 'x') + "\r\n\r\n");
  EXPECT_EQ(refused().code(), Code::invalid);
}

}  // namespace
}  // namespace fairlead::kube
