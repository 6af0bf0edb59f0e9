#include "pki/names.h"

#include <arpa/inet.h>

#include <algorithm>

#include "pki/certificate.h"
#include "pki/printable.h"

namespace fairlead::pki {

Result<HostName> HostName::parse(std::string_view text) {
  const std::string given(text);
  in6_addr address{};
  char canonical[INET6_ADDRSTRLEN];
  for (int family : {AF_INET, AF_INET6}) {
    if (::inet_pton(family, given.c_str(), &address) == 1 && given.find('\0') == std::string::npos)
      return HostName(Kind::ip, ::inet_ntop(family, &address, canonical, sizeof canonical));
  }
  std::string name = given;
  if (name.ends_with('.')) name.pop_back();
  std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  std::string_view labels = name;
  if (labels.starts_with("*.")) labels.remove_prefix(2);
  if (name.empty() || name.size() > kMaxSize)
    return fail(Code::invalid, "a host name has 1 to {} characters, not {}", kMaxSize, name.size());
  for (std::size_t start = 0; start <= labels.size();) {
    const std::size_t end = std::min(labels.find('.', start), labels.size());
    const std::string_view label = labels.substr(start, end - start);
    const bool charset =
        std::ranges::all_of(label, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; });
    if (label.empty() || label.size() > 63 || !charset || label.front() == '-' || label.back() == '-')
      return fail(Code::invalid, "\"{}\" is neither a DNS name nor an IP address", printable(given));
    start = end + 1;
  }
  const std::string_view last = labels.substr(labels.rfind('.') == std::string_view::npos ? 0 : labels.rfind('.') + 1);
  if (std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; }))  // "10.0.0" and "999.1.1.1" are wrong addresses, not names
    return fail(Code::invalid, "\"{}\" is neither a DNS name nor an IP address", printable(given));
  return HostName(Kind::dns, std::move(name));
}

Result<std::vector<HostName>> HostName::parse_all(const std::vector<std::string>& texts) {
  if (texts.empty()) return fail(Code::invalid, "at least one DNS name or IP address is needed, by which the edges reach the cloud");
  if (texts.size() > kMaxNames) return fail(Code::too_large, "{} names: a certificate has at most {}", texts.size(), kMaxNames);
  std::vector<HostName> names;
  for (const std::string& text : texts) {
    TRY_ASSIGN(HostName name, parse(text));
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

std::string HostName::address_bytes() const {
  in6_addr address{};
  const bool v4 = text_.find(':') == std::string::npos;
  ::inet_pton(v4 ? AF_INET : AF_INET6, text_.c_str(), &address);
  return {reinterpret_cast<const char*>(&address), v4 ? 4u : 16u};
}

std::string address_text(std::string_view bytes) {
  char text[INET6_ADDRSTRLEN];
  return ::inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
}

bool HostName::covers(const HostName& host) const {
  if (*this == host) return true;
  if (kind_ != Kind::dns || host.kind_ != Kind::dns || !text_.starts_with("*.")) return false;
  const std::size_t dot = host.text_.find('.');
  return dot != std::string::npos && std::string_view(host.text_).substr(dot) == std::string_view(text_).substr(1);
}

Result<NodeName> node_of(std::string_view common_name, const std::vector<std::string>& organizations) {
  if (!common_name.starts_with(kNodeNamePrefix))
    return fail(Code::invalid, "the common name \"{}\" does not begin with {}", printable(common_name), kNodeNamePrefix);
  if (std::ranges::find(organizations, kNodeGroup) == organizations.end())
    return fail(Code::invalid, "the organization is not {}", kNodeGroup);
  return NodeName::parse(common_name.substr(kNodeNamePrefix.size()));
}

}  // namespace fairlead::pki
