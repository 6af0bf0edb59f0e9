// Loading 10,000 TCPRoutes, each with a Backend of its own: at start, after a change in one file of a hundred, and the parts of it.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "route/directory.h"
#include "route/manifests.h"
#include "route/picker.h"

namespace fairlead::route {
namespace {

namespace fs = std::filesystem;

constexpr int kRoutes = 10'000;
constexpr int kFiles = 100;

std::string route_text(int n) {
  return fmt::format(R"(---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata:
  name: route-{0}
  labels: {{app: bench}}
spec:
  parentRefs:
  - name: gateway-{1}
    sectionName: tcp-{2}
  rules:
  - backendRefs:
    - {{group: fairlead.dev, kind: Backend, name: backend-{0}, port: 8080}}
---
apiVersion: fairlead.dev/v1alpha1
kind: Backend
metadata:
  name: backend-{0}
spec:
  location: {{nodeName: edge-{1}}}
  targets:
  - {{address: 127.0.0.1, port: 8080}}
)",
                     n, n / 50, n % 50);
}

std::string gateway_text(int n) {
  std::string text = fmt::format(
      "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: gateway-{}}}\n"
      "spec:\n  gatewayClassName: fairlead\n  listeners:\n",
      n);
  for (int i = 0; i < 50; i++) text += fmt::format("  - {{name: tcp-{}, port: {}, protocol: TCP}}\n", i, 10'000 + n * 50 + i);
  return text;
}

std::string file_text(int file) {
  std::string text;
  for (int n = file * kRoutes / kFiles; n < (file + 1) * kRoutes / kFiles; n++) {
    if (n % 50 == 0) text += gateway_text(n / 50);
    text += route_text(n);
  }
  return text;
}

std::string all_text() {
  std::string text;
  for (int f = 0; f < kFiles; f++) text += file_text(f);
  return text;
}

void parse_yaml(benchmark::State& state) {
  const std::string text = all_text();
  for (auto _ : state) {
    Problems problems("f");
    benchmark::DoNotOptimize(parse_document(text, Format::yaml, problems));
  }
  state.counters["MB"] = static_cast<double>(text.size()) / 1e6;
}
BENCHMARK(parse_yaml)->Unit(benchmark::kMillisecond);

void decode_yaml(benchmark::State& state) {
  const std::string text = all_text();
  for (auto _ : state) {
    Problems problems("f");
    benchmark::DoNotOptimize(decode_manifests(text, Format::yaml, problems));
  }
}
BENCHMARK(decode_yaml)->Unit(benchmark::kMillisecond);

void build_snapshot(benchmark::State& state) {
  Problems problems("f");
  const Manifests manifests = decode_manifests(all_text(), Format::yaml, problems);
  std::size_t listeners = 0;
  for (auto _ : state) listeners = Snapshot::build(manifests, Site::cloud())->tcp_listeners().size();
  state.counters["listeners"] = static_cast<double>(listeners);
}
BENCHMARK(build_snapshot)->Unit(benchmark::kMillisecond);

class Folder {
 public:
  Folder() {
    std::string form = fs::temp_directory_path() / "fairlead-bench-XXXXXX";
    path_ = mkdtemp(form.data());
    for (int f = 0; f < kFiles; f++) write(f, file_text(f));
  }
  ~Folder() { fs::remove_all(path_); }
  void write(int file, std::string_view text) const { std::ofstream(path_ / fmt::format("{:03}.yaml", file)) << text; }
  // As they are some time after they were written.
  void age() const {
    for (const auto& entry : fs::directory_iterator(path_))
      fs::last_write_time(entry, fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

void load_directory(benchmark::State& state) {
  const Folder folder;
  for (auto _ : state) {
    Directory directory(folder.path(), Site::cloud());
    if (!directory.reload()) state.SkipWithError("a manifest is wrong");
  }
}
BENCHMARK(load_directory)->Unit(benchmark::kMillisecond);

void reload_one_file_of_100(benchmark::State& state) {
  const Folder folder;
  Directory directory(folder.path(), Site::cloud());
  if (!directory.reload()) return state.SkipWithError("a manifest is wrong");
  int n = 0;
  for (auto _ : state) {
    folder.write(50, file_text(50) + fmt::format("# {}\n", n++));
    if (!directory.changed() || !directory.reload()) state.SkipWithError("a change was not seen");
  }
}
BENCHMARK(reload_one_file_of_100)->Unit(benchmark::kMillisecond);

void look_for_changes(benchmark::State& state) {
  const Folder folder;
  Directory directory(folder.path(), Site::cloud());
  if (!directory.reload()) return state.SkipWithError("a manifest is wrong");
  for (auto _ : state)
    if (directory.changed()) state.SkipWithError("nothing has changed");
}
BENCHMARK(look_for_changes)->Unit(benchmark::kMicrosecond);

class ThousandNodes : public NodeDirectory {
 public:
  ThousandNodes() {
    for (int i = 0; i < 1000; i++) nodes_[NodeName::parse(fmt::format("edge-{}", i)).value()] = {{"site", "x"}};
  }
  std::uint64_t version() const override { return 1; }
  bool is_connected(const NodeName& node) const override { return nodes_.contains(node); }
  void for_each(FunctionRef<void(const NodeName&, const Labels&)> visit) const override {
    for (const auto& [name, labels] : nodes_) visit(name, labels);
  }

 private:
  std::map<NodeName, Labels> nodes_;
};

void pick(benchmark::State& state) {
  Problems problems("f");
  const ThousandNodes nodes;
  Picker picker(Snapshot::build(decode_manifests(all_text(), Format::yaml, problems), Site::cloud()), nodes);
  Random random(1);
  for (auto _ : state) benchmark::DoNotOptimize(picker.pick(picker.snapshot().tcp_listeners()[7], random));
}
BENCHMARK(pick);

}  // namespace
}  // namespace fairlead::route

BENCHMARK_MAIN();
