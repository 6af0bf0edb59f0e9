"""What is measured of HTTP rules beyond what a tunnel can do: many routes, many events, many idle connections."""
import json
import subprocess
import time

from netlab import http_rules, origin, proc, python, until
from netlab.sampler import Sampler

from world import ENTRANCE_PORT

ROUTES, FILES = 10_000, 100
RELOADS = 5
WINDOW_SECONDS, BEFORE_SECONDS, AFTER_SECONDS = 0.1, 3.0, 0.3
SSE_CLIENTS, EVENTS, EVENT_MS = 1000, 10, 1000
IDLE_CONNECTIONS = 10_000
ORIGIN_PORT, EVENTS_PORT = 8081, 18081


def match(program):
    """Nanoseconds of the search for the rule of one request among 10,000 routes, by the benchmark beside the matcher: that of the slowest
    of the ways in which routes may differ, and that of each.
    """
    command = [program, "--benchmark_filter=^match/", "--benchmark_format=json"]
    runs = json.loads(subprocess.run(command, text=True, capture_output=True, timeout=300, check=True).stdout)["benchmarks"]
    assert runs and all(run["time_unit"] == "ns" for run in runs), f"{program} has no benchmark of matching"
    each = {f"{run['name'].replace('/', '_')}_ns": run["cpu_time"] for run in runs}
    return {"match_ns": max(each.values()), **each}


def reload(world):
    """10,000 routes, all of them put in place anew, while requests come at a steady pace: seconds from the last file in its place until
    the first answer by the new rules, and by how much the slowest answer is slower meanwhile than in the seconds before.
    """
    cloud = world.site.cloud
    _put_routes(cloud, "0")
    probe = None
    try:
        until(lambda: _version(world) == "0", 60, "the first 10,000 routes in force")
        probe = world.cloud.start("probe", python.program("probe", ENTRANCE_PORT, "/marker"), ends=True)
        probe.wait_for_log("ready", 10)
        changes = []
        for number in range(1, RELOADS + 1):
            until(_Passed(BEFORE_SECONDS), BEFORE_SECONDS + 1, "time before a change")
            _put_routes(cloud, str(number))
            changes.append((time.monotonic(), str(number)))
            until(lambda: _version(world) == str(number), 30, "the changed routes in force")
        until(_Passed(1), 2, "time after the last change")
        probe.close_input()
        assert probe.wait(20) == 0, probe.log
    finally:
        _take_routes(cloud)
    found = json.loads(probe.log_text().splitlines()[-1])
    return bumps(found["answers"], changes) | {"failures": len(found["failures"]), "cloud_mib": proc.rss_bytes(world.cloud_pids) / 2**20}


def bumps(answers, changes):
    """Medians over the changes [(when, version)] of what the probe's answers [(when asked, ms, version)] tell."""
    seconds, before, during = [], [], []
    for begun, version in changes:
        first = next(at + ms / 1000 for at, ms, told in answers if told == version)
        seconds.append(first - begun)
        before.append(_slowest_window(answers, begun - BEFORE_SECONDS + WINDOW_SECONDS, begun))
        during.append(_slowest_window(answers, begun, first + AFTER_SECONDS))
    middle = len(changes) // 2
    return {"reload_s": sorted(seconds)[middle], "before_ms": sorted(before)[middle], "during_ms": sorted(during)[middle],
            "bump_ms": sorted(late - usual for usual, late in zip(before, during))[middle]}


def _slowest_window(answers, begin, end):
    """The largest of the maxima of windows of 100 ms: of one bad answer as of many."""
    windows = {}
    for at, ms, _ in answers:
        if begin <= at < end:
            number = int((at - begin) / WINDOW_SECONDS)
            windows[number] = max(ms, windows.get(number, 0.0))
    return max(windows.values())


class _Passed:
    """True once so many seconds are over."""

    def __init__(self, seconds):
        self._end = time.monotonic() + seconds

    def __call__(self):
        return time.monotonic() >= self._end


