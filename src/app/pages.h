// pages.h: what the admin endpoint serves, the same for both sides: health, readiness, metrics, status, the rules in force.
#pragma once
#include <memory>
#include <string>

#include "admin/server.h"
#include "observe/registry.h"

namespace fairlead::app {

// What a component tells of itself; asked on the loop of the admin endpoint.
class Inspect {
 public:
  virtual ~Inspect() = default;
  // Why it is not ready; empty when it is.
  virtual Task<std::string> unready() = 0;
  virtual Task<std::string> status_json() = 0;
  // objects.h; empty for a kind that it does not have.
  virtual Task<std::string> objects_json(std::string kind) = 0;
  // A node examined: a Report as JSON (doctor/finding.h), or 404. `query` is of the request.
  virtual Task<admin::Response> doctor(std::string node, std::string query);
  // Brings the metric cells up to date, each on its loop.
  virtual Task<void> publish_metrics() = 0;
};

class ComponentPages final : public admin::Pages {
 public:
  ComponentPages(Inspect& component, const observe::Registry& registry) : component_(component), registry_(registry) {}
  Task<admin::Response> get(admin::Request request) override;

 private:
  Inspect& component_;
  const observe::Registry& registry_;
};

}  // namespace fairlead::app
