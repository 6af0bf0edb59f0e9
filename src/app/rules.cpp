#include "app/rules.h"

#include <algorithm>

#include "base/log.h"

namespace fairlead::app {

std::shared_ptr<const RuleSet> Rules::look(const Config& config, bool again) {
  free_what_nobody_uses();
  const bool retry = ++looks_ % kRetryLooks == 0 && retry_.exchange(false);
  const bool certificates = tls_files_ && tls_files_->changed();
  const std::shared_ptr<const RuleSet> before = current();
  std::shared_ptr<const route::Snapshot> snapshot = reload();
  if (!snapshot) {
    if (!again && !retry && !certificates) return nullptr;
    snapshot = before->snapshot;
  }
  auto made = std::make_shared<const RuleSet>(make_rule_set(config, std::move(snapshot), before.get()));
  for (const net::Listeners::Failure& f : made->tls_failures) log::error("rules", "{}", f.error);
  if (certificates && made->tls_failures.empty()) log::info("rules", "took up changed certificates of listeners");
  if (before && before->snapshot != made->snapshot) retired_.push_back(before->snapshot);
  if (!before || before->tls_files != made->tls_files) tls_files_.emplace(made->tls_files);
  std::lock_guard lock(mutex_);
  return current_ = made;
}

void Rules::free_what_nobody_uses() {
  std::erase_if(retired_, [](const std::shared_ptr<const route::Snapshot>& snapshot) { return snapshot.use_count() == 1; });
}

// Rules that changed, or the empty ones while there never were good ones.
std::shared_ptr<const route::Snapshot> Rules::reload() {
  if (std::exchange(read_once_, true) && !directory_.changed()) return nullptr;
  auto snapshot = directory_.reload();
  std::vector<std::string> problems;
  for (const route::Problem& problem : directory_.problems()) problems.push_back(problem.to_text());
  if (!snapshot) {
    log::error("rules", "not changed, since the new ones are wrong:");
    for (const std::string& line : problems) log::error("rules", "{}", line);
  } else {
    for (const std::string& line : problems) log::warn("rules", "{}", line);
    log::info("rules", "in force: {} TCP listeners, {} UDP listeners, {} HTTP ports, {} routes, {} backends",
              (*snapshot)->tcp_listeners().size(), (*snapshot)->udp_listeners().size(), (*snapshot)->http_ports().size(),
              (*snapshot)->routes().size(), (*snapshot)->backends());
  }
  std::lock_guard lock(mutex_);
  problems_ = std::move(problems);
  if (snapshot) return *snapshot;
  return current_ ? nullptr : route::Snapshot::build({}, route::Site::cloud());
}

std::shared_ptr<const RuleSet> Rules::current() const {
  std::lock_guard lock(mutex_);
  return current_;
}

std::vector<std::string> Rules::problems() const {
  std::lock_guard lock(mutex_);
  return problems_;
}

std::vector<ListenerState> Rules::listeners(const ListenerFailures& failed) const {
  std::vector<ListenerState> states;
  const std::shared_ptr<const RuleSet> rules = current();
  if (!rules) return states;
  auto add = [&](const route::ObjectKey& gateway, const std::string& name, const net::SocketAddress& at, std::string route,
                 bool udp = false) {
    ListenerState state{gateway.to_text(), name, at.to_text(), std::move(route), ""};
    for (const ListenerFailures* list : {&rules->tls_failures, &failed})
      for (const net::Listeners::Failure& f : *list)
        if (f.at == at && f.udp == udp) state.problem = f.error.describe();
    states.push_back(std::move(state));
  };
  for (const route::TcpListener& l : rules->snapshot->tcp_listeners()) add(l.gateway, l.name, l.bind, l.route.value());
  for (const route::UdpListener& l : rules->snapshot->udp_listeners()) add(l.gateway, l.name, l.bind, l.route.value(), true);
  for (const route::HttpPort& port : rules->snapshot->http_ports())
    for (const route::HttpHost& host : port.hosts) add(host.gateway, host.name, port.bind, "");
  return states;
}

}  // namespace fairlead::app
