// docs/MANIFESTS.md shows manifests that work.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

std::string read_page() {
  std::stringstream text;
  text << std::ifstream(FAIRLEAD_SOURCE_DIR "/docs/MANIFESTS.md").rdbuf();
  return text.str();
}

TEST(Documentation, EveryManifestOnThePageIsGoodAndListens) {
  constexpr std::string_view kBegin = "```yaml\n";
  const std::string page = read_page();
  std::string listeners;
  for (std::size_t at = 0; (at = page.find(kBegin, at)) != page.npos;) {
    at += kBegin.size();
    const std::string yaml = page.substr(at, page.find("```", at) - at);
    for (const Site& site : {Site::cloud(), Site::edge(NodeName::parse("a").value(), {{"site", "berlin"}})}) {
      auto snapshot = testing::built(yaml, site);
      for (const TcpListener& l : snapshot->tcp_listeners()) {
        EXPECT_TRUE(l.backends.at(0).backend);
        listeners += l.bind.to_text() + " ";
      }
      for (const UdpListener& l : snapshot->udp_listeners()) {
        EXPECT_TRUE(l.backends.at(0).backend);
        listeners += l.bind.to_text() + "/udp ";
      }
      for (const HttpPort& port : snapshot->http_ports()) listeners += port.bind.to_text() + " ";
      for (const RouteStatus& r : snapshot->routes())
        for (const ParentStatus& parent : r.parents)
          for (const Condition& c : parent.conditions) EXPECT_EQ(c.status, Condition::Status::yes) << r.key.to_text() << ": " << c.message;
    }
  }
  EXPECT_EQ(listeners, "[::]:5432 127.0.0.1:1883 [::]:53/udp [::]:80 [::]:443 ");
}

}  // namespace
}  // namespace fairlead::route
