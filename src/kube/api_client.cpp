#include "kube/api_client.h"

#include <fmt/format.h>

#include <charconv>

#include "http/encode.h"
#include "kube/api_error.h"
#include "runtime/timer.h"

namespace fairlead::kube {
namespace {

constexpr std::size_t kBuffer = 32_KiB;
constexpr http::HeadLimits kAnswerHead{.size = 32_KiB, .fields = 128, .target = 0};

std::optional<Duration> pause_of(const http::Fields& fields) {
  const http::Field* found = fields.find("Retry-After");
  if (found == nullptr) return std::nullopt;
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(found->value.data(), found->value.data() + found->value.size(), seconds);
  if (error != std::errc()) return std::nullopt;
  return std::min<Duration>(std::chrono::seconds(seconds), ApiClient::kLongestPause);
}

std::string text_of(const ApiRequest& request, const Access& access, const std::string& host) {
  const std::string path = access.path + request.path;
  const std::string authorization = "Bearer " + access.token.reveal();
  http::Request head;
  head.method = request.method;
  head.authority = host;
  head.target = path;
  head.fields.add("User-Agent", "fairlead");
  head.fields.add("Accept", "application/json");
  if (!access.token.empty()) head.fields.add("Authorization", authorization);
  if (!request.body.empty()) {
    head.fields.add("Content-Type", request.content);
    head.body = http::BodyLength::exact(request.body.size());
  }
  std::string text;
  http::put_request_head(text, head, true);
  return text + request.body;
}

}  // namespace

std::string ApiRequest::what() const { return fmt::format("{} {}{}{}", verb, resource, name.empty() ? "" : " ", name); }

ApiAnswer::ApiAnswer(ApiClient& client, std::unique_ptr<net::Stream> stream, std::string server)
    : client_(client),
      stream_(std::move(stream)),
      server_(std::move(server)),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kBuffer)),
      parser_(kAnswerHead) {}
ApiAnswer::~ApiAnswer() = default;

Task<Result<bool>> ApiAnswer::fill() {
  if (begin_ > 0) {
    std::copy(&buffer_[begin_], &buffer_[end_], &buffer_[0]);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == kBuffer) co_return fail(Code::invalid, "an answer whose head is larger than {} KiB", kBuffer >> 10);
  const MutableBytes room(&buffer_[end_], kBuffer - end_);
  auto n = co_await stream_->read(room);
  if (!n) co_return fail(Error::wrap("read from " + server_, n.error()));
  end_ += *n;
  co_return *n > 0;
}

Task<Result<void>> ApiAnswer::read_head(std::string_view method) {
  for (;;) {
    parser_.reset();
    auto size = parser_.parse(as_text({&buffer_[begin_], end_ - begin_}), method);
    if (!size) co_return fail(Code::invalid, "{} answered with no valid HTTP: {}", server_, size.error().text);
    if (*size) {
      const http::ResponseHead& head = parser_.head();
      begin_ += **size;
      if (head.response.status < 200) continue;
      status_ = head.response.status;
      keep_alive_ = head.keep_alive;
      chunked_ = head.chunked;
      until_close_ = head.until_close;
      left_ = head.response.body.kind == http::BodyLength::Kind::exact ? head.response.body.size : 0;
      retry_after_ = pause_of(head.response.fields);
      co_return Result<void>{};
    }
    auto more = co_await fill();
    if (!more) co_return fail(more.error());
    if (!*more) co_return fail(Code::reset, "{} closed the connection without an answer", server_);
  }
}

void ApiAnswer::finish() {
  over_ = true;
  if (!keep_alive_ || until_close_ || begin_ != end_) {
    stream_.reset();
    return;
  }
  client_.keep(std::move(stream_), server_);
}

Task<Result<std::string_view>> ApiAnswer::read_piece() {
  for (;;) {
    const std::string_view here = as_text({&buffer_[begin_], end_ - begin_});
    if (over_) co_return std::string_view();
    if (chunked_) {
      if (!here.empty()) {
        auto step = chunks_.step(here);
        if (!step) co_return fail(Code::invalid, "{} answered with no valid HTTP: {}", server_, step.error().text);
        begin_ += step->skip + step->data;
        if (step->state == http::ChunkDecoder::State::data) co_return here.substr(step->skip, step->data);
        if (step->state == http::ChunkDecoder::State::end) {
          finish();
          continue;
        }
      }
    } else if (until_close_) {
      if (!here.empty()) {
        begin_ = end_;
        co_return here;
      }
    } else if (left_ == 0) {
      finish();
      continue;
    } else if (!here.empty()) {
      const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, here.size()));
      begin_ += n;
      left_ -= n;
      co_return here.substr(0, n);
    }
    auto more = co_await fill();
    if (!more) co_return fail(more.error());
    if (*more) continue;
    if (!until_close_) co_return fail(Code::reset, "{} closed the connection in the middle of an answer", server_);
    finish();
  }
}

Task<Result<std::string_view>> ApiAnswer::next(Duration patience) {
  Loop& loop = client_.loop();
  auto piece = co_await with_deadline<std::string_view>(loop, loop.now() + patience, "an answer of the API server", read_piece());
  co_return piece;
}

ApiClient::ApiClient(net::Network& network, LoadAccess load) : network_(network), load_(std::move(load)) {}

Result<void> ApiClient::refresh() {
  const TimePoint now = loop().now();
  if (access_ && now - loaded_ < (distrusted_ ? kReloadPause : kAccessAge)) return {};
  auto loaded = load_();
  distrusted_ = false;
  loaded_ = now;
  if (!loaded) {
    if (!access_) return fail(loaded.error());
    log::warn("kube", "the access to the API server stays as it was: {}", loaded.error());
    return {};
  }
  access_ = std::make_shared<const Access>(*std::move(loaded));
  return {};
}

