// folder.h: which identity file lies where in a component's folder.
//
//   cloud   ca.pem  ca-key.pem  cloud.pem  cloud-key.pem  secret.key  revoked
//   edge    ca.pem  edge.pem  edge-key.pem                 the node's name is in edge.pem
//
// New folders come complete or not at all, with mode 0700, keys with 0600. Errors say which file and what to do. Blocking: at start and
// in commands, and off the loops at reload.
#pragma once
#include <filesystem>
#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/ids.h"
#include "base/time.h"
#include "pki/authority.h"
#include "pki/credentials.h"
#include "pki/link_secrets.h"
#include "pki/names.h"
#include "pki/revocation.h"

namespace fairlead::pki {

namespace file_name {
constexpr char kAuthority[] = "ca.pem";
constexpr char kAuthorityKey[] = "ca-key.pem";
constexpr char kCloud[] = "cloud.pem";
constexpr char kCloudKey[] = "cloud-key.pem";
constexpr char kSecret[] = "secret.key";
constexpr char kRevoked[] = "revoked";
constexpr char kEdge[] = "edge.pem";
constexpr char kEdgeKey[] = "edge-key.pem";
}  // namespace file_name

// Adds what belongs to other layers (config, routes) to a folder that is being made; its failure undoes all.
using AlsoWrite = FunctionRef<Result<void>(const std::filesystem::path& staging)>;
inline constexpr auto nothing_else = [](const std::filesystem::path&) -> Result<void> { return {}; };

// A new CA, a certificate for `names` (what edges dial), a master secret and an empty revocation list.
Result<void> init_cloud_folder(const std::filesystem::path& dir, const std::vector<HostName>& names, WallTime now,
                               AlsoWrite also = nothing_else);

// A new key and certificate for `node`, signed by the CA in `cloud_dir`, in the new folder `out`, which is to be copied to the node.
Result<Certificate> issue_edge_folder(const std::filesystem::path& cloud_dir, const NodeName& node, const std::filesystem::path& out,
                                      WallTime now, Duration lifetime = kEdgeLifetime, AlsoWrite also = nothing_else);

// Replaces cloud.pem by one for the same key with a new lifetime; `names` if there are any, else those it has.
Result<Certificate> renew_cloud_certificate(const std::filesystem::path& dir, const std::vector<HostName>& names, WallTime now,
                                            Duration lifetime = kServerLifetime);

// One line more in `revoked`, whole or not at all; commands that do this at the same time wait for each other. A list that cannot be
// read is refused as it is.
using Revocable = std::variant<NodeName, Fingerprint, Serial>;
Result<void> add_revocation(const std::filesystem::path& dir, const Revocable& what, std::string_view comment);
// Takes out the lines that name the node; nothing is written if there are none.
Result<void> remove_revocation(const std::filesystem::path& dir, const NodeName& node);

// What the master secret says of CAs, so that replicas which share it cannot start with others. The file is replaced where it lies, also if
// secret.key is a link to it; commands that do this at the same time wait for each other. The caller holds the folder's lock.
Result<void> write_secret_authorities(const std::filesystem::path& dir, const std::vector<Fingerprint>& authorities);
// The same with those of ca.pem, if it says nothing yet. Takes the lock.
Result<void> write_first_secret_authorities(const std::filesystem::path& dir);

struct CloudIdentity {
  std::shared_ptr<const Credentials> credentials;  // shows the CA's certificate, too: who joins checks it against a pin
  MasterSecret master;
  RevocationList revoked;
};
struct EdgeIdentity {
  std::shared_ptr<const Credentials> credentials;
  NodeName node;
};
// Refuses a master secret that names a CA which ca.pem lacks: replicas that share the secret have the same CAs, or edges that one lets in
// are strangers to the other. ca.pem may have one more: it is written before the secret when a CA comes, after it when one goes.
Result<CloudIdentity> load_cloud(const std::filesystem::path& dir);
Result<EdgeIdentity> load_edge(const std::filesystem::path& dir);
Result<Authority> load_authority(const std::filesystem::path& cloud_dir);

}  // namespace fairlead::pki
