#include "kube/access.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>

#include "pki/files.h"

namespace fairlead::kube {
namespace {

std::string trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(kSpace) - begin + 1));
}

// Goes into a header: what cannot stand there is no token.
Result<Secret> token_of(std::string_view text, std::string_view source) {
  std::string token = trimmed(text);
  for (const char c : token)
    if (c <= ' ' || c > '~') return fail(Code::invalid, "{} is not a token: it has characters that none has", source);
  return Secret(std::move(token));
}

struct Text {
  Secret text;
  std::string name;  // for messages
};
Result<Text> read(const TextSource& source, const std::filesystem::path& kubeconfig, std::string_view what) {
  if (!source.inlined.empty()) return Text{source.inlined, fmt::format("{} ({})", kubeconfig.native(), what)};
  if (source.file.empty()) return Text{};
  const std::filesystem::path file = source.file.is_absolute() ? source.file : kubeconfig.parent_path() / source.file;
  TRY_ASSIGN(std::string text, pki::read_file(file, kMaxAccessFile));
  return Text{Secret(std::move(text)), file.native()};
}

}  // namespace

Result<Access> access_by_kubeconfig(const KubeconfigOptions& options) {
  TRY_ASSIGN(const std::string text, pki::read_file(options.file, kMaxAccessFile));
  TRY_ASSIGN(const Kubeconfig config, parse_kubeconfig(text, options.file.native(), options.context));
  TRY_ASSIGN(const Text ca, read(config.ca, options.file, "certificate-authority"));
  TRY_ASSIGN(const Text certificate, read(config.certificate, options.file, "client-certificate"));
  TRY_ASSIGN(const Text key, read(config.key, options.file, "client-key"));
  TRY_ASSIGN(const Text token, read(config.token, options.file, "token"));

  net::TlsClient::Options tls{.ca_pem = ca.text.reveal(), .ca_file = ca.name, .certificate = {}};
  if (!certificate.text.empty())
    tls.certificate = net::TlsCertificate{.chain_pem = certificate.text.reveal(),
                                          .key_pem = key.text.reveal(),
                                          .chain_file = certificate.name,
                                          .key_file = key.name,
                                          .hosts = {}};
  Access access;
  access.source = options.file.native();
  access.servers = {config.server};
  for (const net::HostPort& other : options.more)
    if (other.to_text() != config.server.to_text()) access.servers.push_back(other);
  access.server_name = config.server_name;
  access.path = config.path;
  TRY_ASSIGN(access.tls, net::TlsClient::make(std::move(tls)));
  TRY_ASSIGN(access.token, token_of(token.text.reveal(), token.name));
  return access;
}

Result<Access> access_in_cluster(const InClusterOptions& options) {
  const auto or_environment = [](const std::string& text, const char* name) {
    const char* found = text.empty() ? std::getenv(name) : nullptr;  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return found == nullptr ? text : std::string(found);
  };
  const std::string host = or_environment(options.host, "KUBERNETES_SERVICE_HOST");
  const std::string port = or_environment(options.port, "KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty())
    return fail(Code::not_found, "this is no Pod (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set): name a kubeconfig");
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number == 0)
    return fail(Code::invalid, "KUBERNETES_SERVICE_PORT is \"{}\", which is no port", port);

  const std::filesystem::path ca_file = options.dir / "ca.crt", token_file = options.dir / "token";
  TRY_ASSIGN(std::string ca, pki::read_file(ca_file, kMaxAccessFile));
  TRY_ASSIGN(const std::string token, pki::read_file(token_file, kMaxAccessFile));
  Access access;
  access.source = "this Pod's ServiceAccount";
  access.servers = {{host, number}};
  access.server_name = host;
  TRY_ASSIGN(access.tls, net::TlsClient::make({.ca_pem = std::move(ca), .ca_file = ca_file.native(), .certificate = {}}));
  TRY_ASSIGN(access.token, token_of(token, token_file.native()));
  if (access.token.empty()) return fail(Code::invalid, "{} is empty", token_file.native());
  return access;
}

}  // namespace fairlead::kube
