// totals.h: numbers over the sessions of one loop. Those of sessions that are over are kept, so that a sum never goes back.
#pragma once
#include <cstdint>

#include "link/flow.h"
#include "net/mux.h"

namespace fairlead::link {

struct LinkTotals {
  std::uint64_t flows_opened = 0, flows_refused = 0, bytes_in = 0, bytes_out = 0, packets_sent = 0, packets_lost = 0;
  std::uint64_t silences = 0, moves = 0, copies_sent = 0, copies_received = 0, copies_used = 0;
  std::uint64_t flows_open = 0, sessions = 0, suspect = 0;  // now
  std::uint64_t over_tcp = 0;                               // of the sessions
  std::uint64_t fallbacks = 0;                              // sessions over TCP that there were

  void add(const FlowTally& flows, const net::MuxStats& carrier) {
    flows_opened += flows.opened;
    flows_refused += flows.refused;
    bytes_in += flows.bytes_in;
    bytes_out += flows.bytes_out;
    packets_sent += carrier.packets_sent;
    packets_lost += carrier.packets_lost;
    silences += carrier.silences;
    moves += carrier.moves;
    copies_sent += carrier.copies_sent;
    copies_received += carrier.copies_received;
    copies_used += carrier.copies_used;
    flows_open += flows.open;
  }
  void add(const LinkTotals& other) {
    flows_opened += other.flows_opened;
    flows_refused += other.flows_refused;
    bytes_in += other.bytes_in;
    bytes_out += other.bytes_out;
    packets_sent += other.packets_sent;
    packets_lost += other.packets_lost;
    silences += other.silences;
    moves += other.moves;
    copies_sent += other.copies_sent;
    copies_received += other.copies_received;
    copies_used += other.copies_used;
    flows_open += other.flows_open;
    sessions += other.sessions;
    suspect += other.suspect;
    over_tcp += other.over_tcp;
    fallbacks += other.fallbacks;
  }
};

}  // namespace fairlead::link
