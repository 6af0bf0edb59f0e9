// doctor_egress.h: an edge examines itself because its cloud asks: a flow of plug-in "doctor", whose answer is the report as JSON, to the
// end of the flow. FlowOpen.target is "quick" or "thorough", then checks, with commas between; no checks: all.
//
// Invariant: one examination at a time; it ends with the flow that asked for it.
#pragma once
#include <functional>

#include "doctor/examination.h"
#include "link/egress.h"

namespace fairlead::doctor {

inline constexpr std::string_view kDoctorPlugin = "doctor";

std::string target_text(bool thorough, const std::set<std::string>& only);
struct Target {
  bool thorough = false;
  std::set<std::string> only;
};
// Code::invalid for a check that this edge does not know.
Result<Target> parse_target(std::string_view text);

// The same from a query: "thorough=1&check=loss&check=nat". What it does not know is left out.
Target parse_query(std::string_view query);

class DoctorEgress final : public link::Egress {
 public:
  // What is to be examined now: cloud, node, credentials, keep_alive, software.
  using MakeOrder = std::function<Order()>;
  DoctorEgress(net::Network& network, MakeOrder make_order) : network_(network), make_order_(std::move(make_order)) {}

  std::string_view plugin() const override { return kDoctorPlugin; }
  Task<void> serve(std::unique_ptr<link::Flow> flow) override;

 private:
  net::Network& network_;
  MakeOrder make_order_;
  bool busy_ = false;
};

}  // namespace fairlead::doctor
