#include "admin/server.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "admin/client.h"
#include "net/real_network.h"
#include "net/unix_socket.h"
#include "runtime/timer.h"

namespace fairlead::admin {
namespace {

class EchoPages final : public Pages {
 public:
  Task<Response> get(Request request) override {
    Response response;
    response.body = request.path + "?" + request.query;
    if (request.path == "/missing") response.status = 404;
    co_return response;
  }
};

std::string fresh_folder() {
  std::string folder = testing::TempDir() + "/fairlead-admin-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp");
  return folder;
}

// A server on a UNIX socket; its loop runs in run().
class AdminServer : public testing::Test {
 protected:
  void SetUp() override { start({}); }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  void start(ServerLimits limits) {
    server_.reset();
    server_ = std::make_unique<Server>(network_, pages_, limits);
    server_->listen(net::listen_unix(loop_, path_).value());
  }

  // All that comes back for `request`, to the end of the connection.
  std::string answer_to(std::string request) {
    std::string answer;
    loop_.run(ask(std::move(request), answer));
    return answer;
  }
  std::unique_ptr<net::Stream> connect() { return net::connect_unix(loop_, path_).value(); }
  Task<void> ask(std::string request, std::string& answer) {
    auto stream = connect();
    const Bytes bytes = as_bytes(request);
    auto written = co_await stream->write(bytes);
    EXPECT_TRUE(written);
    co_await read_all(*stream, answer);
  }
  static Task<void> read_all(net::Stream& stream, std::string& answer) {
    std::array<std::byte, 512> piece;
    for (;;) {
      auto got = co_await stream.read(piece);
      if (!got || *got == 0) co_return;
      answer += as_text(Bytes(piece).first(*got));
    }
  }

  AsioLoop loop_;
  net::RealNetwork network_{loop_};
  EchoPages pages_;
  std::string folder_ = fresh_folder();
  std::string path_ = folder_ + "/admin.sock";
  std::unique_ptr<Server> server_;
};

TEST_F(AdminServer, RequestsOfOneConnectionAreAnsweredInOrder) {
  const std::string answer = answer_to(
      "GET /a HTTP/1.1\r\nHost: x\r\n\r\nHEAD /b HTTP/1.1\r\nHost: x\r\n\r\n"
      "GET /missing?c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(answer.find("\r\n\r\n/a?HTTP/1.1 200"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n/missing?c")) << answer;
}

TEST_F(AdminServer, BadRequestIsAnsweredAndEndsTheConnection) {
  const std::string answer = answer_to("GET /a HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(answer.find("HTTP/1.1 400 "), std::string::npos);
  EXPECT_EQ(answer.find("/b?"), std::string::npos);
}

TEST_F(AdminServer, PeerThatSendsHalfAHeadIsToldAndLeftAfterTheTimeOut) {
  start({.head = 50ms});
  EXPECT_TRUE(answer_to("GET /a HT").starts_with("HTTP/1.1 408 "));
  EXPECT_EQ(answer_to(""), "");
}

Task<void> hold_and_ask_one_more(AdminServer&, Loop& loop, Server& server, std::vector<std::unique_ptr<net::Stream>>& held,
                                 net::Stream& more, std::string& answer) {
  const Bytes request = as_bytes("GET /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  auto written = co_await more.write(request);
  EXPECT_TRUE(written);
  while (server.connections() < held.size()) co_await loop.sleep(1ms);
  EXPECT_EQ(server.connections(), held.size());
  held.pop_back();
  std::array<std::byte, 512> piece;
  auto got = co_await more.read(piece);
  if (got) answer = as_text(Bytes(piece).first(*got));
}

TEST_F(AdminServer, ConnectionAboveTheLimitWaitsUntilAnotherEnds) {
  start({.connections = 2});
  std::vector<std::unique_ptr<net::Stream>> held;
  held.push_back(connect());
  held.push_back(connect());
  auto more = connect();
  std::string answer;
  loop_.run(hold_and_ask_one_more(*this, loop_, *server_, held, *more, answer));
  EXPECT_NE(answer.find("/late?"), std::string::npos) << answer;
}

TEST_F(AdminServer, ClientGetsTheAnswerAndKnowsWhenNothingRuns) {
  std::thread client([this] {
    const auto answer = get(path_, "/v1/status?x");
    EXPECT_TRUE(answer);
    if (answer) EXPECT_EQ(answer->body, "/v1/status?x");
    const auto missing = get(path_, "/missing");
    EXPECT_TRUE(missing && missing->status == 404);
    loop_.stop();
  });
  loop_.run();
  client.join();
  server_.reset();
  const auto gone = get(path_, "/");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), Code::not_found);
}

}  // namespace
}  // namespace fairlead::admin
