// 10,000 HTTPRoutes of one listener: the rule for a request, and loading them again after a change in one file of a hundred.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "route/directory.h"
#include "route/manifests.h"

namespace fairlead::route {
namespace {

namespace fs = std::filesystem;

constexpr int kRoutes = 10'000;
constexpr int kFiles = 100;
constexpr const char* kGateway =
    "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\n"
    "spec: {gatewayClassName: fairlead, listeners: [{name: http, port: 80, protocol: HTTP}]}\n"
    "---\napiVersion: fairlead.dev/v1alpha1\nkind: Backend\nmetadata: {name: b}\n"
    "spec: {location: {nodeName: a}, targets: [{address: 127.0.0.1, port: 8080}]}\n";

enum Shape : int { hosts, paths, both, headers };

// Told apart by host name, by path, by both (a hundred of each), or by a header alone.
std::string route_text(Shape shape, int n) {
  const std::string host = shape == hosts ? fmt::format("h{}.example.com", n) : fmt::format("h{}.example.com", n % 100);
  const std::string path = shape == hosts || shape == headers ? "/" : fmt::format("/service-{}/v1", shape == both ? n / 100 : n);
  const std::string match = shape == headers ? fmt::format("headers: [{{name: x-tenant, value: tenant-{}}}]", n)
                                             : fmt::format("path: {{type: PathPrefix, value: {}}}", path);
  return fmt::format(
      "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: route-{}}}\nspec:\n"
      "  parentRefs: [{{name: g}}]\n  hostnames: [{}]\n  rules:\n  - matches: [{{{}}}]\n"
      "    backendRefs: [{{group: fairlead.dev, kind: Backend, name: b}}]\n",
      n, shape == paths || shape == headers ? "example.com" : host, match);
}

std::string file_text(Shape shape, int file) {
  std::string text = file == 0 ? kGateway : "";
  for (int n = file * kRoutes / kFiles; n < (file + 1) * kRoutes / kFiles; n++) text += route_text(shape, n);
  return text;
}

std::shared_ptr<const Snapshot> build(Shape shape) {
  Problems problems("f");
  Manifests all;
  for (int file = 0; file < kFiles; file++) all.append(decode_manifests(file_text(shape, file), Format::yaml, problems));
  return Snapshot::build(std::move(all), Site::cloud());
}

void match(benchmark::State& state) {
  const auto shape = static_cast<Shape>(state.range(0));
  const auto snapshot = build(shape);
  const HttpPort& port = snapshot->http_ports().at(0);
  std::vector<std::string> hosts_asked, paths_asked, tenants;
  for (int i = 0; i < 1024; i++) {
    const int n = i * 7919 % kRoutes;
    const int path = shape == both ? n / 100 : n;
    hosts_asked.push_back(shape == paths || shape == headers ? "example.com"
                                                             : fmt::format("h{}.example.com", shape == hosts ? n : n % 100));
    paths_asked.push_back(shape == hosts || shape == headers ? "/cart/items/7" : fmt::format("/service-{}/v1/items/7", path));
    tenants.push_back(fmt::format("tenant-{}", n));
  }
  http::Fields fields;
  for (const char* name : {"Host", "User-Agent", "Accept", "Accept-Encoding", "Accept-Language", "Cookie", "Authorization", "X-Request-Id"})
    fields.add(name, "some value of it");
  fields.add("X-Tenant", "");
  std::size_t i = 0, missed = 0;
  for (auto _ : state) {
    fields.set("X-Tenant", tenants[i]);
    const HttpMatch m = port.match({.host = hosts_asked[i], .path = paths_asked[i], .query = "", .method = "GET", .fields = fields});
    missed += m.rule == nullptr;
    benchmark::DoNotOptimize(m);
    i = (i + 1) % 1024;
  }
  if (missed > 0) state.SkipWithError("a request found no rule");
}
BENCHMARK(match)->Arg(hosts)->Arg(paths)->Arg(both)->Arg(headers);

void decode(benchmark::State& state) {
  std::string text;
  for (int file = 0; file < kFiles; file++) text += file_text(both, file);
  for (auto _ : state) {
    Problems problems("f");
    benchmark::DoNotOptimize(decode_manifests(text, Format::yaml, problems));
  }
}
BENCHMARK(decode)->Unit(benchmark::kMillisecond);

void build_snapshot(benchmark::State& state) {
  Problems problems("f");
  Manifests all;
  for (int file = 0; file < kFiles; file++) all.append(decode_manifests(file_text(both, file), Format::yaml, problems));
  for (auto _ : state) benchmark::DoNotOptimize(Snapshot::build(all, Site::cloud()));
}
BENCHMARK(build_snapshot)->Unit(benchmark::kMillisecond);

// All files, as at start; or one of them.
void reload(benchmark::State& state) {
  std::string form = fs::temp_directory_path() / "fairlead-bench-XXXXXX";
  const fs::path folder = mkdtemp(form.data());
  auto write = [&](int file, int version) {
    std::ofstream(folder / fmt::format("{:03}.yaml", file)) << file_text(both, file) << "# " << version << "\n";
  };
  for (int file = 0; file < kFiles; file++) write(file, 0);
  Directory directory(folder.string(), Site::cloud());
  if (!directory.reload()) state.SkipWithError("a manifest is wrong");
  const int changed = static_cast<int>(state.range(0));
  int version = 1;
  for (auto _ : state) {
    state.PauseTiming();
    for (int file = 0; file < changed; file++) write(file, version);
    version++;
    state.ResumeTiming();
    if (!directory.changed() || !directory.reload()) state.SkipWithError("a change was not seen");
  }
  fs::remove_all(folder);
}
BENCHMARK(reload)->Arg(1)->Arg(kFiles)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fairlead::route

BENCHMARK_MAIN();
