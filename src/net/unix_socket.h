// unix_socket.h: listening and connecting at a path of the file system, for the admin endpoint of one machine.
//
// Invariant: the socket is never visible to others than its owner (mode 0600 from the moment it exists). A socket that a dead
// process left behind is replaced; one at which somebody listens, or a file of another kind, never is.
#pragma once
#include <string>

#include "net/network.h"
#include "runtime/asio_loop.h"

namespace fairlead::net {

// Code::exists when somebody listens there. The path goes with the listener. Its connections are adopted by any RealNetwork.
Result<std::unique_ptr<Listener>> listen_unix(AsioLoop& loop, const std::string& path);

// Code::not_found without a socket at the path, refused when nobody listens.
Result<std::unique_ptr<Stream>> connect_unix(AsioLoop& loop, const std::string& path);

}  // namespace fairlead::net
