// What watch events cost: from the bytes of a chunk to a new Directory, in a cluster of 10,000 pods, and look-ups in that.
#include <benchmark/benchmark.h>

#include "kube/index.h"
#include "kube/json_items.h"
#include "kube/objects_fixture.h"

namespace fairlead::kube {
namespace {

constexpr int kPods = 10'000, kNodes = 500, kServices = 1000;

NodeName node_of(int i) { return NodeName::parse(fmt::format("edge-{}", i % kNodes)).value(); }
std::string ip_of(int i) { return fmt::format("10.{}.{}.{}", 1 + i / 62500, i / 250 % 250, i % 250 + 1); }

// A Pod as large as they are: three containers with environment and probes, conditions, managed fields: 10 KB.
std::string pod_text(int i, const std::string& ip) {
  std::string text =
      PodText{.key = fmt::format("team-{}/web-{}", i % 40, i), .node = node_of(i).value(), .ip = ip, .version = std::to_string(i)}.text();
  std::string container = R"({"name":"app","image":"registry.example/team/app:1.2.3","env":[)";
  for (int e = 0; e < 20; e++) container += fmt::format(R"({}{{"name":"VARIABLE_{}","value":"some value of it {}"}})", e ? "," : "", e, e);
  container += R"(],"resources":{"requests":{"cpu":"100m","memory":"128Mi"}},"livenessProbe":{"httpGet":{"path":"/healthz","port":8080}}})";
  std::string managed = R"("managedFields":[{"manager":"kubelet","fieldsV1":{)";
  for (int f = 0; f < 60; f++) managed += fmt::format(R"({}"f:field-number-{}":{{".":{{}},"f:value":{{}}}})", f ? "," : "", f);
  managed += "}}],";
  text.insert(text.find("\"name\""), managed);
  const std::size_t at = text.find("{\"name\":\"c\"");
  text.insert(at, container + "," + container + "," + container + ",");
  return text;
}

void fill(Index& index) {
  for (int i = 0; i < kNodes; i++)
    std::ignore = index.put(
        Kind::node, object(NodeText{.name = node_of(i).value(), .internal = {fmt::format("192.168.{}.{}", i / 250, i % 250 + 1)}}.text()));
  for (int i = 0; i < kPods; i++)
    std::ignore = index.put(
        Kind::pod, object(PodText{.key = fmt::format("team-{}/web-{}", i % 40, i), .node = node_of(i).value(), .ip = ip_of(i)}.text()));
  for (int i = 0; i < kServices; i++) {
    const std::string key = fmt::format("team-{}/svc-{}", i % 40, i);
    std::ignore =
        index.put(Kind::service, object(ServiceText{.key = key, .ips = {fmt::format("10.96.{}.{}", i / 250, i % 250 + 1)}}.text()));
    SliceText slice{.key = key + "-x", .service = fmt::format("svc-{}", i), .endpoints = {}};
    for (int e = 0; e < 10; e++) slice.endpoints.push_back({ip_of(i * 10 + e), node_of(i * 10 + e).value()});
    std::ignore = index.put(Kind::slice, object(slice.text()));
  }
  std::ignore = index.directory();
}

// One event of 10 KB each; a Directory for each 25 of them, as Cluster makes them at 500 a second. `moves`: each changes an address.
void events(benchmark::State& state, bool moves) {
  Index index;
  fill(index);
  // Each pod twice: at the second time it is back where it was, or as it was.
  std::vector<std::string> texts;
  std::size_t bytes = 0;
  for (const bool back : {false, true})
    for (int i = 0; i < 1000; i++) {
      const int pod = i * 7 % kPods;
      texts.push_back(
          fmt::format("{{\"type\":\"MODIFIED\",\"object\":{}}}\n", pod_text(pod, moves && !back ? ip_of(kPods + i) : ip_of(pod))));
    }
  JsonItems items(JsonItems::Shape::watch, PodObject::wanted());
  std::size_t at = 0, since = 0, made = 0;
  for (auto _ : state) {
    const std::string& text = texts[at++ % texts.size()];
    bytes += text.size();
    const auto fed = items.feed(text, [&](boost::json::object& event) { return index.put(Kind::pod, event["object"].as_object()); });
    if (!fed) std::abort();
    if (++since == 25) {
      since = 0;
      if (index.changed()) {
        benchmark::DoNotOptimize(index.directory());
        made++;
      }
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.counters["directories"] = static_cast<double>(made);
  state.counters["bytes/event"] = static_cast<double>(bytes) / static_cast<double>(state.iterations());
}
void EventsThatMoveAPod(benchmark::State& state) { events(state, true); }
void EventsThatDoNotMatter(benchmark::State& state) { events(state, false); }
BENCHMARK(EventsThatMoveAPod);
BENCHMARK(EventsThatDoNotMatter);

// A Directory after one change: what it costs beside the change.
void OneChangeAndADirectory(benchmark::State& state) {
  Index index;
  fill(index);
  boost::json::object pods[2];
  for (int i = 0; i < 2; i++) pods[i] = object(PodText{.key = "team-0/web-0", .node = "edge-0", .ip = ip_of(kPods + i)}.text());
  std::shared_ptr<const Directory> last;
  int i = 0;
  for (auto _ : state) {
    std::ignore = index.put(Kind::pod, pods[++i % 2]);
    last = index.directory();
  }
}
BENCHMARK(OneChangeAndADirectory);

void find(benchmark::State& state, const net::HostPort& target) {
  Index index;
  fill(index);
  const auto directory = index.directory();
  const auto connected = [](const NodeName&) { return Standing::connected; };
  std::uint64_t turn = 0;
  for (auto _ : state) benchmark::DoNotOptimize(directory->find(target, connected, turn++));
}
void FindByName(benchmark::State& state) { find(state, {"edge-77", 10250}); }
void FindPod(benchmark::State& state) { find(state, {ip_of(7777), 8080}); }
void FindService(benchmark::State& state) { find(state, {"10.96.2.7", 443}); }
BENCHMARK(FindByName);
BENCHMARK(FindPod);
BENCHMARK(FindService);

}  // namespace
}  // namespace fairlead::kube

BENCHMARK_MAIN();
