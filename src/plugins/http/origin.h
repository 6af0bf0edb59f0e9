// origin.h: who is at the other end of a connection.
#pragma once
#include <string>

#include "net/tls.h"

namespace fairlead::http_plugin {

struct Origin {
  net::SocketAddress at;      // of ours, as the rules name it
  net::SocketAddress local;   // of ours, as the client dialled it
  net::SocketAddress peer;    // of the connection
  net::SocketAddress client;  // as a PROXY header told, else the peer
  std::string client_text;    // of client; each request needs it
  bool tls = false;
  net::TlsPeer tls_peer;
};

}  // namespace fairlead::http_plugin
