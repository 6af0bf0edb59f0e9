// api_world.h: two API servers and a client of theirs in virtual time. For tests only.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/fake_api_server.h"
#include "kube/objects_fixture.h"
#include "sim/host.h"
#include "sim/network.h"

namespace fairlead::kube {

class ApiWorld : public ::testing::Test {
 protected:
  static net::IpAddress ip(const char* text) { return net::IpAddress::parse(text).value(); }

  std::shared_ptr<const net::TlsServer> tls(const net::TestCa& by) {
    net::TlsServerOptions options;
    options.certificates.push_back(by.server({"api.example", "192.0.2.1", "192.0.2.2"}));
    options.client_auth = net::TlsServerOptions::ClientAuth::optional;
    options.client_ca_pem = ca.pem();
    return net::TlsServer::make(std::move(options)).value();
  }
  LoadAccess load() {
    return [this]() -> Result<Access> {
      loads++;
      if (load_failure) return fail(*load_failure);
      Access access;
      access.servers = servers;
      access.server_name = "api.example";
      access.tls = net::TlsClient::make({.ca_pem = ca.pem(), .ca_file = "ca.crt", .certificate = shows}).value();
      access.token = Secret(token);
      access.source = "kubeconfig";
      return access;
    };
  }

  SimLoop loop{1};
  sim::Network net{loop, {.seed = 1, .rtt = 2ms}};
  net::TestCa ca;
  sim::Host& first_host = net.host("api-1", ip("192.0.2.1"));
  sim::Host& second_host = net.host("api-2", ip("192.0.2.2"));
  sim::Host& client_host = net.host("cloud", ip("192.0.2.9"));
  FakeApiServer first{first_host, {ip("192.0.2.1"), 6443}, tls(ca)};
  FakeApiServer second{second_host, {ip("192.0.2.2"), 6443}, tls(ca)};

  std::vector<net::HostPort> servers{{"192.0.2.1", 6443}};
  std::string token = "secret-token";
  std::optional<net::TlsCertificate> shows;
  std::optional<Error> load_failure;
  int loads = 0;
};

}  // namespace fairlead::kube
