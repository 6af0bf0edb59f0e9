#include <fmt/format.h>

#include <algorithm>

#include "enrol/registry_impl.h"

namespace fairlead::enrol {

TokenRecord::State TokenRecord::state(WallTime now) const {
  if (revoked) return State::revoked;
  if (uses_left == 0) return State::spent;
  return expires <= now ? State::expired : State::good;
}

std::string_view name(TokenRecord::State state) {
  switch (state) {
    case TokenRecord::State::good: return "good";
    case TokenRecord::State::spent: return "spent";
    case TokenRecord::State::expired: return "expired";
    case TokenRecord::State::revoked: return "revoked";
  }
  return "revoked";
}

Result<JoinToken> Registry::create_token(const TokenWish& wish, const Actor& by, WallTime now) {
  if (wish.uses == 0 || wish.uses > TokenWish::kMaxUses)
    return fail(Code::invalid, "a token for {} uses: 1 to {} can be had", wish.uses, TokenWish::kMaxUses);
  if (wish.lifetime <= 0ns || wish.lifetime > TokenWish::kMaxLifetime)
    return fail(Code::invalid, "a token for {}: more than nothing and at most {} can be had", to_text(wish.lifetime),
                to_text(TokenWish::kMaxLifetime));
  JoinToken token = JoinToken::generate();
  std::optional<std::string> node;
  if (wish.node) node = wish.node->value();
  Database& db = impl_->db;
  TRY_ASSIGN(Transaction t, Transaction::begin(db));
  TRY(db.run("DELETE FROM tokens WHERE max(expires, coalesce(revoked, 0)) < ?", now - kKeepTokens));
  TRY(db.run("INSERT INTO tokens(id, hash, node, uses, uses_left, created, expires, created_by) VALUES(?, ?, ?, ?, ?, ?, ?, ?)", token.id(),
             Bytes(token.secret_hash()), node, std::int64_t{wish.uses}, std::int64_t{wish.uses}, now, now + wish.lifetime, by.who));
  TRY(impl_->write_line(by, now, "token.create", token.id(),
                        fmt::format("{} uses, good for {}{}", wish.uses, to_text(wish.lifetime),
                                    wish.node ? fmt::format(", node {} only", *wish.node) : std::string())));
  TRY(t.commit());
  return token;
}

Result<std::vector<TokenRecord>> Registry::tokens() {
  TRY_ASSIGN(Statement s, impl_->db.prepare("SELECT id, node, uses, uses_left, created, expires, revoked, created_by FROM tokens "
                                            "ORDER BY created, id"));
  std::vector<TokenRecord> all;
  for (;;) {
    TRY_ASSIGN(const bool row, s.step());
    if (!row) return all;
    std::optional<NodeName> node;
    if (!s.null(1)) {
      TRY_ASSIGN(node, NodeName::parse(s.text(1)));
    }
    all.push_back({.id = s.text(0),
                   .node = std::move(node),
                   .uses = static_cast<std::uint32_t>(s.integer(2)),
                   .uses_left = static_cast<std::uint32_t>(s.integer(3)),
                   .created = s.time(4),
                   .expires = s.time(5),
                   .revoked = s.maybe_time(6),
                   .created_by = s.text(7)});
  }
}

Result<void> Registry::revoke_token(std::string_view id, const Actor& by, WallTime now) {
  Database& db = impl_->db;
  TRY_ASSIGN(Transaction t, Transaction::begin(db));
  TRY(db.run("UPDATE tokens SET revoked = coalesce(revoked, ?) WHERE id = ?", now, id));
  if (db.changed() == 0) return fail(Code::not_found, "there is no token {}: `fairlead token list` shows those there are", id);
  TRY(impl_->write_line(by, now, "token.revoke", std::string(id), ""));
  return t.commit();
}

}  // namespace fairlead::enrol
