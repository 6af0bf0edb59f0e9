// join_code.h: how a join ended: a code for programs, a sentence for people, and what to do about it. The same on both sides.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace fairlead::enrol {

// As proto/fairlead/v1/enrol.proto numbers them; also the application close codes of a join connection.
enum class JoinCode : std::uint8_t {
  ok,
  unknown_token,  // not one of this cloud's: mistyped, of another cloud, or long gone
  expired_token,
  spent_token,
  revoked_token,
  wrong_name,        // the token is for another node, or the request names none
  name_taken,        // the name is bound to another key
  revoked_node,      // the name or the key is on the list of the revoked
  bad_request,       // a message that cannot be, or a certificate request that cannot be read or trusted
  replayed_request,  // a certificate request that was made for another connection
  too_many_tries,    // of this source address
  overloaded,
  no_authority,  // this cloud does not hold the CA's key
  deadline,      // the edge was silent for too long
  internal,
  wrong_pin,   // the edge's own, with which it closes: no certificate that the cloud shows has the pinned key,
  wrong_ca,    // or the cloud's was not issued by that CA, or is no good,
  wrong_time,  // or is good at another time than this machine's clock says
  too_late,    // the cloud's again: a certificate has expired so long ago that it is not renewed by its key
};
std::string_view name(JoinCode code);
// What a cloud says; unknown ones are `internal`.
JoinCode join_code(std::uint64_t on_wire);
// What the operator or the edge's user is to do.
std::string_view mend(JoinCode code);
// True when the same try will not succeed later.
bool is_final(JoinCode code);

struct JoinRefusal {
  JoinCode code;
  std::string sentence;

  std::string text() const;  // "CODE: sentence. Mend."
  Error error() const;
};

}  // namespace fairlead::enrol
