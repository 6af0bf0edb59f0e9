#include <array>
#include <charconv>
#include <chrono>

#include "route/kinds.h"

namespace fairlead::route {
namespace {

// "2020-09-08T01:02:03Z", with a fraction perhaps: what Kubernetes writes (RFC 3339 in UTC).
std::optional<WallTime> parse_time(std::string_view text) {
  constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd";
  if (text.size() <= kForm.size() || !text.ends_with('Z')) return {};
  std::array<int, 6> part{};
  std::size_t p = 0;
  for (std::size_t i = 0; i < kForm.size(); i++) {
    if (kForm[i] != 'd') {
      if (text[i] != kForm[i]) return {};
      p++;
    } else if (text[i] >= '0' && text[i] <= '9') {
      part[p] = part[p] * 10 + (text[i] - '0');
    } else {
      return {};
    }
  }
  const std::string_view fraction = text.substr(kForm.size(), text.size() - kForm.size() - 1);
  if (!fraction.empty() && (fraction[0] != '.' || fraction.size() < 2 || fraction.find_first_not_of("0123456789", 1) != fraction.npos))
    return {};
  const std::chrono::year_month_day day{std::chrono::year(part[0]), std::chrono::month(static_cast<unsigned>(part[1])),
                                        std::chrono::day(static_cast<unsigned>(part[2]))};
  // Nanoseconds since 1970 end in 2262.
  if (!day.ok() || part[0] < 1970 || part[0] > 2261 || part[3] > 23 || part[4] > 59 || part[5] > 60) return {};
  return WallTime(std::chrono::sys_days(day) + std::chrono::hours(part[3]) + std::chrono::minutes(part[4]) + std::chrono::seconds(part[5]));
}

void decode_annotations(const Field& f, std::map<std::string, std::string>& out) {
  f.entries([&](const Member& m, const Field& value) {
    if (Result<void> r = check_label_key(m.name); !r) f.report(Severity::error, m.at, r.error().message());
    decode(value, out[m.name]);
  });
}

void decode_meta(const Field& f, ObjectMeta& out) {
  Object o(f);
  o.required("name", checked(out.key.name, check_dns_subdomain));
  out.key.ns = "default";
  o.optional("namespace", checked(out.key.ns, check_dns_label));
  o.optional("labels", out.labels);
  o.optional("annotations", [&](const Field& a) { decode_annotations(a, out.annotations); });
  o.optional("generation", out.generation);
  o.optional("creationTimestamp", [&](const Field& t) {
    const std::optional<std::string_view> text = t.string();
    if (!text) return;
    out.created = parse_time(*text);
    if (!out.created) t.error("{} is not a time like 2020-09-08T01:02:03Z", shown(*text));
  });
  // Set by the API server; `kubectl get -o yaml` has them.
  for (std::string_view key : {"uid", "resourceVersion", "managedFields", "ownerReferences", "finalizers", "selfLink", "generateName"})
    o.ignore(key);
}

}  // namespace

void decode_metadata(Object& o, const Source& source, ObjectMeta& out) {
  out.source = source;
  o.required("metadata", [&](const Field& f) { decode_meta(f, out); });
}

}  // namespace fairlead::route
