#include "kube/watcher.h"

#include <fmt/format.h>

#include "kube/api_error.h"
#include "kube/json_items.h"
#include "kube/objects.h"

namespace fairlead::kube {
namespace {

std::string encoded(std::string_view text) {
  std::string made;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain)
      made.push_back(c);
    else
      made += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return made;
}

unsigned status_code(const boost::json::object& status) {
  const boost::json::value* code = status.if_contains("code");
  const std::int64_t* n = code == nullptr ? nullptr : code->if_int64();
  return n == nullptr || *n < 400 || *n > 599 ? 500 : static_cast<unsigned>(*n);
}

}  // namespace

Watcher::Watcher(ApiClient& client, Watched watched, Collection& collection)
    : client_(client), watched_(std::move(watched)), collection_(collection) {}

ApiRequest Watcher::request(std::string_view verb, std::string query) const {
  ApiRequest made;
  made.path = fmt::format("{}?{}{}{}", watched_.path, query, watched_.selector.empty() ? "" : "&", watched_.selector);
  made.verb = verb;
  made.group = watched_.group;
  made.resource = watched_.resource;
  return made;
}

// The token of the next page, or "".
Task<Result<std::string>> Watcher::list_page(std::string token) {
  Loop& loop = client_.loop();
  const TimePoint until = loop.now() + kPageTimeout;
  ApiRequest ask = request("list", fmt::format("limit={}{}{}", kPage, token.empty() ? "" : "&continue=", encoded(token)));
  const std::string what = ask.what();
  auto answer = co_await client_.open(std::move(ask));
  if (!answer) co_return fail(answer.error());
  JsonItems items(JsonItems::Shape::list, watched_.wanted);
  for (;;) {
    auto piece = co_await (*answer)->next(std::min(ApiClient::kAnswerTimeout, until - loop.now()));
    if (!piece) co_return fail(Error::wrap(what, piece.error()));
    if (piece->empty()) break;
    auto fed = items.feed(*piece, [this](boost::json::object& item) { return collection_.put(item); });
    if (!fed) co_return fail(Error::wrap(what, fed.error()));
  }
  if (auto whole = items.end(); !whole) co_return fail(Error::wrap(what, whole.error()));
  const boost::json::object& metadata = items.list_metadata();
  version_ = text_at(metadata, {"resourceVersion"});
  if (version_.empty()) co_return fail(Code::invalid, "{}: the answer of {} has no resourceVersion", what, (*answer)->server());
  std::string next(text_at(metadata, {"continue"}));
  if (next.size() > kMaxToken) co_return fail(Code::too_large, "{}: a continue token of {} bytes", what, next.size());
  co_return next;
}

Task<Result<void>> Watcher::list() {
  collection_.begin_list();
  std::string token;
  for (std::size_t page = 0; page < kMaxPages; page++) {
    auto next = co_await list_page(token);
    if (!next) {
      version_.clear();
      co_return fail(next.error());
    }
    token = *std::move(next);
    if (token.empty()) {
      collection_.end_list();
      state_.lists++;
      state_.synced = true;
      learned();
      collection_.changed();
      co_return Result<void>{};
    }
  }
  version_.clear();
  co_return fail(Code::too_large, "list {}: more than {} pages", watched_.resource, kMaxPages);
}

Result<void> Watcher::take(boost::json::object& event) {
  const std::string_view type = text_at(event, {"type"});
  const boost::json::value* value = event.if_contains("object");
  const boost::json::object* object = value == nullptr ? nullptr : value->if_object();
  if (object == nullptr) return fail(Code::invalid, "an event without an object");
  if (type == "ERROR") {
    const unsigned code = status_code(*object);
    return fail(code_of_status(code), "the watch ended: {} {}", code, text_at(*object, {"message"}));
  }
  std::string version = resource_version_of(*object);
  if (version.empty()) return fail(Code::invalid, "an event without a resourceVersion");
  if (type == "ADDED" || type == "MODIFIED") {
    TRY(collection_.put(*object));
  } else if (type == "DELETED") {
    collection_.remove(*object);
  } else if (type != "BOOKMARK") {
    return fail(Code::invalid, "an event of type \"{}\"", type.substr(0, 32));
  }
  version_ = std::move(version);
  state_.events++;
  failures_ = 0;
  learned();
  return {};
}

// Returns in order when the server ends it, or says nothing any more.
Task<Result<void>> Watcher::watch() {
  Loop& loop = client_.loop();
  const auto least = std::chrono::duration_cast<std::chrono::seconds>(kWatchFor).count();
  const auto seconds = least + static_cast<std::int64_t>(loop.random().below(static_cast<std::uint64_t>(least)));
  ApiRequest ask =
      request("watch", fmt::format("watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}", encoded(version_), seconds));
  const std::string what = ask.what();
  auto answer = co_await client_.open(std::move(ask));
  if (!answer) co_return fail(answer.error());
  state_.watches++;
  JsonItems events(JsonItems::Shape::watch, watched_.wanted);
  for (;;) {
    auto piece = co_await (*answer)->next(kWatchSilence);
    if (!piece && piece.error().code() == Code::timeout) {
      client_.prefer_another();
      co_return Result<void>{};
    }
    if (!piece) co_return fail(Error::wrap(what, piece.error()));
    if (piece->empty()) break;
    auto fed = events.feed(*piece, [this](boost::json::object& event) { return take(event); });
    collection_.changed();
    if (!fed) co_return fail(Error::wrap(what, fed.error()));
  }
  if (auto whole = events.end(); !whole) co_return fail(Error::wrap(what, whole.error()));
  co_return Result<void>{};
}

void Watcher::learned() {
  if (!state_.failure) return;
  state_.failure.reset();
  log::info("kube", "watches {} again", watched_.resource);
}

void Watcher::failed(const Error& why) {
  if (!state_.failure || state_.failure->describe() != why.describe()) log::warn("kube", "{}", why);
  state_.failure = why;
}

Duration Watcher::pause() {
  const Duration most = std::min<Duration>(kLongestPause, kFirstPause * (1 << std::min<std::size_t>(failures_, 10)));
  failures_++;
  return most / 2 + std::chrono::duration_cast<Duration>(client_.loop().random().unit() * (most / 2));
}

Task<void> Watcher::run() {
  Loop& loop = client_.loop();
  for (;;) {
    if (version_.empty()) {
      auto listed = co_await list();
      if (!listed) {
        failed(listed.error());
        co_await loop.sleep(pause());
        continue;
      }
    }
    const TimePoint begun = loop.now();
    auto watched = co_await watch();
    const bool steady = loop.now() - begun >= kSteady;
    if (steady) failures_ = 0;
    if (steady && watched) learned();
    if (watched) {
      if (!steady) co_await loop.sleep(pause());
      continue;
    }
    if (watched.error().code() == Code::closed) {
      log::debug("kube", "lists {} anew: {}", watched_.resource, watched.error());
      version_.clear();
    } else {
      failed(watched.error());
    }
    co_await loop.sleep(pause());
  }
}

}  // namespace fairlead::kube
