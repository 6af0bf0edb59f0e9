#include "http/forwarded.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "http/grammar.h"

namespace fairlead::http {
namespace {

// Services that map names to variables read X_Forwarded_For as X-Forwarded-For.
bool starts_with_name(std::string_view name, std::string_view start) {
  if (name.size() < start.size()) return false;
  for (std::size_t i = 0; i < start.size(); i++)
    if ((name[i] == '_' ? '-' : lower(name[i])) != start[i]) return false;
  return true;
}
bool is_name(std::string_view name, std::string_view other) { return name.size() == other.size() && starts_with_name(name, other); }

std::size_t size_of(const Fields& fields, std::string_view name) {
  std::size_t n = 0;
  for (const Field& f : fields)
    if (equal_name(f.name, name)) n += f.value.size() + 2;
  return n;
}

}  // namespace

bool is_identity_name(std::string_view name) {
  static constexpr std::string_view kStarts[] = {"x-fairlead-", "x-client-cert", "x-ssl-client-", "x-forwarded-client-cert",
                                                 "client-cert-"};
  return is_name(name, "client-cert") || std::ranges::any_of(kStarts, [&](std::string_view s) { return starts_with_name(name, s); });
}

bool is_forwarded_name(std::string_view name) {
  if (name.empty()) return false;
  switch (lower(name[0])) {
    case 'v': return is_name(name, "via");
    case 'f': return is_name(name, "forwarded");
    case 't': return is_name(name, "true-client-ip");
    case 'c': return is_name(name, "cf-connecting-ip") || is_identity_name(name);
    case 'x': break;
    default: return false;
  }
  if (starts_with_name(name, "x-forwarded-") || is_identity_name(name)) return true;
  static constexpr std::string_view kNames[] = {"x-forwarded",      "x-real-ip",      "x-client-ip",   "x-cluster-client-ip",
                                                "x-originating-ip", "x-remote-ip",    "x-remote-addr", "x-original-forwarded-for",
                                                "x-original-host",  "x-original-url", "x-rewrite-url"};
  return std::ranges::any_of(kNames, [&](std::string_view n) { return is_name(name, n); });
}

void ForwardedFields::apply(Fields& fields, const ForwardedFrom& from) {
  fields.remove_if([&](const Field& f) {
    if (!from.trusted) return is_forwarded_name(f.name);
    // A trusted proxy spells its names as they are.
    return is_identity_name(f.name) || (f.name.find('_') != f.name.npos && is_forwarded_name(f.name));
  });
  const bool has_for = fields.contains("x-forwarded-for");
  const bool has_forwarded = fields.contains("forwarded");
  const bool has_proto = fields.contains("x-forwarded-proto");
  const bool has_host = fields.contains("x-forwarded-host");

  // All text is in one piece that does not grow while there are views of it.
  constexpr std::size_t kWords = 128;
  text_.clear();
  text_.reserve(size_of(fields, "x-forwarded-for") + size_of(fields, "forwarded") + size_of(fields, "via") + 2 * from.client.size() +
                2 * from.scheme.size() + 3 * from.host.size() + kWords);
  std::size_t begin = 0;
  auto keep = [&] { return std::string_view(text_).substr(std::exchange(begin, text_.size())); };
  // What there is of a list so far, to be added to.
  auto begin_list = [&](std::string_view name) {
    for (const Field& f : fields) {
      if (!equal_name(f.name, name) || f.value.empty()) continue;
      text_ += f.value;
      text_ += ", ";
    }
  };

  if (has_for || !has_forwarded) {
    begin_list("x-forwarded-for");
    text_ += from.client;
    fields.set("X-Forwarded-For", keep());
    if (!has_proto) {
      text_ += from.scheme;
      fields.set("X-Forwarded-Proto", keep());
    }
    if (!has_host && !from.host.empty()) {
      text_ += from.host;
      fields.set("X-Forwarded-Host", keep());
    }
    if (!has_proto && !has_host && from.port != 0 && !fields.contains("x-forwarded-port")) {
      char digits[5];
      text_.append(digits, std::to_chars(digits, digits + sizeof digits, from.port).ptr);
      fields.set("X-Forwarded-Port", keep());
    }
  }
  if (has_forwarded || !has_for) {
    const bool v6 = from.client.find(':') != from.client.npos;
    begin_list("forwarded");
    text_ += v6 ? "for=\"[" : "for=";
    text_ += from.client;
    if (v6) text_ += "]\"";
    if (!from.host.empty()) {
      text_ += ";host=\"";
      for (const char c : from.host) {
        if (c == '"' || c == '\\') text_ += '\\';
        text_ += c;
      }
      text_ += '"';
    }
    text_ += ";proto=";
    text_ += from.scheme;
    fields.set("Forwarded", keep());
  }
  begin_list("via");
  text_ += from.minor == 0 ? "1.0 " : "1.1 ";
  text_ += kViaName;
  fields.set("Via", keep());
}

}  // namespace fairlead::http
