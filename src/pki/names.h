// names.h: the names that certificates carry: hosts (the cloud's) and nodes (an edge's, as a kubelet has them).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace fairlead::pki {

// A DNS name or an IP address, in the one way it is written: DNS names in lower case without a dot at the end, addresses as
// inet_ntop writes them. A name for a certificate may begin with "*." (RFC 6125: one label).
class HostName {
 public:
  enum class Kind : std::uint8_t { dns, ip };
  static constexpr std::size_t kMaxSize = 253;
  static Result<HostName> parse(std::string_view text);
  static Result<std::vector<HostName>> parse_all(const std::vector<std::string>& texts);  // at least one, at most kMaxNames

  Kind kind() const { return kind_; }
  const std::string& text() const { return text_; }
  std::string address_bytes() const;  // network order, 4 or 16; only for kind ip

  // Whether a certificate that was issued for this name is good for `host` (which has no wildcard).
  bool covers(const HostName& host) const;
  friend bool operator==(const HostName&, const HostName&) = default;

 private:
  HostName(Kind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
  Kind kind_;
  std::string text_;
};

// 4 or 16 bytes in network order, as inet_ntop writes them.
std::string address_text(std::string_view bytes);

// Kubernetes: the node authorizer and the kubelet's client certificate have CN=system:node:NAME, O=system:nodes.
constexpr std::string_view kNodeNamePrefix = "system:node:";
constexpr std::string_view kNodeGroup = "system:nodes";

Result<NodeName> node_of(std::string_view common_name, const std::vector<std::string>& organizations);

}  // namespace fairlead::pki
