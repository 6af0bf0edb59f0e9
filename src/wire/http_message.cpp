#include "wire/http_message.h"

#include <google/protobuf/arena.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "fairlead/v1/http.pb.h"
#include "http/grammar.h"
#include "wire/message.h"

namespace fairlead::wire {
namespace {

namespace pb = fairlead::v1;

// A head with 20 fields fits; a larger one goes on on the heap.
constexpr std::size_t kBlock = 8_KiB;

bool is_visible(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

template <class Message>
void add_fields(Message& m, const http::Fields& fields) {
  for (const http::Field& f : fields) {
    pb::HttpField* made = m.add_fields();
    made->set_name(f.name.data(), f.name.size());
    made->set_value(f.value.data(), f.value.size());
  }
}

template <class Message>
Result<void> read_fields(const Message& m, http::Fields& into) {
  into.clear();
  for (const pb::HttpField& f : m.fields()) {
    if (!http::is_token(f.name()) || !http::is_value(f.value())) return fail(Code::invalid, "a field that HTTP does not allow");
    if (http::is_hop_by_hop(f.name())) return fail(Code::invalid, "a field of the framing among those of the message");
    into.add(f.name(), f.value());
  }
  return {};
}

template <class Message>
void set_body(Message& m, const http::BodyLength& body) {
  m.set_body(static_cast<pb::HttpBody>(body.kind));
  if (body.kind == http::BodyLength::Kind::exact) m.set_body_size(body.size);
}

template <class Message>
Result<http::BodyLength> read_body(const Message& m) {
  switch (m.body()) {
    case pb::HTTP_BODY_NONE: return http::BodyLength::none();
    case pb::HTTP_BODY_EXACT: return http::BodyLength::exact(m.body_size());
    case pb::HTTP_BODY_UNKNOWN: return http::BodyLength::unknown();
    default: return fail(Code::invalid, "a length of the body that is not known here");
  }
}

std::uint32_t to_ms(Duration d) { return static_cast<std::uint32_t>(std::clamp<std::int64_t>((d + 1ms - 1ns) / 1ms, 0, UINT32_MAX)); }

template <class Message>
bool append(std::string& out, const Message& m, std::size_t limit) {
  const std::size_t size = m.ByteSizeLong();
  if (size > limit) return false;
  const std::size_t before = out.size();
  out.resize(before + size);
  m.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(out.data() + before));
  return true;
}

// A message on a block of its own; each decode begins anew on it.
template <class Message>
class HeadArena {
 public:
  HeadArena() : arena_(options()) {}
  Result<const Message*> parse(Bytes body, std::string_view what) {
    // The library writes to standard error about each malformed message: a stranger could fill a disk with that.
    [[maybe_unused]] static const auto silent = google::protobuf::SetLogHandler(nullptr);
    if (body.size() > kMaxFrame) return fail(Code::too_large, "{} of {} bytes: at most {} are allowed", what, body.size(), kMaxFrame);
    arena_.Reset();
    Message* m = google::protobuf::Arena::CreateMessage<Message>(&arena_);
    if (!m->ParseFromArray(body.data(), static_cast<int>(body.size()))) return fail(Code::invalid, "malformed {}", what);
    return m;
  }