// Credentials may have been replaced since they were read.
void ApiClient::distrust_access() {
  distrusted_ = true;
  idle_.clear();
}

void ApiClient::keep(std::unique_ptr<net::Stream> stream, const std::string& server) {
  if (idle_.size() == kMaxIdle) idle_.erase(idle_.begin());
  idle_.push_back({std::move(stream), server, loop().now()});
}

std::optional<ApiClient::Connected> ApiClient::take_idle() {
  while (!idle_.empty()) {
    Idle idle = std::move(idle_.back());
    idle_.pop_back();
    std::byte byte[1];
    if (loop().now() - idle.since > kConnectionAge || idle.stream->try_read(byte)) continue;  // closed, or says what nobody asked
    return Connected{std::move(idle.stream), std::move(idle.server), true};
  }
  return std::nullopt;
}

Task<Result<std::unique_ptr<net::Stream>>> ApiClient::connect_to(net::HostPort server) {
  const std::shared_ptr<const Access> access = access_;
  auto addresses = co_await network_.resolve(server.host);
  if (!addresses) co_return fail(addresses.error());
  std::optional<Error> last;
  for (const net::IpAddress& ip : *addresses) {
    const net::SocketAddress to{ip, server.port};
    auto transport = co_await network_.connect(to);
    if (!transport) {
      last = transport.error();
      continue;
    }
    std::string name = access->server_name.empty() ? server.host : access->server_name;
    auto stream = co_await access->tls->connect(network_.loop(), *std::move(transport), std::move(name));
    co_return stream;
  }
  co_return fail(*std::move(last));
}

Task<Result<ApiClient::Connected>> ApiClient::connect() {
  const std::shared_ptr<const Access> access = access_;
  const std::size_t first = preferred_;
  std::optional<Error> last;
  std::string said;
  for (std::size_t i = 0; i < access->servers.size(); i++) {
    const net::HostPort server = access->servers[(first + i) % access->servers.size()];
    std::string name = server.to_text();
    auto stream = co_await with_deadline<std::unique_ptr<net::Stream>>(loop(), loop().now() + kConnectTimeout, name, connect_to(server));
    if (stream) {
      preferred_ = first + i;
      co_return Connected{*std::move(stream), std::move(name)};
    }
    if (stream.error().code() == Code::unauthenticated) distrust_access();
    said += fmt::format("{}{}: {}", said.empty() ? "" : "; ", name, stream.error());
    last = stream.error();
  }
  const bool unknown = last->code() == Code::unauthenticated;
  co_return fail(unknown ? Code::unauthenticated : Code::unreachable, "no API server of {} can be talked to: {}", access->source, said);
}

Task<Result<std::unique_ptr<ApiAnswer>>> ApiClient::ask(std::unique_ptr<ApiAnswer> answer, const ApiRequest& request) {
  const std::string text = text_of(request, *access_, answer->server_);
  auto written = co_await answer->stream_->write(as_bytes(text));
  if (!written) co_return fail(written.error());
  auto read = co_await answer->read_head(request.method);
  if (!read) co_return fail(read.error());
  co_return answer;
}

// `stale`: a kept connection was used, and broke before it said anything.
Task<Result<std::unique_ptr<ApiAnswer>>> ApiClient::attempt(const ApiRequest& request, bool& stale) {
  std::optional<Connected> kept = take_idle();
  stale = kept.has_value();
  if (!kept) {
    auto connected = co_await connect();
    if (!connected) co_return fail(Error::wrap(request.what(), connected.error()));
    kept = *std::move(connected);
  }
  std::unique_ptr<ApiAnswer> made(new ApiAnswer(*this, std::move(kept->stream), kept->server));
  const std::string what = fmt::format("{} at {}", request.what(), kept->server);
  auto answer =
      co_await with_deadline<std::unique_ptr<ApiAnswer>>(loop(), loop().now() + kAnswerTimeout, what, ask(std::move(made), request));
  if (!answer) {
    stale = stale && answer.error().code() == Code::reset;
    if (!stale) prefer_another();
    co_return fail(Error::wrap(request.what(), answer.error()));
  }
  stale = false;
  const unsigned status = (*answer)->status_;
  if (status >= 200 && status < 300) co_return answer;
  if (status == 401) distrust_access();
  if (status >= 500) prefer_another();
  if (const auto pause = (*answer)->retry_after_) not_before_ = loop().now() + *pause;
  auto body = co_await read_all(**answer);
  co_return fail(api_error(request, kept->server, status, body ? std::string_view(*body) : std::string_view()));
}

Task<Result<std::unique_ptr<ApiAnswer>>> ApiClient::open(ApiRequest request) {
  co_await loop().sleep_until(not_before_);
  CO_TRY(refresh());
  bool stale = false;
  auto answer = co_await attempt(request, stale);
  if (!answer && stale && request.method == "GET") answer = co_await attempt(request, stale);
  co_return answer;
}

Task<Result<std::string>> ApiClient::read_all(ApiAnswer& answer) {
  std::string all;
  for (;;) {
    auto piece = co_await answer.next(kAnswerTimeout);
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) co_return all;
    all.append(*piece);
    if (all.size() > kMaxBody) co_return fail(Code::too_large, "{} answered with more than {} MiB", answer.server(), kMaxBody >> 20);
  }
}

Task<Result<std::string>> ApiClient::call(ApiRequest request) {
  auto answer = co_await open(std::move(request));
  if (!answer) co_return fail(answer.error());
  auto body = co_await read_all(**answer);
  co_return body;
}

}  // namespace fairlead::kube
