// edge_certificates.h: the identity files of an edge's folder as renewal sees them: read and replaced off the loop.
#pragma once
#include <filesystem>

#include "enrol/renewer.h"
#include "link/trust.h"

namespace fairlead::app {

class EdgeCertificates final : public enrol::RenewalStore {
 public:
  EdgeCertificates(Loop& loop, std::filesystem::path dir, link::Trust& trust) : loop_(loop), dir_(std::move(dir)), trust_(trust) {}
  Task<Result<Held>> load() override;
  Task<Result<void>> save(std::string trust_pem, std::string certificate_pem) override;

 private:
  Loop& loop_;
  const std::filesystem::path dir_;
  link::Trust& trust_;
};

}  // namespace fairlead::app