 private:
  google::protobuf::ArenaOptions options() {
    google::protobuf::ArenaOptions o;
    o.initial_block = block_;
    o.initial_block_size = sizeof block_;
    return o;
  }
  alignas(8) char block_[kBlock];
  google::protobuf::Arena arena_;
};

}  // namespace

struct DecodedHttpRequest::Arena : HeadArena<pb::HttpRequest> {};
struct DecodedHttpResponse::Arena : HeadArena<pb::HttpResponse> {};
struct DecodedHttpTrailers::Arena : HeadArena<pb::HttpTrailers> {};

Result<std::string> encode_http_request(const http::Request& r, const HttpService& service) {
  alignas(8) char block[kBlock];
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = sizeof block;
  google::protobuf::Arena arena(options);
  auto& m = *google::protobuf::Arena::CreateMessage<pb::HttpRequest>(&arena);
  m.set_method(r.method.data(), r.method.size());
  m.set_scheme(r.scheme.data(), r.scheme.size());
  m.set_authority(r.authority.data(), r.authority.size());
  m.set_target(r.target.data(), r.target.size());
  add_fields(m, r.fields);
  set_body(m, r.body);
  m.set_upgrade(r.upgrade.data(), r.upgrade.size());
  m.set_expect_continue(r.expect_continue);
  pb::HttpService& s = *m.mutable_service();
  s.set_tls(service.tls);
  s.set_server_name(service.server_name);
  s.set_ca_pem(service.ca_pem);
  s.set_proxy_protocol(service.proxy_protocol);
  s.set_connect_ms(to_ms(service.connect));
  s.set_idle_ms(to_ms(service.idle));
  s.set_max_connections(service.max_connections);
  s.set_response_ms(to_ms(service.response));
  std::string out;
  if (!append(out, m, kMaxFlowHead))
    return fail(Code::too_large, "the request's head is {} bytes on the link: at most {} are allowed", m.ByteSizeLong(), kMaxFlowHead);
  return out;
}

bool encode_http_response(std::string& out, const http::Response& r, std::size_t limit) {
  alignas(8) char block[kBlock];
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = sizeof block;
  google::protobuf::Arena arena(options);
  auto& m = *google::protobuf::Arena::CreateMessage<pb::HttpResponse>(&arena);
  m.set_status(r.status);
  m.set_reason(r.reason.data(), r.reason.size());
  add_fields(m, r.fields);
  set_body(m, r.body);
  m.set_upgrade(r.upgrade.data(), r.upgrade.size());
  m.set_content_length(r.content_length.data(), r.content_length.size());
  return append(out, m, limit);
}

bool encode_http_trailers(std::string& out, const http::Fields& trailers, std::size_t limit) {
  pb::HttpTrailers m;
  add_fields(m, trailers);
  return append(out, m, limit);
}

DecodedHttpRequest::DecodedHttpRequest() = default;
DecodedHttpRequest::~DecodedHttpRequest() = default;

Result<void> DecodedHttpRequest::decode(Bytes body) {
  if (!arena_) arena_ = std::make_unique<Arena>();
  TRY_ASSIGN(const pb::HttpRequest* m, arena_->parse(body, "HTTP request"));
  if (!http::is_token(m->method())) return fail(Code::invalid, "an HTTP method that is no token");
  if (!is_visible(m->target()) || (m->target().front() != '/' && m->target() != "*"))
    return fail(Code::invalid, "an HTTP target that is no path");
  if (!m->authority().empty() && !is_visible(m->authority())) return fail(Code::invalid, "an HTTP authority that is no host");
  if (!m->upgrade().empty() && !is_visible(m->upgrade())) return fail(Code::invalid, "an HTTP upgrade to what is no protocol");
  if (!m->scheme().empty() && m->scheme() != "http" && m->scheme() != "https")
    return fail(Code::invalid, "an HTTP scheme that is not known");
  TRY(read_fields(*m, request.fields));
  TRY_ASSIGN(request.body, read_body(*m));
  request.method = m->method();
  request.scheme = m->scheme();
  request.authority = m->authority();
  request.target = m->target();
  request.upgrade = m->upgrade();
  request.expect_continue = m->expect_continue();
  const pb::HttpService& s = m->service();
  if (s.proxy_protocol() > 2) return fail(Code::invalid, "a version of the PROXY protocol that is not known");
  service.tls = s.tls();
  service.server_name = s.server_name();
  service.ca_pem = s.ca_pem();
  service.proxy_protocol = s.proxy_protocol();
  service.connect = std::chrono::milliseconds(s.connect_ms());
  service.idle = std::chrono::milliseconds(s.idle_ms());
  service.response = std::chrono::milliseconds(s.response_ms());
  service.max_connections = s.max_connections();
  return {};
}

DecodedHttpResponse::DecodedHttpResponse() = default;
DecodedHttpResponse::~DecodedHttpResponse() = default;

Result<void> DecodedHttpResponse::decode(Bytes body) {
  if (!arena_) arena_ = std::make_unique<Arena>();
  TRY_ASSIGN(const pb::HttpResponse* m, arena_->parse(body, "HTTP response"));
  if (m->status() < 100 || m->status() > 999) return fail(Code::invalid, "an HTTP status that cannot be");
  if (!http::is_value(m->reason())) return fail(Code::invalid, "an HTTP reason that HTTP does not allow");
  if (m->status() == 101 && !is_visible(m->upgrade())) return fail(Code::invalid, "an HTTP 101 without its protocol");
  if (!std::ranges::all_of(m->content_length(), [](char c) { return c >= '0' && c <= '9'; }) || m->content_length().size() > 20)
    return fail(Code::invalid, "an HTTP Content-Length that is no number");
  TRY(read_fields(*m, response.fields));
  TRY_ASSIGN(response.body, read_body(*m));
  response.status = m->status();
  response.reason = m->reason();
  response.upgrade = m->upgrade();
  response.content_length = m->content_length();
  return {};
}

DecodedHttpTrailers::DecodedHttpTrailers() = default;
DecodedHttpTrailers::~DecodedHttpTrailers() = default;

Result<void> DecodedHttpTrailers::decode(Bytes body) {
  if (!arena_) arena_ = std::make_unique<Arena>();
  TRY_ASSIGN(const pb::HttpTrailers* m, arena_->parse(body, "HTTP trailers"));
  return read_fields(*m, fields);
}

}  // namespace fairlead::wire
