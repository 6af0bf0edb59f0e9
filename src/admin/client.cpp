#include "admin/client.h"

#include <optional>

#include "net/unix_socket.h"
#include "runtime/timer.h"

namespace fairlead::admin {
namespace {

Task<Result<std::string>> exchange(net::Stream& stream, const std::string& request) {
  const Bytes bytes = as_bytes(request);
  auto written = co_await stream.write(bytes);
  if (!written) co_return fail(std::move(written).error());
  std::string answer;
  std::array<std::byte, 16384> piece;
  for (;;) {
    auto got = co_await stream.read(piece);
    if (!got) co_return fail(std::move(got).error());
    if (*got == 0) co_return answer;
    answer += as_text(Bytes(piece).first(*got));
    if (answer.size() > kMaxAnswer) co_return fail(Code::too_large, "the answer is longer than {} bytes", kMaxAnswer);
  }
}

Task<void> store(Task<Result<std::string>> task, std::optional<Result<std::string>>& into) {
  auto value = co_await task;
  into.emplace(std::move(value));
}

}  // namespace

Result<Response> get(const std::string& socket_path, std::string_view target, Duration limit) {
  AsioLoop loop;
  TRY_ASSIGN(auto stream, net::connect_unix(loop, socket_path));
  const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
  std::optional<Result<std::string>> answer;
  loop.run(store(with_deadline<std::string>(loop, loop.now() + limit, socket_path, exchange(*stream, request)), answer));
  if (!*answer) return fail(std::move(*answer).error());
  return parse_response(**answer);
}

}  // namespace fairlead::admin
