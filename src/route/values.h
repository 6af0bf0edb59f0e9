// values.h: the values that manifests and configuration share: ports, durations, sizes, names, labels, addresses.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"
#include "net/address.h"
#include "route/decoder.h"

namespace fairlead::route {

using Port = Strong<struct PortTag, std::uint16_t>;          // 1-65535 once decoded
using ByteSize = Strong<struct ByteSizeTag, std::uint64_t>;  // bytes
using Labels = std::map<std::string, std::string>;           // Kubernetes labels, or a selector of all of them

// GEP-2257: one to four times a number of up to five digits and a unit of h, m, s, ms. Durations::config also takes d and us.
Result<Duration> parse_duration(std::string_view text, Durations which = Durations::gateway_api);
// "512B", "64KiB", "10MiB", "1GiB", "2TiB"; digits alone are bytes.
Result<ByteSize> parse_byte_size(std::string_view text);
// The form that both parse: "1h30m", "64KiB".
std::string to_manifest_text(Duration d);
std::string to_manifest_text(ByteSize size);

// RFC 1123 label: at most 63 of [a-z0-9-], letters or digits at both ends. A subdomain: labels with dots between, at most 253.
Result<void> check_dns_label(std::string_view text);
Result<void> check_dns_subdomain(std::string_view text);
// "site", "example.com/site" and a value of at most 63 characters (Kubernetes: Labels and Selectors, syntax and character set).
Result<void> check_label_key(std::string_view text);
Result<void> check_label_value(std::string_view text);

bool matches(const Labels& selector, const Labels& labels);  // an empty selector matches all

void decode(const Field& f, Port& out);
void decode(const Field& f, Duration& out);
void decode(const Field& f, ByteSize& out);
void decode(const Field& f, std::optional<NodeName>& out);
void decode(const Field& f, Labels& out);
void decode(const Field& f, net::IpAddress& out);
void decode(const Field& f, net::SocketAddress& out);
void decode(const Field& f, net::Cidr& out);
void decode(const Field& f, net::HostPort& out);  // the port must be there

// Text that `check` accepts.
template <class Check>
auto checked(std::string& out, Check check) {
  return [&out, check](const Field& f) {
    const std::optional<std::string_view> text = f.string();
    if (!text) return;
    Result<void> r = check(*text);
    if (!r) return f.error("{}", r.error().describe());
    out = *text;
  };
}

}  // namespace fairlead::route
