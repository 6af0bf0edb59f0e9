#include <fmt/format.h>

#include <algorithm>

#include "enrol/registry_impl.h"

namespace fairlead::enrol {
namespace {

constexpr char kColumns[] =
    "SELECT name, key, serial, not_after, first_join, last_issue, forgotten, revoked, trust, late_until FROM nodes ";

Result<NodeRecord> read(const Statement& s) {
  TRY_ASSIGN(NodeName name, NodeName::parse(s.text(0)));
  NodeRecord node{.name = std::move(name),
                  .key = std::nullopt,
                  .serial = std::nullopt,
                  .not_after = s.time(3),
                  .labels = {},
                  .first_join = s.time(4),
                  .last_issue = s.time(5),
                  .forgotten = s.maybe_time(6),
                  .revoked = s.maybe_time(7),
                  .late_until = s.maybe_time(9),
                  .trust = std::nullopt};
  if (!s.null(1)) {
    const Bytes key = s.blob(1);
    pki::Sha256 digest{};
    if (key.size() != digest.size()) return fail(Code::invalid, "the key of node {} has {} bytes", node.name, key.size());
    std::ranges::copy(key, digest.begin());
    node.key = pki::Fingerprint(digest);
  }
  if (const Bytes trust = s.blob(8); trust.size() == sizeof(pki::Sha256)) std::ranges::copy(trust, node.trust.emplace().begin());
  if (!s.null(2)) {
    TRY_ASSIGN(node.serial, pki::Serial::parse(s.text(2)));
  }
  return node;
}

Result<void> read_labels(Database& db, NodeRecord& node) {
  TRY_ASSIGN(Statement s, db.prepare("SELECT key, value FROM labels WHERE node = ?", node.name.value()));
  for (;;) {
    TRY_ASSIGN(const bool row, s.step());
    if (!row) return {};
    node.labels.emplace(s.text(0), s.text(1));
  }
}

std::unexpected<Error> no_node(const NodeName& name) {
  return fail(Code::not_found, "no node {} has ever joined: `fairlead node list` shows those that have", name);
}

}  // namespace

Result<std::vector<NodeRecord>> Registry::nodes() {
  TRY_ASSIGN(Statement s, impl_->db.prepare((std::string(kColumns) + "ORDER BY name").c_str()));
  std::vector<NodeRecord> all;
  for (;;) {
    TRY_ASSIGN(const bool row, s.step());
    if (!row) return all;
    TRY_ASSIGN(NodeRecord node, read(s));
    TRY(read_labels(impl_->db, node));
    all.push_back(std::move(node));
  }
}

Result<std::optional<NodeRecord>> Registry::node(const NodeName& name) { return impl_->find_node(name); }

Result<std::optional<NodeRecord>> Registry::Impl::find_node(const NodeName& name) {
  TRY_ASSIGN(Statement s, db.prepare((std::string(kColumns) + "WHERE name = ?").c_str(), name.value()));
  TRY_ASSIGN(const bool row, s.step());
  if (!row) return std::nullopt;
  TRY_ASSIGN(NodeRecord node, read(s));
  TRY(read_labels(db, node));
  return node;
}

Result<void> Registry::Impl::bind_node(const NodeName& name, const IssuedCertificate& certificate, WallTime now) {
  return db.run(
      "INSERT INTO nodes(name, key, serial, not_after, first_join, last_issue) VALUES(?1, ?2, ?3, ?4, ?5, ?5) "
      "ON CONFLICT(name) DO UPDATE SET key = ?2, serial = ?3, not_after = ?4, last_issue = ?5, forgotten = NULL, "
      "late_until = CASE WHEN key = ?2 THEN late_until END",
      name.value(), Bytes(certificate.key.bytes()), certificate.serial.to_text(), certificate.not_after, now);
}

Result<NodeRecord> Registry::forget_node(const NodeName& name, std::string_view why, const Actor& by, WallTime now) {
  TRY_ASSIGN(Transaction t, Transaction::begin(impl_->db));
  TRY_ASSIGN(std::optional<NodeRecord> node, impl_->find_node(name));
  if (!node) return no_node(name);
  TRY(impl_->db.run("UPDATE nodes SET key = NULL, late_until = NULL, forgotten = ? WHERE name = ?", now, name.value()));
  TRY(impl_->write_line(by, now, "node.forget", name.value(), std::string(why)));
  TRY(t.commit());
  return *std::move(node);
}

Result<NodeRecord> Registry::set_revoked(const NodeName& name, bool revoked, std::string_view why, const Actor& by, WallTime now) {
  TRY_ASSIGN(Transaction t, Transaction::begin(impl_->db));
  TRY_ASSIGN(std::optional<NodeRecord> node, impl_->find_node(name));
  if (!node) return no_node(name);
  std::optional<WallTime> at;
  if (revoked) at = node->revoked.value_or(now);
  TRY(impl_->db.run("UPDATE nodes SET revoked = ? WHERE name = ?", at, name.value()));
  TRY(impl_->write_line(by, now, revoked ? "node.revoke" : "node.readmit", name.value(), std::string(why)));
  TRY(t.commit());
  return *std::move(node);
}

Result<void> Registry::set_late_until(const NodeName& name, const std::optional<WallTime>& until, std::string_view why, const Actor& by,
                                      WallTime now) {
  TRY_ASSIGN(Transaction t, Transaction::begin(impl_->db));
  TRY_ASSIGN(const std::optional<NodeRecord> node, impl_->find_node(name));
  if (!node) return no_node(name);
  if (until && !node->key) return fail(Code::forbidden, "the name {} was forgotten: the machine joins anew, with a token", name);
  if (until && node->revoked)
    return fail(Code::forbidden, "node {} is revoked: `fairlead node readmit {}` lets it in again, then it can be renewed", name, name);
  TRY(impl_->db.run("UPDATE nodes SET late_until = ? WHERE name = ?", until, name.value()));
  std::string detail = until ? "until " + to_rfc3339(*until) : "taken back";
  if (!why.empty()) detail += fmt::format(": {}", why);
  TRY(impl_->write_line(by, now, "node.renew-grace", name.value(), std::move(detail)));
  return t.commit();
}

Result<bool> Registry::any_late(WallTime now) {
  TRY_ASSIGN(Statement s, impl_->db.prepare("SELECT 1 FROM nodes WHERE late_until > ? LIMIT 1", now));
  return s.step();
}

Result<std::map<std::string, std::string>> Registry::change_labels(const NodeName& name, const LabelChanges& changes, const Actor& by,
                                                                   WallTime now) {
  TRY_ASSIGN(Transaction t, Transaction::begin(impl_->db));
  TRY_ASSIGN(std::optional<NodeRecord> node, impl_->find_node(name));
  if (!node) return no_node(name);
  std::map<std::string, std::string> labels = std::move(node->labels);
  std::string text;
  for (const auto& [key, value] : changes) {
    if (!text.empty()) text += ' ';
    if (value) {
      TRY(impl_->db.run("INSERT OR REPLACE INTO labels(node, key, value) VALUES(?, ?, ?)", name.value(), key, *value));
      labels[key] = *value;
      text += fmt::format("{}={}", key, *value);
    } else {
      TRY(impl_->db.run("DELETE FROM labels WHERE node = ? AND key = ?", name.value(), key));
      labels.erase(key);
      text += key + '-';
    }
  }
  if (labels.size() > kMaxLabels) return fail(Code::too_large, "{} labels; a node has at most {}", labels.size(), kMaxLabels);
  TRY(impl_->write_line(by, now, "node.label", name.value(), text));
  TRY(t.commit());
  return labels;
}

Result<Registry::LabelsOfNodes> Registry::labels() {
  TRY_ASSIGN(Statement s, impl_->db.prepare("SELECT node, key, value FROM labels"));
  LabelsOfNodes all;
  for (;;) {
    TRY_ASSIGN(const bool row, s.step());
    if (!row) return all;
    TRY_ASSIGN(NodeName node, NodeName::parse(s.text(0)));
    all[std::move(node)].emplace(s.text(1), s.text(2));
  }
}

Result<std::int64_t> Registry::seen_version() {
  TRY_ASSIGN(Statement s, impl_->db.prepare("PRAGMA data_version"));
  TRY_ASSIGN(const bool row, s.step());
  return row ? s.integer(0) : 0;
}

Result<void> Registry::note_trust(const NodeName& name, const pki::Sha256& digest) {
  TRY_ASSIGN(const std::optional<NodeRecord> known, node(name));
  if (!known || known->trust == digest) return {};  // each edge says it at each connect: mostly nothing is to be written
  return impl_->db.run("UPDATE nodes SET trust = ? WHERE name = ?", Bytes(digest), name.value());
}

Result<void> Registry::record_issue(const NodeName& name, const pki::Certificate& certificate, Rebind rebind, std::string_view what,
                                    const Actor& by, WallTime now) {
  TRY_ASSIGN(Transaction t, Transaction::begin(impl_->db));
  TRY_ASSIGN(const std::optional<NodeRecord> node, impl_->find_node(name));
  if (rebind == Rebind::refuse && node && !node->key)
    return fail(Code::forbidden, "the name {} was forgotten: who takes it needs a token", name);
  if (rebind == Rebind::refuse && node && *node->key != certificate.fingerprint())
    return fail(Code::forbidden, "the name {} is bound to another key", name);
  if (rebind == Rebind::refuse && node && node->revoked) return fail(Code::forbidden, "node {} is revoked", name);
  TRY(impl_->bind_node(name, IssuedCertificate::of(certificate), now));
  TRY(impl_->write_line(by, now, std::string(what), name.value(), fmt::format("serial {}", certificate.serial())));
  return t.commit();
}

Result<Registry::Adoption> Registry::adopt(const NodeName& name, const IssuedCertificate& certificate, const Actor& by, WallTime now) {
  const auto standing = [&]() -> Result<std::optional<Adoption>> {
    TRY_ASSIGN(const std::optional<NodeRecord> node, impl_->find_node(name));
    if (!node) return std::nullopt;
    if (!node->key) return Adoption::forgotten;
    return *node->key == certificate.key ? Adoption::known : Adoption::other_key;
  };
  TRY_ASSIGN(std::optional<Adoption> now_is, standing());  // nearly always it is known: nothing is locked for that
  if (now_is) return *now_is;
  TRY_ASSIGN(Transaction t, Transaction::begin(impl_->db));
  TRY_ASSIGN(now_is, standing());
  if (now_is) return *now_is;
  TRY(impl_->bind_node(name, certificate, now));
  TRY(impl_->write_line(
      by, now, "node.adopt", name.value(),
      fmt::format("connected with a good certificate and was not recorded; key {}, serial {}", certificate.key, certificate.serial)));
  TRY(t.commit());
  return Adoption::adopted;
}

}  // namespace fairlead::enrol
