// forwarded.h: what a service is told about the client of a request: X-Forwarded-*, Forwarded (RFC 7239) and Via (RFC 9110, 7.6.3).
//
// Nobody can claim to be somebody else: what a client says of this is gone unless the client is trusted, and fields by which Fairlead
// or a TLS front says who a client is are gone always. A name that a service may read as one of these (X_Forwarded_For) counts as it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "http/message.h"

namespace fairlead::http {

struct ForwardedFrom {
  std::string_view client;  // the address at the other end, without port or brackets: "192.0.2.7", "2001:db8::7"
  bool trusted = false;     // a proxy of ours: what it says is kept, and added to
  std::string_view scheme;  // "http" or "https", as the client spoke it
  std::string_view host;    // authority as the client asked; empty: not told
  std::uint16_t port = 0;   // that the client dialled; 0: not told
  unsigned minor = 1;       // of the client's HTTP/1.minor
};

// Owns the text of what it added: the fields are valid until the next apply() or its end. One for each request that is in work at once;
// used again, it does not allocate.
class ForwardedFields {
 public:
  ForwardedFields() = default;
  ForwardedFields(const ForwardedFields&) = delete;
  ForwardedFields& operator=(const ForwardedFields&) = delete;

  // Of an untrusted client:  all such fields are replaced by X-Forwarded-For, -Proto, -Host, -Port, Forwarded and Via with what is
  //                          known here.
  // Of a trusted one:        X-Forwarded-For, Forwarded and Via are added to (several lines become one), -Proto, -Host and -Port stay.
  //                          Where it sends only one of X-Forwarded-For and Forwarded, the other is not begun: it would name the
  //                          proxy as the client. X-Forwarded-Port is not made up beside a Proto or Host that it sent.
  void apply(Fields& fields, const ForwardedFrom& from);

 private:
  std::string text_;
};

inline constexpr std::string_view kViaName = "fairlead";

// Whether only Fairlead or a TLS front may say it (X-Fairlead-*, X-Client-Cert*, Client-Cert, Client-Cert-*, X-SSL-Client-*, X-Forwarded-Client-Cert).
bool is_identity_name(std::string_view name);
// Whether it tells of the client or the way of a request, so that a stranger may not say it (the above, X-Forwarded-*, Forwarded, Via,
// X-Real-IP and its kin, X-Original-URL and its kin).
bool is_forwarded_name(std::string_view name);

}  // namespace fairlead::http
