#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "enrol/registry_impl.h"

namespace fairlead::enrol {
namespace {

// A join whose answer was lost is repeated at once, or when the edge's link is back.
constexpr Duration kRepeatFor = 24h;

struct StoredToken {
  std::optional<std::string> node;
  std::uint32_t uses_left;
  WallTime expires;
  bool revoked;
};

std::unexpected<JoinRefusal> refuse(JoinCode code, std::string sentence) { return std::unexpected(JoinRefusal{code, std::move(sentence)}); }

// The cause is the operator's business; the edge is told that there is one.
std::unexpected<JoinRefusal> broken(const Error& error) {
  log::error("enrol", "a join failed: {}", error);
  return error.code() == Code::overloaded ? refuse(JoinCode::overloaded, "the cloud is busy")
                                          : refuse(JoinCode::internal, "the cloud could not write its state");
}

std::expected<StoredToken, JoinRefusal> find(Database& db, const JoinToken& token) {
  auto s = db.prepare("SELECT hash, node, uses_left, expires, revoked FROM tokens WHERE id = ?", token.id());
  if (!s) return broken(s.error());
  const auto row = s->step();
  if (!row) return broken(row.error());
  // Whoever guesses learns the same from a wrong id and from a wrong secret.
  if (!*row || !pki::equal_secrets(s->blob(0), token.secret_hash()))
    return refuse(JoinCode::unknown_token, "this cloud has not given out such a token");
  StoredToken found{
      .node = std::nullopt, .uses_left = static_cast<std::uint32_t>(s->integer(2)), .expires = s->time(3), .revoked = !s->null(4)};
  if (!s->null(1)) found.node = s->text(1);
  if (found.revoked) return refuse(JoinCode::revoked_token, fmt::format("the token {} was revoked", token.id()));
  return found;
}

// Whether this very key has joined as this node with this token a while ago.
Result<bool> has_joined(Database& db, const JoinToken& token, const Candidate& candidate, WallTime now) {
  TRY_ASSIGN(Statement s, db.prepare("SELECT 1 FROM joins WHERE token = ? AND key = ? AND node = ? AND at > ?", token.id(),
                                     Bytes(candidate.key.bytes()), candidate.node.value(), now - kRepeatFor));
  return s.step();
}

}  // namespace

std::expected<void, JoinRefusal> Registry::check_token(const JoinToken& token, WallTime) {
  auto found = find(impl_->db, token);
  if (!found) return std::unexpected(found.error());
  return {};
}

std::expected<pki::Certificate, JoinRefusal> Registry::join(const JoinToken& token, const Candidate& candidate, Sign sign, const Actor& by,
                                                            WallTime now) {
  Database& db = impl_->db;
  auto transaction = Transaction::begin(db);
  if (!transaction) return broken(transaction.error());
  const auto stored = find(db, token);
  if (!stored) return std::unexpected(stored.error());
  if (stored->node && *stored->node != candidate.node.value())
    return refuse(JoinCode::wrong_name, fmt::format("the token {} is for node {}, not for {}", token.id(), *stored->node, candidate.node));
  const auto node = impl_->find_node(candidate.node);
  if (!node) return broken(node.error());
  const std::optional<NodeRecord>& known = *node;
  if (known && known->revoked) return refuse(JoinCode::revoked_node, fmt::format("node {} was revoked", candidate.node));

  const bool bound = known && known->key;
  const bool own = bound && *known->key == candidate.key;
  bool repeat = false;
  if (own) {
    const auto joined = has_joined(db, token, candidate, now);
    if (!joined) return broken(joined.error());
    repeat = *joined;
  }
  if (!repeat) {
    if (stored->uses_left == 0) return refuse(JoinCode::spent_token, fmt::format("the token {} was used up", token.id()));
    if (stored->expires <= now)
      return refuse(JoinCode::expired_token,
                    fmt::format("the token {} expired at {}, it is {} now", token.id(), to_rfc3339(stored->expires), to_rfc3339(now)));
    if (bound && !own && !stored->node)
      return refuse(JoinCode::name_taken, fmt::format("the name {} belongs to a node with another key", candidate.node));
  }

  std::optional<pki::Fingerprint> replaced;
  if (bound && !own) replaced = known->key;
  auto certificate = sign(replaced);
  if (!certificate) return broken(Error::wrap("make a certificate", certificate.error()));

  const auto write = [&]() -> Result<void> {
    if (!repeat) {
      TRY(db.run("UPDATE tokens SET uses_left = uses_left - 1 WHERE id = ?", token.id()));
      TRY(db.run("INSERT OR REPLACE INTO joins(token, key, node, at) VALUES(?, ?, ?, ?)", token.id(), Bytes(candidate.key.bytes()),
                 candidate.node.value(), now));
    }
    TRY(impl_->bind_node(candidate.node, IssuedCertificate::of(*certificate), now));
    std::string detail = fmt::format("token {}, key {}, serial {}", token.id(), candidate.key, certificate->serial());
    if (repeat) detail += ", again: its answer was lost";
    if (replaced) detail += fmt::format(", in the place of key {}", *replaced);
    TRY(impl_->write_line(by, now, "node.join", candidate.node.value(), std::move(detail)));
    return transaction->commit();
  };
  if (auto written = write(); !written) return broken(written.error());
  return *std::move(certificate);
}

}  // namespace fairlead::enrol
