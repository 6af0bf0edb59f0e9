# Thin: each recipe is what you could type yourself. docs/CONTRIBUTING.md says when to use which.
SETUP ?= tools/setup
JOBS ?= $(shell nproc)
FAIRLEAD_SIM_SEEDS ?= 200
TEST_TIMEOUT ?= 300
export FAIRLEAD_SIM_SEEDS TEST_TIMEOUT JOBS

build = cmake --build --preset $(1) -j $(JOBS) --target

.PHONY: help setup release dev demo test test-long test-kube bench bench-link lint asan tsan fuzz clean
.DEFAULT_GOAL := help

help:        ## what there is
	@grep -E '^[a-z-]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup:       ## install what is missing (Debian 12 and 13)
	@$(SETUP)

build/%/build.ninja: CMakePresets.json | setup
	cmake --preset $*

release: build/release/build.ninja  ## build build/release/fairlead
	$(call build,release) all

dev: build/dev/build.ninja  ## build everything with assertions and debug information, in build/dev
	$(call build,dev) all tests

demo: release  ## the main job, shown: two sites, NAT between them, traffic both ways
	tests/demo/run

test: build/release/build.ninja  ## build, then lints, unit, simulation and integration tests
	$(call build,release) all tests
	tools/test

test-long: build/release/build.ninja  ## the same with ten times the simulated networks
	$(MAKE) test FAIRLEAD_SIM_SEEDS=2000 TEST_TIMEOUT=3600

test-kube: release  ## the tests in a Kubernetes cluster, which is built first (docs/TESTING.md)
	@$(SETUP) kube || echo "test-kube: tests that need what is missing will be skipped"
	tests/kube/run

bench: build/release/build.ninja  ## measure, beside other tunnels; results in bench/results
	$(call build,release) all benches
	bench/run

bench-link: build/release/build.ninja  ## the link on a bad network, beside other tunnels; plots in docs/bench
	$(call build,release) all benches
	bench/run-link --docs

lint: release  ## all lints; clang-tidy on what changed (ALL=1: on everything)
	@status=0; for lint in includes co_await hygiene format tidy; do tools/lint/$$lint || status=1; done; exit $$status

asan tsan: FAIRLEAD_SIM_SEEDS = 20
asan: build/asan/build.ninja  ## unit and simulation tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(call build,asan) tests
	tools/test --sanitized build/asan

tsan: build/tsan/build.ninja  ## the same under ThreadSanitizer
	$(call build,tsan) tests
	tools/test --sanitized build/tsan

fuzz: build/fuzz/build.ninja  ## each fuzzer for FUZZ_SECONDS (60)
	$(call build,fuzz) fuzzers
	tools/fuzz

clean:       ## remove everything that was built
	rm -rf build
