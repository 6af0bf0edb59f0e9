#include "pki/refusal.h"

#include <fmt/format.h>

#include <array>

#include "pki/printable.h"

namespace fairlead::pki {
namespace {

struct Row {
  RefusalReason reason;
  std::string_view name;
  std::uint8_t alert;         // RFC 8446, 6.2
  std::string_view sentence;  // when the other side gave none
};
// Read back by alert, the first row counts.
constexpr std::array<Row, 8> kRows = {{
    {RefusalReason::no_certificate, "no_certificate", 116, "a certificate is required"},
    {RefusalReason::malformed, "malformed", 42, "the certificate is malformed, or was not accepted for a reason that was not given"},
    {RefusalReason::wrong_ca, "wrong_ca", 48, "the certificate's CA is not known there"},
    {RefusalReason::revoked, "revoked", 44, "the certificate is revoked"},
    {RefusalReason::expired, "expired", 45, "the certificate has expired or is not valid yet"},
    {RefusalReason::not_yet_valid, "not_yet_valid", 45, "the certificate is not valid yet"},
    {RefusalReason::wrong_usage, "wrong_usage", 43, "the certificate is not for this use"},
    {RefusalReason::wrong_name, "wrong_name", 49, "the certificate has another name than the one that is expected"},
}};

const Row& row(RefusalReason reason) {
  for (const Row& r : kRows)
    if (r.reason == reason) return r;
  std::unreachable();
}

}  // namespace

std::string_view name(RefusalReason reason) { return row(reason).name; }

std::uint8_t Refusal::alert() const { return row(reason).alert; }

std::string Refusal::close_text() const { return printable(fmt::format("{}: {}", name(reason), for_peer), kMaxCloseText); }

Error Refusal::error() const { return {Code::unauthenticated, message}; }

std::optional<Refusal> Refusal::from_close(std::uint8_t alert, std::string_view text) {
  for (const Row& r : kRows) {  // the name in the text tells apart what shares an alert
    const std::size_t colon = r.name.size();
    if (r.alert == alert && text.starts_with(r.name) && text.substr(colon).starts_with(": ") && text.size() > colon + 2)
      return Refusal{r.reason, printable(text.substr(colon + 2), kMaxCloseText), {}};
  }
  for (const Row& r : kRows)
    if (r.alert == alert) return Refusal{r.reason, text.empty() ? std::string(r.sentence) : printable(text, kMaxCloseText), {}};
  return std::nullopt;
}

}  // namespace fairlead::pki
