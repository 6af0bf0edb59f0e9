// objects_fixture.h: objects as an API server writes them, fields in between that nobody wants included. For tests only.
#pragma once
#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::kube {

inline boost::json::object object(std::string_view text) { return boost::json::parse({text.data(), text.size()}).as_object(); }

inline std::string quoted_list(const std::vector<std::string>& items) {
  std::string made;
  for (const std::string& item : items) made.append(made.empty() ? "" : ",").append("\"" + item + "\"");
  return "[" + made + "]";
}

struct NodeText {
  std::string name;
  std::vector<std::string> internal = {};
  int port = 10250;
  bool ready = true;
  std::string labels = R"("kubernetes.io/os":"linux")";
  std::string version = "1";

  std::string text() const {
    std::string addresses = fmt::format(R"({{"type":"Hostname","address":"{}"}})", name);
    for (const std::string& ip : internal) addresses += fmt::format(R"(,{{"type":"InternalIP","address":"{}"}})", ip);
    return fmt::format(
        R"({{"metadata":{{"name":"{}","uid":"0b1","resourceVersion":"{}","labels":{{{}}},"managedFields":[{{"manager":"kubelet"}}]}},)"
        R"("spec":{{"podCIDR":"10.1.0.0/24","taints":[{{"key":"a","effect":"NoSchedule"}}]}},"status":{{"capacity":{{"cpu":"2"}},)"
        R"("conditions":[{{"type":"MemoryPressure","status":"False"}},{{"type":"Ready","status":"{}","message":"kubelet is well"}}],)"
        R"("addresses":[{}],"daemonEndpoints":{{"kubeletEndpoint":{{"Port":{}}}}},"images":[{{"names":["a","b"],"sizeBytes":7}}]}}}})",
        name, version, labels, ready ? "True" : "False", addresses, port);
  }
};

struct PodText {
  std::string key;  // "namespace/name"
  std::string node;
  std::string ip;
  bool host_network = false;
  std::string phase = "Running";
  std::string version = "1";

  std::string text() const {
    const std::size_t slash = key.find('/');
    std::string status = fmt::format(R"("phase":"{}")", phase);
    if (!ip.empty()) status += fmt::format(R"(,"hostIP":"192.168.9.9","podIP":"{}","podIPs":[{{"ip":"{}"}}])", ip, ip);
    std::string spec = R"("containers":[{"name":"c","image":"i","env":[{"name":"A","value":"b"}]}])";
    if (!node.empty()) spec += fmt::format(R"(,"nodeName":"{}")", node);
    if (host_network) spec += R"(,"hostNetwork":true)";
    return fmt::format(R"({{"metadata":{{"name":"{}","namespace":"{}","resourceVersion":"{}"}},"spec":{{{}}},"status":{{{}}}}})",
                       key.substr(slash + 1), key.substr(0, slash), version, spec, status);
  }
};

struct ServiceText {
  std::string key;
  std::vector<std::string> ips;
  int port = 443;
  std::string version = "1";

  std::string text() const {
    const std::size_t slash = key.find('/');
    return fmt::format(
        R"({{"metadata":{{"name":"{}","namespace":"{}","resourceVersion":"{}"}},"spec":{{"clusterIP":"{}","clusterIPs":{},"type":"ClusterIP",)"
        R"("ports":[{{"name":"dns","protocol":"UDP","port":53}},{{"name":"https","protocol":"TCP","port":{},"targetPort":8443}}]}}}})",
        key.substr(slash + 1), key.substr(0, slash), version, ips.empty() ? "None" : ips.front(), quoted_list(ips), port);
  }
};

struct SliceText {
  struct Endpoint {
    std::string ip;
    std::string node = "";
    bool ready = true;
    bool serving = true;
  };
  std::string key;
  std::string service;  // name in the same namespace
  std::vector<Endpoint> endpoints;
  std::string port_name = "https";
  int port = 8443;
  std::string version = "1";

  std::string text() const {
    const std::size_t slash = key.find('/');
    std::string list;
    for (const Endpoint& e : endpoints) {
      list.append(list.empty() ? "" : ",");
      list += fmt::format(R"({{"addresses":["{}"],"conditions":{{"ready":{},"serving":{},"terminating":false}}{}}})", e.ip, e.ready,
                          e.serving, e.node.empty() ? "" : fmt::format(R"(,"nodeName":"{}")", e.node));
    }
    return fmt::format(
        R"({{"metadata":{{"name":"{}","namespace":"{}","resourceVersion":"{}","labels":{{"kubernetes.io/service-name":"{}"}}}},)"
        R"("addressType":"IPv4","ports":[{{"name":"{}","protocol":"TCP","port":{}}}],"endpoints":[{}]}})",
        key.substr(slash + 1), key.substr(0, slash), version, service, port_name, port, list);
  }
};

}  // namespace fairlead::kube
