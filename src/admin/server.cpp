#include "admin/server.h"

#include <array>
#include <variant>

#include "base/log.h"
#include "runtime/timer.h"

namespace fairlead::admin {
namespace {

constexpr Duration kAcceptPause = 100ms;  // when the process is out of descriptors
constexpr Duration kLinger = 1s;          // for the peer to take the last answer before its connection is closed

using Received = std::variant<ParsedRequest, BadRequest>;

// Adds bytes to `text` until a request, or what can be none, is at its front.
Task<Result<Received>> read_request(net::Stream& stream, std::string& text) {
  std::array<std::byte, 2048> piece;
  for (;;) {
    auto parsed = parse_request(text);
    if (!parsed) co_return Received(std::move(parsed).error());
    if (*parsed) co_return Received(**std::move(parsed));
    auto got = co_await stream.read(piece);
    if (!got) co_return fail(std::move(got).error());
    if (*got == 0) co_return fail(Code::closed, "the peer is done");
    text += as_text(Bytes(piece).first(*got));
  }
}

Task<Result<void>> read_to_end(net::Stream& stream) {
  std::array<std::byte, 2048> piece;
  for (;;) {
    auto got = co_await stream.read(piece);
    if (!got) co_return fail(std::move(got).error());
    if (*got == 0) co_return Result<void>{};
  }
}

struct Counted {
  std::size_t& count;
  WaitQueue& closed;
  Counted(std::size_t& c, WaitQueue& w) : count(c), closed(w) { count++; }
  ~Counted() {
    count--;
    closed.wake_one();
  }
};

}  // namespace

Server::Server(net::Network& network, Pages& pages, ServerLimits limits)
    : network_(network), pages_(pages), limits_(limits), closed_(network.loop()), tasks_(network.loop()) {}

void Server::listen(std::unique_ptr<net::Listener> listener) { tasks_.spawn(accept(std::move(listener))); }

Task<void> Server::accept(std::unique_ptr<net::Listener> listener) {
  for (;;) {
    while (connections_ >= limits_.connections) co_await closed_.wait();
    auto incoming = co_await listener->accept();
    if (incoming) {
      tasks_.spawn(serve(network_.adopt(*std::move(incoming))));
      co_await network_.loop().yield();  // until serve() has counted itself
    } else if (incoming.error().code() == Code::overloaded) {
      co_await network_.loop().sleep(kAcceptPause);
    } else {
      log::error("admin", "the listener ended: {}", incoming.error());
      co_return;
    }
  }
}

Task<void> Server::serve(std::unique_ptr<net::Stream> stream) {
  Counted counted(connections_, closed_);
  co_await answer_all(*stream);
  // A connection that is closed with bytes unread is reset, and the peer may lose the answer: let it read first.
  if (!stream->shut()) co_return;
  const TimePoint until = network_.loop().now() + kLinger;
  auto ended = co_await with_deadline<void>(network_.loop(), until, "end", read_to_end(*stream));
  static_cast<void>(ended);
}

Task<void> Server::answer_all(net::Stream& stream) {
  Loop& loop = network_.loop();
  std::string text;
  for (;;) {
    const TimePoint due = loop.now() + limits_.head;
    auto read = co_await with_deadline<Received>(loop, due, "read a request", read_request(stream, text));
    if (!read) {
      if (read.error().code() != Code::timeout || text.empty()) co_return;
      read = BadRequest{408, "the request did not come in time"};
    }
    if (const BadRequest* bad = std::get_if<BadRequest>(&*read)) {
      const Response refusal{.status = bad->status, .body = bad->message + "\n"};
      const std::string answer = format_response(refusal, false, false);
      auto written = co_await write(stream, answer);
      static_cast<void>(written);
      co_return;
    }
    auto& [request, size] = std::get<ParsedRequest>(*read);
    text.erase(0, size);
    const bool head = request.head, keep = request.keep_alive;
    auto response = co_await pages_.get(std::move(request));
    const std::string answer = format_response(response, head, keep);
    auto written = co_await write(stream, answer);
    if (!written || !keep) co_return;
  }
}

Task<Result<void>> Server::write(net::Stream& stream, const std::string& text) {
  const Bytes bytes = as_bytes(text);
  auto written = co_await with_deadline<void>(network_.loop(), network_.loop().now() + limits_.answer, "answer", stream.write(bytes));
  co_return written;
}

}  // namespace fairlead::admin
