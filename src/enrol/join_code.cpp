#include "enrol/join_code.h"

#include <fmt/format.h>

#include <array>

namespace fairlead::enrol {
namespace {

struct Words {
  std::string_view name;
  bool final;
  std::string_view mend;
};
constexpr std::array kWords = {
    Words{"OK", true, ""},
    Words{"UNKNOWN_TOKEN", true, "Check that the whole line was copied and is for this cloud, or make a new one: `fairlead token create`."},
    Words{"EXPIRED_TOKEN", true, "Make a new one in the cloud: `fairlead token create`, with a longer --ttl if need be."},
    Words{"SPENT_TOKEN", true, "Make a new one in the cloud: `fairlead token create`, with --uses N for several edges."},
    Words{"REVOKED_TOKEN", true, "Ask the operator of the cloud why; a new one is made with `fairlead token create`."},
    Words{"WRONG_NAME", true, "Join with --node and the name that the token is for, or make a token for this name."},
    Words{"NAME_TAKEN", true,
          "If this node was set up anew: `fairlead node forget NAME` in the cloud, or a token for it: `fairlead token create --node NAME`. "
          "Else choose another --node."},
    Words{"REVOKED_NODE", true, "If the node is to come back, the operator of the cloud readmits it: `fairlead node readmit NAME`."},
    Words{"BAD_REQUEST", true, "Use the same version of Fairlead on both sides; if it stays so, this is a defect."},
    Words{"REPLAYED_REQUEST", true, "Somebody has copied the request of another join: see the cloud's audit log."},
    Words{"TOO_MANY_TRIES", false, "Wait a minute; failed tries from one address are limited."},
    Words{"OVERLOADED", false, "Nothing: the edge tries again by itself."},
    Words{"NO_AUTHORITY", true, "Join at the cloud that holds ca-key.pem, or make the folder with `fairlead cert issue`."},
    Words{"DEADLINE", false, "Nothing: the edge tries again by itself."},
    Words{"INTERNAL", false, "See the cloud's log; the edge tries again by itself."},
    Words{"WRONG_PIN", true, "Check --ca-pin against `fairlead token create` or `fairlead init`, and --join: it may be another cloud."},
    Words{"WRONG_CA", true, "Somebody may be between this edge and the cloud: nothing was sent. Check --join and --ca-pin."},
    Words{"WRONG_TIME", false,
          "Set this machine's clock; the edge tries again by itself. If the clock is right: `fairlead cert renew` in the cloud."},
    Words{"TOO_LATE", true,
          "In the cloud, `fairlead node renew-grace NAME`: the edge asks again by itself. Or join anew with a token for this node, "
          "`fairlead token create --node NAME`, in a new folder."},
};
const Words& words(JoinCode code) { return kWords[static_cast<std::size_t>(code)]; }

}  // namespace

std::string_view name(JoinCode code) { return words(code).name; }
JoinCode join_code(std::uint64_t on_wire) {
  const bool of_cloud =
      on_wire <= static_cast<std::uint64_t>(JoinCode::internal) || on_wire == static_cast<std::uint64_t>(JoinCode::too_late);
  return of_cloud ? static_cast<JoinCode>(on_wire) : JoinCode::internal;
}
std::string_view mend(JoinCode code) { return words(code).mend; }
bool is_final(JoinCode code) { return words(code).final; }

std::string JoinRefusal::text() const { return fmt::format("{}: {}. {}", name(code), sentence, mend(code)); }

Error JoinRefusal::error() const {
  const bool overloaded = code == JoinCode::too_many_tries || code == JoinCode::overloaded;
  return Error(overloaded ? Code::overloaded : Code::refused, text());
}

}  // namespace fairlead::enrol
