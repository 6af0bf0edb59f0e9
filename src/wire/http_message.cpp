#include "wire/http_message.h"

#include <algorithm>

#include "http/grammar.h"
#include "wire/message.h"
#include "wire/proto_fields.h"

namespace fairlead::wire {
namespace {

// Field numbers of proto/fairlead/v1/http.proto.
namespace field {
constexpr std::uint32_t kName = 1, kValue = 2;
}
namespace request_field {
constexpr std::uint32_t kMethod = 1, kScheme = 2, kAuthority = 3, kTarget = 4, kFields = 5, kBody = 6, kBodySize = 7, kUpgrade = 8,
                        kExpectContinue = 9, kService = 10;
}
namespace service_field {
constexpr std::uint32_t kTls = 1, kServerName = 2, kCaPem = 3, kProxyProtocol = 4, kConnectMs = 5, kIdleMs = 6, kMaxConnections = 7,
                        kResponseMs = 8;
}
namespace response_field {
constexpr std::uint32_t kStatus = 1, kReason = 2, kFields = 3, kBody = 4, kBodySize = 5, kUpgrade = 6, kContentLength = 7;
}
namespace trailers_field {
constexpr std::uint32_t kFields = 1;
}

// What a head that was larger leaves behind is given up with the next one.
constexpr std::size_t kKept = 16_KiB;
// Room for what is written beside texts: tags, lengths, numbers.
constexpr std::size_t kUsualHead = 512;

bool is_visible(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

void put_fields(ProtoWriter& out, std::uint32_t number, const http::Fields& fields) {
  for (const http::Field& f : fields) {
    out.begin_message(number, ProtoWriter::size_of(field::kName, f.name) + ProtoWriter::size_of(field::kValue, f.value));
    out.bytes(field::kName, f.name);
    out.bytes(field::kValue, f.value);
  }
}

std::unexpected<Error> malformed(std::string_view what) { return fail(Code::invalid, "malformed {}", what); }

Result<void> read_field(std::string_view message, http::Fields& into, std::string_view what) {
  http::Field made;
  ProtoReader reader(message);
  while (const auto f = reader.next()) {
    if (!f->is_bytes) continue;
    if (f->number == field::kName) made.name = f->bytes;
    if (f->number == field::kValue) made.value = f->bytes;
  }
  if (reader.malformed()) return malformed(what);
  if (!http::is_token(made.name) || !http::is_value(made.value)) return fail(Code::invalid, "a field that HTTP does not allow");
  if (http::is_hop_by_hop(made.name)) return fail(Code::invalid, "a field of the framing among those of the message");
  into.add(made.name, made.value);
  return {};
}

void put_body(ProtoWriter& out, std::uint32_t kind, std::uint32_t size, const http::BodyLength& body) {
  out.number(kind, static_cast<std::uint64_t>(body.kind));
  if (body.kind == http::BodyLength::Kind::exact) out.number(size, body.size);
}

Result<http::BodyLength> body_of(std::uint64_t kind, std::uint64_t size) {
  switch (kind) {
    case static_cast<std::uint64_t>(http::BodyLength::Kind::none): return http::BodyLength::none();
    case static_cast<std::uint64_t>(http::BodyLength::Kind::exact): return http::BodyLength::exact(size);
    case static_cast<std::uint64_t>(http::BodyLength::Kind::unknown): return http::BodyLength::unknown();
    default: return fail(Code::invalid, "a length of the body that is not known here");
  }
}

std::uint32_t to_ms(Duration d) { return static_cast<std::uint32_t>(std::clamp<std::int64_t>((d + 1ms - 1ns) / 1ms, 0, UINT32_MAX)); }
Duration of_ms(std::uint64_t ms) { return std::chrono::milliseconds(static_cast<std::uint32_t>(ms)); }

void put_service(ProtoWriter& out, const HttpService& s) {
  out.number(service_field::kTls, s.tls ? 1 : 0);
  out.bytes(service_field::kServerName, s.server_name);
  out.bytes(service_field::kCaPem, s.ca_pem);
  out.number(service_field::kProxyProtocol, s.proxy_protocol);
  out.number(service_field::kConnectMs, to_ms(s.connect));
  out.number(service_field::kIdleMs, to_ms(s.idle));
  out.number(service_field::kMaxConnections, s.max_connections);
  out.number(service_field::kResponseMs, to_ms(s.response));
}

Result<void> read_service(std::string_view message, HttpService& into) {
  ProtoReader reader(message);
  while (const auto f = reader.next()) {
    if (f->is_bytes) {
      if (f->number == service_field::kServerName) {
        if (!f->bytes.empty() && !is_visible(f->bytes)) return fail(Code::invalid, "a name of the service that is no host");
        into.server_name = f->bytes;
      }
      if (f->number == service_field::kCaPem) into.ca_pem = f->bytes;
    } else if (f->is_varint) {
      switch (f->number) {
        case service_field::kTls: into.tls = f->value != 0; break;
        case service_field::kProxyProtocol: into.proxy_protocol = static_cast<std::uint32_t>(f->value); break;
        case service_field::kConnectMs: into.connect = of_ms(f->value); break;
        case service_field::kIdleMs: into.idle = of_ms(f->value); break;
        case service_field::kMaxConnections: into.max_connections = static_cast<std::uint32_t>(f->value); break;
        case service_field::kResponseMs: into.response = of_ms(f->value); break;
        default: break;
      }
    }
  }
  if (reader.malformed()) return malformed("HTTP request");
  if (into.proxy_protocol > 2) return fail(Code::invalid, "a version of the PROXY protocol that is not known");
  return {};
}

// Keeps `body`, for the views that are read from it.
Result<std::string_view> keep(std::string& bytes, Bytes body, std::string_view what) {
  if (body.size() > kMaxFrame) return fail(Code::too_large, "{} of {} bytes: at most {} are allowed", what, body.size(), kMaxFrame);
  if (bytes.capacity() > kKept) bytes = {};
  bytes.assign(as_text(body));
  return bytes;
}

}  // namespace

Result<std::string> encode_http_request(const http::Request& r, const HttpService& service) {
  std::string out;
  out.reserve(kUsualHead + service.ca_pem.size());
  ProtoWriter m(out);
  m.bytes(request_field::kMethod, r.method);
  m.bytes(request_field::kScheme, r.scheme);
  m.bytes(request_field::kAuthority, r.authority);
  m.bytes(request_field::kTarget, r.target);
  put_fields(m, request_field::kFields, r.fields);
  put_body(m, request_field::kBody, request_field::kBodySize, r.body);
  m.bytes(request_field::kUpgrade, r.upgrade);
  m.number(request_field::kExpectContinue, r.expect_continue ? 1 : 0);
  std::string inner;
  ProtoWriter of_service(inner);
  put_service(of_service, service);
  m.put_bytes(request_field::kService, inner);
  if (out.size() > kMaxFlowHead)
    return fail(Code::too_large, "the request's head is {} bytes on the link: at most {} are allowed", out.size(), kMaxFlowHead);
  return out;
}

bool encode_http_response(std::string& out, const http::Response& r, std::size_t limit) {
  const std::size_t before = out.size();
  ProtoWriter m(out);
  m.number(response_field::kStatus, r.status);
  m.bytes(response_field::kReason, r.reason);
  put_fields(m, response_field::kFields, r.fields);
  put_body(m, response_field::kBody, response_field::kBodySize, r.body);
  m.bytes(response_field::kUpgrade, r.upgrade);
  m.bytes(response_field::kContentLength, r.content_length);
  if (out.size() - before <= limit) return true;
  out.resize(before);
  return false;
}

bool encode_http_trailers(std::string& out, const http::Fields& trailers, std::size_t limit) {
  const std::size_t before = out.size();
  ProtoWriter m(out);
  put_fields(m, trailers_field::kFields, trailers);
  if (out.size() - before <= limit) return true;
  out.resize(before);
  return false;
}

Result<void> DecodedHttpRequest::decode(Bytes body) {
  constexpr std::string_view kWhat = "HTTP request";
  TRY_ASSIGN(const std::string_view message, keep(bytes_, body, kWhat));
  http::Request& r = request;
  r.method = r.scheme = r.authority = r.target = r.upgrade = {};
  r.fields.clear();
  r.expect_continue = false;
  service = {};
  std::uint64_t kind = 0, size = 0;
  ProtoReader reader(message);
  while (const auto f = reader.next()) {
    if (f->is_bytes) {
      switch (f->number) {
        case request_field::kMethod: r.method = f->bytes; break;
        case request_field::kScheme: r.scheme = f->bytes; break;
        case request_field::kAuthority: r.authority = f->bytes; break;
        case request_field::kTarget: r.target = f->bytes; break;
        case request_field::kFields: TRY(read_field(f->bytes, r.fields, kWhat)); break;
        case request_field::kUpgrade: r.upgrade = f->bytes; break;
        case request_field::kService: TRY(read_service(f->bytes, service)); break;
        default: break;
      }
    } else if (f->is_varint) {
      if (f->number == request_field::kBody) kind = static_cast<std::uint32_t>(f->value);
      if (f->number == request_field::kBodySize) size = f->value;
      if (f->number == request_field::kExpectContinue) r.expect_continue = f->value != 0;
    }
  }
  if (reader.malformed()) return malformed(kWhat);
  if (!http::is_token(r.method)) return fail(Code::invalid, "an HTTP method that is no token");
  if (!is_visible(r.target) || (r.target.front() != '/' && r.target != "*")) return fail(Code::invalid, "an HTTP target that is no path");
  if (!r.authority.empty() && !is_visible(r.authority)) return fail(Code::invalid, "an HTTP authority that is no host");
  if (!r.upgrade.empty() && !is_visible(r.upgrade)) return fail(Code::invalid, "an HTTP upgrade to what is no protocol");
  if (!r.scheme.empty() && r.scheme != "http" && r.scheme != "https") return fail(Code::invalid, "an HTTP scheme that is not known");
  TRY_ASSIGN(r.body, body_of(kind, size));
  return {};
}

Result<void> DecodedHttpResponse::decode(Bytes body) {
  constexpr std::string_view kWhat = "HTTP response";
  TRY_ASSIGN(const std::string_view message, keep(bytes_, body, kWhat));
  http::Response& r = response;
  r.status = 0;
  r.reason = r.upgrade = r.content_length = {};
  r.fields.clear();
  std::uint64_t kind = 0, size = 0;
  ProtoReader reader(message);
  while (const auto f = reader.next()) {
    if (f->is_bytes) {
      switch (f->number) {
        case response_field::kReason: r.reason = f->bytes; break;
        case response_field::kFields: TRY(read_field(f->bytes, r.fields, kWhat)); break;
        case response_field::kUpgrade: r.upgrade = f->bytes; break;
        case response_field::kContentLength: r.content_length = f->bytes; break;
        default: break;
      }
    } else if (f->is_varint) {
      if (f->number == response_field::kStatus) r.status = static_cast<std::uint32_t>(f->value);
      if (f->number == response_field::kBody) kind = static_cast<std::uint32_t>(f->value);
      if (f->number == response_field::kBodySize) size = f->value;
    }
  }
  if (reader.malformed()) return malformed(kWhat);
  if (r.status < 100 || r.status > 999) return fail(Code::invalid, "an HTTP status that cannot be");
  if (!http::is_value(r.reason)) return fail(Code::invalid, "an HTTP reason that HTTP does not allow");
  if (r.status == 101 && !is_visible(r.upgrade)) return fail(Code::invalid, "an HTTP 101 without its protocol");
  if (!std::ranges::all_of(r.content_length, [](char c) { return c >= '0' && c <= '9'; }) || r.content_length.size() > 20)
    return fail(Code::invalid, "an HTTP Content-Length that is no number");
  TRY_ASSIGN(r.body, body_of(kind, size));
  return {};
}

Result<void> DecodedHttpTrailers::decode(Bytes body) {
  constexpr std::string_view kWhat = "HTTP trailers";
  TRY_ASSIGN(const std::string_view message, keep(bytes_, body, kWhat));
  fields.clear();
  ProtoReader reader(message);
  while (const auto f = reader.next())
    if (f->is_bytes && f->number == trailers_field::kFields) TRY(read_field(f->bytes, fields, kWhat));
  if (reader.malformed()) return malformed(kWhat);
  return {};
}

}  // namespace fairlead::wire
