#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace fairlead {

std::string_view name(Code code) {
  switch (code) {
    case Code::invalid: return "invalid";
    case Code::not_found: return "not_found";
    case Code::exists: return "exists";
    case Code::forbidden: return "forbidden";
    case Code::unauthenticated: return "unauthenticated";
    case Code::unreachable: return "unreachable";
    case Code::refused: return "refused";
    case Code::reset: return "reset";
    case Code::closed: return "closed";
    case Code::timeout: return "timeout";
    case Code::overloaded: return "overloaded";
    case Code::too_large: return "too_large";
    case Code::unsupported: return "unsupported";
    case Code::cancelled: return "cancelled";
    case Code::io: return "io";
    case Code::internal: return "internal";
  }
  return "internal";
}

namespace {
Code code_of(int err) {
  switch (err) {
    case ENOENT: return Code::not_found;
    case EEXIST:
    case EADDRINUSE: return Code::exists;
    case EACCES:
    case EPERM: return Code::forbidden;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL: return Code::unreachable;
    case ECONNREFUSED: return Code::refused;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED: return Code::reset;
    case ETIMEDOUT: return Code::timeout;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return Code::overloaded;
    case EMSGSIZE: return Code::too_large;
    case EINVAL: return Code::invalid;
    case ECANCELED: return Code::cancelled;
    default: return Code::io;
  }
}
}  // namespace

Error Error::from_errno(int err, std::string doing) {
  return Error::wrap(std::move(doing), Error(code_of(err), std::system_category().message(err)));
}

std::string Error::describe() const {
  std::string text = message();
  for (const Error* e = cause(); e != nullptr; e = e->cause()) {
    text += ": ";
    text += e->message();
  }
  return text;
}

}  // namespace fairlead
