// persistence.h: session persistence (Gateway API: SessionPersistence): the value that leads to the same endpoint again, in a cookie or
// header. The value is the balancer's and is taken as it comes: a client that makes one up reaches what it could reach without.
#pragma once
#include <fmt/format.h>

#include <chrono>
#include <string_view>

#include "http/message.h"
#include "plugins/http/texts.h"
#include "route/http_rules.h"
#include "route/request_key.h"

namespace fairlead::http_plugin {

// What the client brought; empty: nothing.
inline std::string_view brought(const http::Fields& fields, const route::SessionPersistence& persistence) {
  if (persistence.type == route::SessionPersistence::Type::cookie) return route::cookie_in(fields, persistence.name);
  const http::Field* field = fields.find(persistence.name);
  return field != nullptr ? field->value : std::string_view();
}

inline void tell(http::Fields& answer, const route::SessionPersistence& persistence, std::string_view value, bool secure, Texts& texts) {
  if (persistence.type == route::SessionPersistence::Type::header) {
    answer.set(persistence.name, value);
    return;
  }
  const std::string_view end = secure ? "; HttpOnly; Secure" : "; HttpOnly";
  if (persistence.permanent && persistence.absolute_timeout) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*persistence.absolute_timeout).count();
    answer.add("Set-Cookie", texts.format("{}={}; Path=/; Max-Age={}{}", persistence.name, value, seconds, end));
  } else {
    answer.add("Set-Cookie", texts.format("{}={}; Path=/{}", persistence.name, value, end));
  }
}

}  // namespace fairlead::http_plugin
