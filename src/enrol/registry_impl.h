// registry_impl.h: what the parts of the registry share. Only registry*.cpp include it.
#pragma once
#include "enrol/database.h"
#include "enrol/registry.h"

namespace fairlead::enrol {

struct Registry::Impl {
  Database db;

  // All inside the caller's transaction.
  Result<void> write_line(const AuditLine& line);
  Result<void> write_line(const Actor& by, WallTime now, std::string what, std::string subject, std::string detail);
  Result<std::optional<NodeRecord>> find_node(const NodeName& name);
  // Binds the name to the certificate's key, and records it as the name's last.
  Result<void> bind_node(const NodeName& name, const IssuedCertificate& certificate, WallTime now);
};

}  // namespace fairlead::enrol
