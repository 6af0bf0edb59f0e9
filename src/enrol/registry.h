// registry.h: what the cloud must not forget: tokens, nodes with the key each name is bound to, and the audit log. `D/state.db`, SQLite.
//
// Invariant: what a call has returned as done survives kill -9 and loss of power (WAL, synchronous=FULL), and each call is one
// transaction: a token is never spent without its node bound and its certificate recorded, nor the other way round. Several processes
// may have the file open: the running cloud and the commands of people wait for each other (up to kBusy).
//
// Every call blocks, so it is not for a loop: RegistryThread (registry_thread.h) is the way from there. One thread at a time.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "base/ids.h"
#include "enrol/audit.h"
#include "enrol/join_code.h"
#include "enrol/token.h"
#include "pki/certificate.h"

namespace fairlead::enrol {

constexpr char kStateFile[] = "state.db";

struct TokenWish {
  static constexpr std::uint32_t kMaxUses = 1'000'000;
  static constexpr Duration kMaxLifetime = 24h * 366;
  std::optional<NodeName> node;  // good for this name only, and then for a new key of it, too
  std::uint32_t uses = 1;
  Duration lifetime = 1h;
};

struct TokenRecord {
  enum class State : std::uint8_t { good, spent, expired, revoked };
  std::string id;
  std::optional<NodeName> node;
  std::uint32_t uses, uses_left;
  WallTime created, expires;
  std::optional<WallTime> revoked;
  std::string created_by;
  State state(WallTime now) const;
};
std::string_view name(TokenRecord::State state);

struct NodeRecord {
  NodeName name;
  std::optional<pki::Fingerprint> key;  // what the name is bound to; none: forgotten, free for the next who joins
  std::optional<pki::Serial> serial;    // of the last certificate
  WallTime not_after;                   // of that certificate
  std::map<std::string, std::string> labels;
  WallTime first_join, last_issue;  // last_issue: by join, renewal or `cert issue`
  std::optional<WallTime> forgotten, revoked;
  std::optional<WallTime> late_until;  // until then its key alone renews a certificate that has expired, whatever the policy
  std::optional<pki::Sha256> trust;    // digest of the ca.pem that the node has said to hold, with a certificate that goes with it
};

// What is recorded of a certificate.
struct IssuedCertificate {
  pki::Fingerprint key;
  pki::Serial serial;
  WallTime not_after;
  static IssuedCertificate of(const pki::Certificate& c) { return {c.fingerprint(), c.serial(), c.not_after()}; }
};

// An edge that asks to join; its certificate request was found good.
struct Candidate {
  NodeName node;
  pki::Fingerprint key;
};

class Registry {
 public:
  // The oldest lines go first. Refusals, which strangers can cause, have their own share, so that a flood of them pushes nothing else out.
  static constexpr std::size_t kAuditLines = 80'000;
  static constexpr std::size_t kRefusalLines = 20'000;
  static constexpr std::size_t kPruneEvery = 256;  // so many lines more there may be for a while
  static constexpr Duration kBusy = 10s;
  static constexpr std::size_t kMaxLabels = 128;     // of a node, set here; a node of Kubernetes has some 20
  static constexpr Duration kKeepTokens = 24h * 30;  // after their end, so that a list shows why an edge was refused

  // Makes the file (0600) if it is not there. Refuses one of a later version.
  static Result<Registry> open(const std::filesystem::path& dir);
  Registry(Registry&&) noexcept;
  Registry& operator=(Registry&&) noexcept;
  ~Registry();

  // Tokens.
  Result<JoinToken> create_token(const TokenWish& wish, const Actor& by, WallTime now);
  Result<std::vector<TokenRecord>> tokens();  // oldest first
  Result<void> revoke_token(std::string_view id, const Actor& by, WallTime now);

  // Whether a join with this token may go on, without changing anything. What it says may be out of date at join(), which decides.
  std::expected<void, JoinRefusal> check_token(const JoinToken& token, WallTime now);

  // One transaction: checks token and name, has the certificate made, spends a use, binds the name and records the certificate.
  // The same key with the same token again (its answer was lost) gets a certificate anew and spends nothing, even when the token has
  // ended meanwhile. `sign` is told the key that loses the name by this join, if there is one; when it fails nothing was done.
  using Sign = FunctionRef<Result<pki::Certificate>(const std::optional<pki::Fingerprint>& replaced)>;
  std::expected<pki::Certificate, JoinRefusal> join(const JoinToken& token, const Candidate& candidate, Sign sign, const Actor& by,
                                                    WallTime now);

  // Nodes.
  Result<std::vector<NodeRecord>> nodes();  // by name
  Result<std::optional<NodeRecord>> node(const NodeName& name);
  // Code::not_found for a name that is not there; the first two return the node as it was before.
  Result<NodeRecord> forget_node(const NodeName& name, std::string_view why, const Actor& by, WallTime now);
  Result<NodeRecord> set_revoked(const NodeName& name, bool revoked, std::string_view why, const Actor& by, WallTime now);
  // Until then the node's certificate is renewed by its key alone also when it has expired; none: as the policy says. Ends when the name
  // goes to another key. Code::forbidden for a name that is forgotten or revoked.
  Result<void> set_late_until(const NodeName& name, const std::optional<WallTime>& until, std::string_view why, const Actor& by,
                              WallTime now);
  Result<bool> any_late(WallTime now);  // whether there is a node for which that is so
  // A label without a value is taken away; the others stay. Returns the labels as they are now.
  using LabelChanges = std::map<std::string, std::optional<std::string>>;
  Result<std::map<std::string, std::string>> change_labels(const NodeName& name, const LabelChanges& changes, const Actor& by,
                                                           WallTime now);
  // A certificate that was issued otherwise than by a token: binds a name that was never here; one that is bound to another key, was
  // forgotten or is revoked is refused (Code::forbidden) unless `rebind`.
  enum class Rebind : std::uint8_t { refuse, allow };
  Result<void> record_issue(const NodeName& name, const pki::Certificate& certificate, Rebind rebind, std::string_view what,
                            const Actor& by, WallTime now);

  // A node that was let in by a good certificate: if its name was never here it is bound to the certificate's key.
  enum class Adoption : std::uint8_t { known, adopted, forgotten, other_key };
  Result<Adoption> adopt(const NodeName& name, const IssuedCertificate& certificate, const Actor& by, WallTime now);

  using LabelsOfNodes = std::map<NodeName, std::map<std::string, std::string>>;
  Result<LabelsOfNodes> labels();  // of all nodes that have any
  // Another number whenever another connection to the file, of this process or not, has changed it.
  Result<std::int64_t> seen_version();

  Result<void> note_trust(const NodeName& name, const pki::Sha256& digest);

  // The CAs that this state belongs to, as ca.pem has them: recorded the first time, and whenever one is added or removed. Code::invalid when
  // none of them is known: the folder is put together from two.
  Result<void> agree_on_authorities(const std::vector<pki::Fingerprint>& authorities);

  // The audit log.
  Result<void> note(std::span<const AuditLine> lines);     // all in one transaction; whose `what` ends in ".refused" is a refusal
  Result<std::vector<AuditLine>> audit(std::size_t last);  // the newest `last`, oldest first
  // A whole and consistent copy of the state into a new file, also while others write.
  Result<void> copy_to(const std::filesystem::path& file);

 private:
  struct Impl;
  explicit Registry(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::enrol
