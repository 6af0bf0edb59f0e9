// GatewayTLSConfig of an HTTPS listener: files on the machine that listens, by options of Fairlead's own.
#include <array>

#include "route/kinds.h"
#include "route/suggestion.h"

namespace fairlead::route {
namespace {

constexpr std::size_t kMaxRefs = 64;     // Gateway API
constexpr std::size_t kMaxOptions = 16;  // Gateway API
constexpr std::string_view kCertificate = "fairlead.dev/certificate-file";
constexpr std::string_view kKey = "fairlead.dev/key-file";
constexpr std::string_view kClientCa = "fairlead.dev/client-ca-file";
constexpr std::string_view kClientAuth = "fairlead.dev/client-auth";
constexpr std::array kOptions = {kCertificate, kKey, kClientCa, kClientAuth};

void decode_file(const Field& f, std::string& out) {
  decode(f, out);
  if (out.empty() || out.find('\0') != out.npos) f.error("the name of a file is needed");
}

void decode_option(const Member& m, const Field& f, ListenerTls& out) {
  using enum ListenerTls::ClientAuth;
  if (m.name == kCertificate) return decode_file(f, out.certificate_file);
  if (m.name == kKey) return decode_file(f, out.key_file);
  if (m.name == kClientCa) return decode_file(f, out.client_ca_file);
  if (m.name == kClientAuth) return one_of(out.client_auth, {{"none", none}, {"optional", optional}, {"required", required}})(f);
  if (m.name.starts_with("fairlead.dev/"))
    f.report(Severity::error, m.at, "unknown option " + shown(m.name) + did_you_mean(m.name, kOptions));
  else
    f.report(Severity::warning, m.at, "an option of another implementation: ignored");
}

}  // namespace

void decode_tls(const Field& f, Listener& out) {
  ListenerTls& tls = out.tls.emplace();
  Object o(f);
  bool passthrough = false;
  o.optional("mode", one_of(passthrough, {{"Terminate", false}, {"Passthrough", true}}));
  if (passthrough) f.error("an HTTPS listener ends TLS itself: mode Terminate");
  o.optional("certificateRefs", [&](const Field& list) {
    list.items(0, kMaxRefs, [&](const Field& ref) {
      Object r(ref);
      std::string text;
      out.names_secrets = true;
      r.optional("group", text);
      r.optional("kind", text);
      r.optional("namespace", checked(text, check_dns_label));
      r.required("name", checked(text, check_dns_subdomain));
    });
  });
  o.optional("options", [&](const Field& options) {
    if (options.node().members.size() > kMaxOptions) options.error("at most {} allowed", kMaxOptions);
    options.entries([&](const Member& m, const Field& value) { decode_option(m, value, tls); });
  });
  o.not_supported("frontendValidation");
  if (!out.names_secrets && tls.certificate_file.empty()) f.error("certificateRefs or options {} and {} are needed", kCertificate, kKey);
  if (tls.certificate_file.empty() != tls.key_file.empty()) f.error("options {} and {}: both are needed", kCertificate, kKey);
  if (tls.client_auth != ListenerTls::ClientAuth::none && tls.client_ca_file.empty())
    f.error("{} needs {}, whose certificates are those of clients' CAs", kClientAuth, kClientCa);
}

}  // namespace fairlead::route
