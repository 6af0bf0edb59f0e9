// splice.h: joins a flow and a socket until both directions have ended or either side fails; the failure is passed on.
//
// Half-close is kept both ways. A reset of the socket aborts the flow with RESET, an abort of the flow resets the socket: each once what
// was read before has been delivered, as far as there is progress. Destroying the task breaks off both at once. No byte is
// copied between here and there: the socket is read into the flow's send buffer and written from its receive buffer, and a buffer is
// taken only when there is something to read, so that an idle connection holds none.
#pragma once
#include <string>

#include "link/flow.h"
#include "net/stream.h"

namespace fairlead::link {

struct SpliceEnd {
  FlowCode code = FlowCode::ok;  // ok: both sides said that they were done
  bool by_flow = false;          // the failure came over the link; else from the socket
  bool refused = false;          // the far side never connected
  std::string message;
};

// The acceptor's side: its flow was accepted.
Task<SpliceEnd> splice(Flow& flow, net::Stream& socket);
// The opener's side: sends at once what the socket has, and waits for the far side's answer before anything comes back. A refusal
// resets the socket.
Task<SpliceEnd> splice_opened(Flow& flow, net::Stream& socket);

}  // namespace fairlead::link
