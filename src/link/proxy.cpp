#include "link/proxy.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "http/grammar.h"

namespace fairlead::link {
namespace {

constexpr std::size_t kMaxAnswer = 16_KiB;  // of the proxy, before the connection begins
constexpr std::uint16_t kProxyPort = 3128;

std::string base64(std::string_view text) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += 3) {
    std::uint32_t bits = 0;
    const std::size_t n = std::min<std::size_t>(3, text.size() - at);
    for (std::size_t i = 0; i < 3; i++) bits = (bits << 8) | (i < n ? static_cast<unsigned char>(text[at + i]) : 0U);
    for (std::size_t i = 0; i < 4; i++) out += i <= n ? kDigits[(bits >> (18 - 6 * i)) & 63] : '=';
  }
  return out;
}

// Of a URL: "%40" is "@".
std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); i++) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || !http::is_hex(text[i + 1]) || !http::is_hex(text[i + 2])) return std::nullopt;
    out += static_cast<char>(http::hex_value(text[i + 1]) * 16 + http::hex_value(text[i + 2]));
    i += 2;
  }
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), http::lower);
  return out;
}

bool is_exempt(std::string_view host, std::string_view list) {
  const std::string name = lower(host);
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view one = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one == "*") return true;
    while (one.starts_with('.') || one.starts_with('*')) one.remove_prefix(1);
    if (one.empty()) continue;
    const std::string rule = lower(one);
    if (name == rule || (name.size() > rule.size() && name.ends_with("." + rule))) return true;
  }
  return false;
}

}  // namespace

Result<Proxy> Proxy::parse(std::string_view url) {
  Proxy proxy;
  if (const std::size_t scheme = url.find("://"); scheme != std::string_view::npos) {
    if (lower(url.substr(0, scheme)) != "http")
      return fail(Code::invalid, "a proxy's URL is http://[USER:PASSWORD@]HOST:PORT: other schemes are not known");
    url.remove_prefix(scheme + 3);
  }
  if (url.ends_with('/')) url.remove_suffix(1);
  if (const std::size_t at = url.rfind('@'); at != std::string_view::npos) {
    std::optional<std::string> credentials = unescape(url.substr(0, at));
    if (!credentials || credentials->find_first_of("\r\n") != std::string::npos)
      return fail(Code::invalid, "the user and password in a proxy's URL are not well-formed: write other characters as %XX");
    if (credentials->find(':') == std::string::npos) *credentials += ':';
    proxy.credentials = Secret(*std::move(credentials));
    url.remove_prefix(at + 1);
  }
  TRY_ASSIGN(proxy.at, net::HostPort::parse(url, kProxyPort));
  return proxy;
}

Result<std::optional<Proxy>> proxy_of_environment(std::string_view host, const std::function<const char*(const char*)>& get) {
  const auto first_of = [&](const char* one, const char* other) -> std::string {
    for (const char* name : {one, other})
      if (const char* value = get(name); value != nullptr && *value != '\0') return value;
    return {};
  };
  const std::string url = first_of("HTTPS_PROXY", "https_proxy");
  if (url.empty() || is_exempt(host, first_of("NO_PROXY", "no_proxy"))) return std::nullopt;
  TRY_ASSIGN(Proxy proxy, Proxy::parse(url));
  return proxy;
}

Task<Result<bool>> ask_proxy(net::Stream& transport, const Proxy& proxy, net::HostPort to) {
  const std::string target = to.to_text();
  std::string request = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", target);
  if (proxy.credentials) request += fmt::format("Proxy-Authorization: Basic {}\r\n", base64(proxy.credentials->reveal()));
  request += "\r\n";
  auto written = co_await transport.write(as_bytes(request));
  CO_TRY(written);
  // A byte at a time: what follows the head is TLS's.
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    if (head.size() == kMaxAnswer) co_return fail(Code::refused, "its answer has no end");
    std::byte byte[1];
    auto got = co_await transport.read(byte);
    if (!got) co_return fail(got.error());
    if (*got == 0) co_return fail(Code::refused, "it closed the connection instead of an answer");
    head += static_cast<char>(byte[0]);
  }
  const std::string line = head.substr(0, head.find('\r'));
  const bool http = line.starts_with("HTTP/1.") && line.size() >= 12 && line[8] == ' ';
  if (http && line[9] == '2') co_return true;
  if (http && line.substr(9, 3) == "407")
    co_return fail(Code::refused, "it wants {} (407): give them in link.proxy",
                   proxy.credentials ? "another user and password" : "a user and password");
  co_return fail(Code::refused, "it does not connect to {}: \"{}\"", target, line.substr(0, 100));
}

}  // namespace fairlead::link
