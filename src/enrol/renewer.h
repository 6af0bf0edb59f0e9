// renewer.h: the edge's side of renewal: keeps its certificate and its CAs current over the session, without ending it.
//
// Invariant: what is on disk works at every moment: the CAs are written before a certificate that needs them, each file whole or not at all,
// and nothing is written that was not checked: the certificate is for this node and this key, and of a CA in the bundle.
#pragma once
#include <optional>
#include <string>

#include "enrol/renewal.h"
#include "link/edge_link.h"

namespace fairlead::enrol {

// What the edge holds, and how it is replaced. Not on the loop where it blocks.
class RenewalStore {
 public:
  struct Held {
    pki::Certificate certificate;
    std::string trust_pem;
    pki::PrivateKey key;
  };
  virtual ~RenewalStore() = default;
  virtual Task<Result<Held>> load() = 0;
  // Either may be empty: kept as it is. When this returns, new handshakes use what was saved.
  virtual Task<Result<void>> save(std::string trust_pem, std::string certificate_pem) = 0;
};

// What was asked for is good for this edge: nothing, or why not.
Result<pki::Certificate> check_renewed(std::string_view certificate_pem, std::string_view trust_pem, const NodeName& node,
                                       const pki::Fingerprint& key);

class Renewer {
 public:
  static constexpr Duration kLook = 1h;  // asks anyway: a word of the cloud may have been lost with a session
  static constexpr Duration kRetryFirst = 2s, kRetryMost = 5min;
  static constexpr Duration kWrongClock = 1min;  // from here on a person is told

  Renewer(Loop& loop, link::EdgeLink& link, RenewalStore& store, NodeName node)
      : loop_(loop), link_(link), store_(store), node_(std::move(node)), woken_(loop) {}

  // Until destroyed.
  Task<void> run();
  // The cloud has said that something changed.
  void wake() {
    asked_for_ = true;
    woken_.wake_all();
  }

  // How far this machine's clock is ahead of the cloud's, as far as that is known.
  Duration clock_skew() const { return skew_; }

 private:
  // Once what is there is current: when to look again.
  Task<Result<TimePoint>> make_current();
  Task<Result<RenewalAnswer>> ask(RenewalRequest request);
  Task<void> pause(TimePoint until);

  Loop& loop_;
  link::EdgeLink& link_;
  RenewalStore& store_;
  const NodeName node_;
  Duration skew_{};
  bool told_skew_ = false;
  bool asked_for_ = false;
  WaitQueue woken_;
};

}  // namespace fairlead::enrol
