#include "kube/kubeconfig.h"

#include <fmt/format.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/node/node.h>
#include <yaml-cpp/node/parse.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "http/target.h"

namespace fairlead::kube {
namespace {

constexpr std::uint16_t kHttps = 443;

std::string text_at(const YAML::Node& map, const char* key) {
  if (!map.IsMap()) return {};
  const YAML::Node found = map[key];
  return found.IsDefined() && found.IsScalar() ? found.Scalar() : std::string();
}
bool says(const YAML::Node& map, const char* key) { return map.IsMap() && map[key].IsDefined() && !map[key].IsNull(); }

class Reader {
 public:
  Reader(YAML::Node root, std::string_view file) : root_(std::move(root)), file_(file) {}

  Result<Kubeconfig> read(std::string_view wanted) const {
    Kubeconfig made;
    made.context = wanted.empty() ? text_at(root_, "current-context") : std::string(wanted);
    if (made.context.empty()) return fail(Code::invalid, "{} has no current-context: set one, or name a context", file_);
    TRY_ASSIGN(const YAML::Node context, named("contexts", "context", made.context));
    made.cluster = text_at(context, "cluster");
    made.user = text_at(context, "user");
    TRY_ASSIGN(const YAML::Node cluster, named("clusters", "cluster", made.cluster));
    TRY(read_cluster(cluster, made));
    if (made.user.empty()) return made;
    TRY_ASSIGN(const YAML::Node user, named("users", "user", made.user));
    TRY(read_user(user, made));
    return made;
  }

 private:
  // The value of the member of `list` that has that name.
  Result<YAML::Node> named(const char* list, const char* what, const std::string& name) const {
    const YAML::Node all = root_[list];
    if (all.IsDefined() && all.IsSequence())
      for (const YAML::Node& each : all)
        if (each.IsMap() && text_at(each, "name") == name) {
          const YAML::Node value = each[what];
          if (value.IsDefined() && value.IsMap()) return value;
          if (!value.IsDefined() || value.IsNull()) return YAML::Node(YAML::NodeType::Map);
        }
    return fail(Code::not_found, "{} has no {} \"{}\"", file_, what, name);
  }

  Result<void> read_cluster(const YAML::Node& cluster, Kubeconfig& into) const {
    if (auto good = parse_server(text_at(cluster, "server"), into); !good)
      return fail(Error::wrap(fmt::format("{}: cluster \"{}\"", file_, into.cluster), good.error()));
    if (text_at(cluster, "insecure-skip-tls-verify") == "true")
      return fail(Code::unsupported,
                  "{}: cluster \"{}\" has insecure-skip-tls-verify: Fairlead does not give credentials to a server that it cannot verify; "
                  "set certificate-authority, and tls-server-name if the certificate is for another name",
                  file_, into.cluster);
    if (says(cluster, "proxy-url"))
      return fail(Code::unsupported, "{}: cluster \"{}\" has a proxy-url, which Fairlead does not use", file_, into.cluster);
    into.server_name = text_at(cluster, "tls-server-name");
    if (into.server_name.empty()) into.server_name = into.server.host;
    return source(cluster, "certificate-authority-data", "certificate-authority", into.ca);
  }

  Result<void> read_user(const YAML::Node& user, Kubeconfig& into) const {
    constexpr std::string_view kInstead = "give it the token of a ServiceAccount (token, tokenFile), or a client certificate";
    for (const char* program : {"exec", "auth-provider"})
      if (says(user, program))
        return fail(Code::unsupported, "{}: user \"{}\" logs in by a program ({}), which Fairlead does not run: {}", file_, into.user,
                    program, kInstead);
    for (const char* key : {"username", "password"})
      if (says(user, key))
        return fail(Code::unsupported, "{}: user \"{}\" has a {}, which no API server takes any more: {}", file_, into.user, key, kInstead);
    for (const char* key : {"as", "as-uid", "as-groups", "as-user-extra"})
      if (says(user, key))
        return fail(Code::unsupported, "{}: user \"{}\" acts as another ({}), which Fairlead does not do: {}", file_, into.user, key,
                    kInstead);
    TRY(source(user, "client-certificate-data", "client-certificate", into.certificate));
    TRY(source(user, "client-key-data", "client-key", into.key));
    if (into.certificate.empty() != into.key.empty())
      return fail(Code::invalid, "{}: user \"{}\" has a client certificate or its key, but not both", file_, into.user);
    // As client-go has it: a file goes before a text, since it may be replaced.
    into.token.file = text_at(user, "tokenFile");
    if (into.token.file.empty()) into.token.inlined = Secret(text_at(user, "token"));
    return {};
  }

  // As client-go has it: data goes before a file.
  Result<void> source(const YAML::Node& map, const char* data, const char* file, TextSource& into) const {
    if (const std::string text = text_at(map, data); !text.empty()) {
      auto decoded = decode_base64(text);
      if (!decoded || decoded->empty()) return fail(Code::invalid, "{}: {} is not base64", file_, data);
      into.inlined = Secret(*std::move(decoded));
    } else {
      into.file = text_at(map, file);
    }
    return {};
  }

  YAML::Node root_;
  std::string_view file_;
};

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  std::string made;
  made.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  std::size_t digits = 0, padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') continue;
    digits++;
    if (c == '=') {
      padding++;
      continue;
    }
    if (padding > 0) return std::nullopt;
    std::uint32_t value = 0;
    if (c >= 'A' && c <= 'Z')
      value = static_cast<std::uint32_t>(c - 'A');
    else if (c >= 'a' && c <= 'z')
      value = static_cast<std::uint32_t>(c - 'a') + 26;
    else if (c >= '0' && c <= '9')
      value = static_cast<std::uint32_t>(c - '0') + 52;
    else if (c == '+' || c == '/')
      value = c == '+' ? 62 : 63;
    else
      return std::nullopt;
    bits = (bits << 6) | value;
    switch (digits % 4) {
      case 2: made.push_back(static_cast<char>(bits >> 4)); break;
      case 3: made.push_back(static_cast<char>(bits >> 2)); break;
      case 0: made.push_back(static_cast<char>(bits)); break;
      default: break;
    }
  }
  if (digits % 4 != 0 || padding > 2) return std::nullopt;
  return made;
}

Result<void> parse_server(std::string_view url, Kubeconfig& into) {
  constexpr std::string_view kScheme = "https://";
  if (url.empty()) return fail(Code::invalid, "there is no server");
  if (!url.starts_with(kScheme))
    return fail(Code::unsupported, "server {}: Fairlead talks to API servers over TLS only (https://HOST:PORT)", url);
  std::string_view rest = url.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const auto authority = http::parse_authority(rest.substr(0, slash));
  if (!authority || authority->host.empty()) return fail(Code::invalid, "server {} has no host and port", url);
  std::string_view path = rest.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (std::ranges::any_of(path, [](char c) { return c <= ' ' || c > '~' || c == '?' || c == '#'; }))
    return fail(Code::invalid, "server {}: its path is not one that can be put before others", url);
  into.server = {std::string(authority->host), authority->port.value_or(kHttps)};
  into.path = path;
  return {};
}

Result<Kubeconfig> parse_kubeconfig(std::string_view text, std::string_view file, std::string_view context) {
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (!root.IsMap()) return fail(Code::invalid, "{} is not a kubeconfig: it is no mapping", file);
    return Reader(root, file).read(context);
  } catch (const YAML::Exception& e) {  // the library's only way to say it
    return fail(Code::invalid, "{}:{}: {}", file, e.mark.line + 1, e.msg);
  }
}

}  // namespace fairlead::kube