def _route(number, version):
    return (f"---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r{number}}}\nspec:\n"
            f"  parentRefs: [{{name: web}}]\n  hostnames: [h{number % 100}.test]\n  rules:\n"
            f"  - matches: [{{path: {{type: PathPrefix, value: /a{number % 7}/r{number}}}}}]\n"
            f"    filters: [{{type: ResponseHeaderModifier, responseHeaderModifier: {{set: [{{name: X-Version, value: '{version}'}}]}}}}]\n"
            f"    backendRefs: [{{group: fairlead.dev, kind: Backend, name: web}}]\n")


def _put_routes(component, version):
    marker = http_rules.rule("web", matches=[http_rules.match("/marker", "Exact")], filters=[
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "X-Version", "value": version}]}},
        {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/1k"}}}])
    each = ROUTES // FILES
    for file in range(FILES):
        component.rules(f"many-{file:03}", "".join(_route(number, version) for number in range(file * each, (file + 1) * each)))
    component.rules("marker", http_rules.text(http_rules.route("marker", marker, parent="web")))


def _take_routes(component):
    for path in component.routes.glob("m*.yaml"):
        path.unlink()


def _version(world):
    answer = world.cloud.run(["curl", "-s", "--max-time", 2, "-o", "/dev/null", "-D", "-", f"{world.url}/marker"], check=False).stdout
    found = [line.split(":")[1].strip() for line in answer.splitlines() if line.lower().startswith("x-version:")]
    return found[0] if found else None


def sse(world):
    """1,000 clients of events at once, one event a second for each: how many got all, how late events are, memory of each side."""
    origin.serve(world.edge, ORIGIN_PORT)
    world.site.cloud.rules("events", http_rules.entrance("events", EVENTS_PORT, "edge-a", ORIGIN_PORT))
    world.cloud.wait_listening(EVENTS_PORT)
    before = {side: proc.rss_bytes(pids) for side, pids in (("cloud", world.cloud_pids), ("edge", world.edge_pids))}
    cpu = sum(proc.cpu_seconds(world.pids))
    clients = world.cloud.start("sse-clients", python.program("sse_clients", EVENTS_PORT, f"/sse?n={EVENTS}&ms={EVENT_MS}", "--count", SSE_CLIENTS,
                                                              "--events", EVENTS), ends=True)
    clients.wait_for_log("ready", 30)
    kib = {f"{side}_kib_per_client": (proc.rss_bytes(pids) - before[side]) / 1024 / SSE_CLIENTS
           for side, pids in (("cloud", world.cloud_pids), ("edge", world.edge_pids))}
    assert clients.wait(60) == 0, clients.log
    found = json.loads(clients.log_text().splitlines()[-1])
    cpu = sum(proc.cpu_seconds(world.pids)) - cpu
    return {"complete": found["complete"], "p50_ms": found["p50_ms"], "p99_ms": found["p99_ms"], "max_ms": found["p100_ms"],
            "cpu_us_per_event": cpu * 1e6 / max(1, found["events"]), **kib}


def idle(world):
    """What 10,000 kept connections of users that do nothing cost the cloud in memory; each has had one answer."""
    before = proc.rss_bytes(world.cloud_pids)
    load = world.cloud.start("idle-connections", python.program("idle_connections", ENTRANCE_PORT, "/1k", IDLE_CONNECTIONS), ends=True)
    load.wait_for_log("ready", 50)
    with Sampler(world.cloud_pids) as memory:
        until(lambda: memory.settled(seconds=1), 20, "memory settled")
    after = proc.rss_bytes(world.cloud_pids)
    load.close_input()
    assert load.wait(50) == 0, load.log
    still_open = json.loads(load.log_text().splitlines()[-1])["open_at_end"]
    assert still_open == IDLE_CONNECTIONS, f"{still_open} of {IDLE_CONNECTIONS} were still open"
    return {"kib_per_connection": (after - before) / 1024 / IDLE_CONNECTIONS}
