// adoption.h: a node that is let in by its certificate and recorded nowhere, since the cloud was restored from a backup that is older: its
// name is bound to its key as soon as it connects. A name that is bound or was forgotten stays as it is.
#pragma once
#include "enrol/registry_thread.h"
#include "net/address.h"
#include "pki/identity.h"

namespace fairlead::enrol {

// For CloudLink::Options::connected: returns at once.
void note_connected(RegistryDesk& desk, const pki::Identity& peer, const net::SocketAddress& from, WallTime now);

}  // namespace fairlead::enrol
