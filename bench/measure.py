"""What is measured in a world: each function makes one measurement and returns a flat dictionary of numbers."""
import json
import shutil
import subprocess

from netlab import proc, until, wrk
from netlab.sampler import Sampler

IDLE_EDGES = 1000


def bulk(world):
    """1 GB by one curl on one connection: throughput, CPU of both halves per GB split in user and system, peak memory."""
    world.curl("100m")
    before = {side: proc.cpu_seconds(pids) for side, pids in _sides(world)}
    size, seconds = world.curl("1g")
    result = {"gbit_per_s": size * 8e-9 / seconds, "cpu_s_per_gb": 0.0}
    for side, pids in _sides(world):
        user, system = (after - begun for after, begun in zip(proc.cpu_seconds(pids), before[side]))
        result[f"{side}_user_s_per_gb"] = user * 1e9 / size
        result[f"{side}_system_s_per_gb"] = system * 1e9 / size
        result["cpu_s_per_gb"] += (user + system) * 1e9 / size
        result[f"{side}_peak_mib"] = proc.peak_rss_bytes(pids) / 2**20
    return result


def raw_pair(program):
    """The same bytes through two engines of the same build in one process, no sockets of users: what the tunnel could reach."""
    answer = json.loads(subprocess.run([program], text=True, capture_output=True, timeout=300, check=True).stdout.splitlines()[-1])
    return {"gbit_per_s": answer["bytes"] * 8e-9 / answer["seconds"], "cpu_s_per_gb": answer["cpu_seconds"] * 1e9 / answer["bytes"]}


def small(world, seconds):
    """GET of 1 kB by wrk: kept connections at 1, 64, 256, then a new connection for each request at 64."""
    wrk.run(world.cloud, f"{world.url}/1k", 1, 16)
    result = {}
    for name, connections, close in (("keep_1", 1, False), ("keep_64", 64, False), ("keep_256", 256, False), ("new_64", 64, True)):
        before = {side: sum(proc.cpu_seconds(pids)) for side, pids in _sides(world)}
        run = wrk.run(world.cloud, f"{world.url}/1k", seconds, connections, *(["-H", "Connection: close"] if close else []))
        cpu = {side: (sum(proc.cpu_seconds(pids)) - before[side]) * 1e6 / max(1, run["requests"]) for side, pids in _sides(world)}
        result |= {f"{name}_per_s": run["per_s"], f"{name}_p50_ms": run["p50_ms"], f"{name}_p99_ms": run["p99_ms"],
                   f"{name}_errors": run["errors"] + run["refused"], f"{name}_cpu_us": sum(cpu.values()),
                   f"{name}_cloud_cpu_us": cpu["cloud"], f"{name}_edge_cpu_us": cpu["edge"]}
    return result


def idle(world, program):
    """Memory of the cloud for each of many connected edges that do nothing."""
    before = proc.rss_bytes(world.cloud_pids)
    connected = sum(node["connected"] for node in world.site.nodes().values())
    load = world.edge.start("idle-edges", [program, "--dir", world.site.cloud.folder, "--cloud", f"{world.cloud.address}:8443",
                                           "--count", IDLE_EDGES])
    load.wait_for_log("ready", 60)
    until(lambda: sum(node["connected"] for node in world.site.nodes().values()) == connected + IDLE_EDGES, 10, "all edges in the status")
    with Sampler(world.cloud_pids) as memory:
        until(lambda: memory.settled(seconds=2), 30, "memory settled")
    after = proc.rss_bytes(world.cloud_pids)
    load.close_input()
    return {"kib_per_edge": (after - before) / 1024 / IDLE_EDGES}


def flat(world):
    """Memory of both halves in a 2 GB transfer, sampled: how far it moves once the first half GB is through."""
    with Sampler(world.cloud_pids) as cloud, Sampler(world.edge_pids) as edge:
        size, seconds = world.curl("1g", "1g")
    result = {"gbit_per_s": size * 8e-9 / seconds}
    for side, sampler in (("cloud", cloud), ("edge", edge)):
        least, most = sampler.after_warm_up()
        result[f"{side}_spread_mib"] = (most - least) / 2**20
        result[f"{side}_max_mib"] = most / 2**20
    return result


def profile(world, folder):
    """Where the CPU time of a 1 GB download goes, on both sides: perf's samples by symbol, else only user and system time.

    Returns lines of text.
    """
    sides = dict(_sides(world))
    if not shutil.which("perf"):
        before = {side: proc.cpu_seconds(pids) for side, pids in sides.items()}
        world.curl("1g")
        lines = ["perf is not installed: only user and system time, from /proc"]
        for side, pids in sides.items():
            user, system = (after - begun for after, begun in zip(proc.cpu_seconds(pids), before[side]))
            lines.append(f"{side}: user {user:.2f} s, system {system:.2f} s")
        return lines
    recorders = {side: world.cloud.start(f"perf-{side}", ["perf", "record", "-q", "-F", "1999", "-g", "-o", folder / f"perf-{side}.data",
                                                          "-p", ",".join(map(str, pids))], ends=True) for side, pids in sides.items()}
    for side in sides:
        until((folder / f"perf-{side}.data").exists, 10, "perf recording")
    world.curl("1g")
    lines = []
    for side, recorder in recorders.items():
        recorder.signal(2)
        recorder.wait(30)
        lines += [f"{side}:"]
        for sort in ("dso", "dso,symbol"):
            report = world.cloud.run(["perf", "report", "-i", folder / f"perf-{side}.data", "--stdio", "--no-children", "-g", "none",
                                      "--percent-limit", "1", "--sort", sort]).stdout
            rows = [line.rstrip(" -") for line in report.splitlines() if line.strip() and not line.startswith("#")]
            lines += rows[:6 if sort == "dso" else 20] + [""]
    return lines


def _sides(world):
    return (("cloud", world.cloud_pids), ("edge", world.edge_pids))
