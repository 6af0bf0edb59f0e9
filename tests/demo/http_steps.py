"""HTTP by rules: HTTPRoutes, what lasts, what is large, two edges."""
import json

from netlab import Clock, http_rules, origin, proc, python, until, wrk
from netlab.http_rules import backend, gateway, listener, match, policy_filter, request_policy, route, rule
from netlab.sampler import Sampler

from story import HUGE, NODE, OTHER, step

FLAT_MIB = 8  # one stream window: the most that one flow may hold
ASKED, LOADERS = 400, 16
ACCESS_LOG_SECONDS = 5


def entrance(demo, *rules):
    """What stands in routes/front.yaml: the entrance for HTTP in the cloud."""
    both = {"nodeSelector": {"demo": "yes"}}
    places = {"web-a": NODE, "web-b": OTHER, "pair": both, "any": {"nodeFrom": {"pathSegment": 1, "strip": True}, **both}}
    backends = [backend("nginx-a", NODE, demo.edge_web), *(backend(name, place, demo.edge_origin) for name, place in places.items())]
    return http_rules.text(gateway("front", listener(demo.front)), *backends, request_policy("tell", nodeHeader="X-Served-By"),
                           route("front", *rules))


def rules_of(*more):
    strip = [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}]
    tell = [policy_filter("tell")]
    return [rule("nginx-a", path="/files", filters=strip), rule("web-a", path="/a", filters=strip),
            rule(("web-a", 3), ("web-b", 1), path="/shared", filters=strip), rule("pair", path="/slow", filters=tell),
            rule("any", filters=tell), *more]


@step("HTTPRoutes are applied: in the cloud to two edges, on the edge to the cloud")
def http_rules_step(demo):
    lab = demo.lab
    origin.serve(lab.edge, demo.edge_origin, NODE)
    origin.serve(lab.cloud, demo.cloud_origin, "in-cloud")
    if lab.namespaced:
        origin.serve(lab.edge2, demo.edge_origin, OTHER)
        demo.site.issue(OTHER, lab.edge2)
        demo.site.start_edge(OTHER, "--label", "demo=yes")
    demo.site.cloud.rules("front", entrance(demo, *rules_of()))
    demo.site.edges[NODE].rules("local", http_rules.entrance("local", demo.local, http_rules.CLOUD, demo.cloud_origin))
    lab.cloud.wait_listening(demo.front, seconds=3)
    lab.edge.wait_listening(demo.local, seconds=3)
    shown = demo.site.fairlead("get", "routes", "--dir", demo.site.cloud.folder).stdout.splitlines()
    return "Gateway + HTTPRoute + Backend in routes/; fairlead get routes", "\n                 ".join(shown)


@step("curl through the rules, cloud to edge")
def http_to_edge(demo):
    answer = demo.curl(demo.lab.cloud, f"http://127.0.0.1:{demo.front}/files/hello")
    assert answer == "hello from nginx on the edge", answer
    echo = json.loads(demo.curl(demo.lab.cloud, f"http://127.0.0.1:{demo.front}/a/echo?x=1", "-H", "X-Asked: yes", "-d", "a body"))
    assert (echo["name"], echo["method"], echo["target"], echo["size"]) == (NODE, "POST", "/echo?x=1", 6), echo
    missing = json.loads(demo.lab.cloud.run(["curl", "-sS", "--max-time", 5, f"http://127.0.0.1:{demo.front}/edge-z/x"]).stdout)
    assert (missing["status"], missing["code"]) == (503, "node-unreachable"), missing
    return f"curl http://127.0.0.1:{demo.front}/files/hello; POST to /a/echo; /edge-z/x", \
        f"{answer}; {echo['method']} {echo['target']} at {echo['name']}; for edge-z: {missing['status']} {missing['code']}"


@step("curl through the rules, edge to cloud")
def http_to_cloud(demo):
    echo = json.loads(demo.curl(demo.lab.edge, f"http://127.0.0.1:{demo.local}/echo"))
    assert echo["name"] == "in-cloud", echo
    return f"curl http://127.0.0.1:{demo.local}/echo on the edge", f"{echo['method']} {echo['target']} at {echo['name']}"


@step("The node's name in the path leads to the node")
def node_in_path(demo):
    names = {node: json.loads(demo.curl(demo.lab.cloud, f"http://127.0.0.1:{demo.front}/{node}/x"))["name"] for node in demo.nodes}
    assert all(node == name for node, name in names.items()), names
    return " and ".join(f"/{node}/x" for node in names), f"answered by {' and '.join(names.values())}: one rule"


@step("A WebSocket echoes")
def websocket(demo):
    url = f"ws://127.0.0.1:{demo.front}/a/ws"
    result = demo.lab.cloud.run(python.program("ws_echo", url), timeout=30)
    return f"a client on asyncio to {url}", result.stdout.strip()


@step("Server-Sent Events arrive one by one")
def events(demo):
    count, every = 20, 100
    command = python.program("sse_clients", demo.front, f"/a/sse?n={count}&ms={every}", "--count", 10, "--events", count)
    found = json.loads(demo.lab.cloud.run(command, timeout=30).stdout.splitlines()[-1])
    assert found["complete"] == 10 and found["p100_ms"] < every, found
    return f"10 clients of {count} events, one each {every} ms", \
        f"10 of 10 got all; each event {found['p50_ms']:.2f} ms after it was sent (median), the slowest {found['p100_ms']:.1f} ms"


def large(demo, command):
    """Runs a transfer of 2 GB and returns what to say of it: speed, and how far the memory of both sides moved."""
    processes = {"cloud": demo.site.cloud.process, NODE: demo.site.edges[NODE].process}
    clock = Clock()
    with Sampler([processes["cloud"].pid]) as cloud, Sampler([processes[NODE].pid]) as edge:
        out = demo.lab.cloud.run(["sh", "-c", command], timeout=60).stdout
    seconds = clock.seconds
    assert demo.huge_sha256() in out, f"the checksum is not that of what was sent: {out}"
    moved = {}
    for name, sampler in (("cloud", cloud), (NODE, edge)):
        least, most = sampler.after_warm_up()
        moved[name] = (most - least) / 2**20
        assert moved[name] <= FLAT_MIB, f"memory of {name} moved by {moved[name]:.1f} MiB"
    memory = ", ".join(f"{name} {proc.rss_bytes([processes[name].pid]) / 2**20:.0f} MiB, moved by {spread:.1f}"
                       for name, spread in moved.items())
    return f"{HUGE * 8e-6 / seconds:.0f} Mbit/s with the checksum, {seconds:.1f} s; memory: {memory}"


@step(f"A download of {HUGE // 10**9} GB, in flat memory")
def huge_download(demo):
    command = f"curl -sS --fail --max-time 60 http://127.0.0.1:{demo.front}/a/bytes/{HUGE} | sha256sum"
    return command, large(demo, command)


@step(f"An upload of {HUGE // 10**9} GB, in flat memory")
def huge_upload(demo):
    make = " ".join(map(str, python.program("content", HUGE)))
    command = f"{make} | curl -sS --fail --max-time 60 -T - http://127.0.0.1:{demo.front}/a/upload"
    return f"content.py {HUGE} | curl -T - http://127.0.0.1:{demo.front}/a/upload (chunked)", large(demo, command)


@step("Weights share requests over two edges")
def weights(demo):
    demo.needs_two()
    urls = [f"http://127.0.0.1:{demo.front}/shared/status/200"] * ASKED
    out = demo.lab.cloud.run(["curl", "-sS", "--fail", "--max-time", 30, "-o", "/dev/null", "-D", "-", *urls[:1],
                              *[word for url in urls[1:] for word in ("-o", "/dev/null", url)]]).stdout.lower()
    counts = {node: out.count(f"x-origin: {node}\n") + out.count(f"x-origin: {node}\r\n") for node in (NODE, OTHER)}
    assert sum(counts.values()) == ASKED and 0.65 < counts[NODE] / ASKED < 0.85, counts
    return f"{ASKED} x curl /shared, weights 3 : 1", ", ".join(f"{node} {count}" for node, count in counts.items())


def logged(demo, when):
    """Lines of the access log for which `when` holds."""
    return [line for line in map(json.loads, demo.access_log.read_text().splitlines()) if when(line)]


@step("An edge is killed under load: only what was in flight on it fails, and says so")
def kill_under_load(demo):
    demo.needs_two()
    load = demo.lab.cloud.start("load", python.program("load", demo.front, "/slow/{}?ms=30", "--clients", LOADERS), ends=True)
    load.wait_for_log("ready", 10)

    def served(node):
        return len(logged(demo, lambda line: line.get("node") == node and line.get("path", "").startswith("/slow/")))

    until(lambda: min(served(NODE), served(OTHER)) > 100, 10, "load on both edges")
    demo.site.edges[OTHER].process.kill()
    demo.site.wait_gone(OTHER, 10)
    demo.site.start_edge(OTHER, "--label", "demo=yes")  # only now is it sure that what was in flight is lost
    before = served(OTHER)
    until(lambda: served(OTHER) > before + 100, 10, "load on the edge that came back")
    load.close_input()
    assert load.wait(20) == 0, load.log
    found = json.loads(load.log_text().splitlines()[-1])
    failed = {failure["name"]: failure for failure in found["failures"]}
    told = [failure for failure in failed.values() if (failure["status"], failure["code"]) == (502, "node-lost")]
    broken = [failure for failure in failed.values() if failure["status"] is None]  # within its answer
    assert len(told) + len(broken) == len(failed) <= LOADERS, found["failures"][:LOADERS + 1]

    def of_the_killed(line):
        return line.get("node") == OTHER and line.get("path", "").startswith("/slow/") and line.get("outcome") != "OK"

    def in_log():
        return {line["path"].split("?")[0].split("/")[-1] for line in logged(demo, of_the_killed)}

    until(lambda: in_log() == set(failed), ACCESS_LOG_SECONDS, f"the access log telling of the same {len(failed)} requests as the clients")
    answered = ", ".join(f"{node} {count}" for node, count in found["answers"].items())
    return f"{LOADERS} clients at /slow over both edges; kill -9 of {OTHER}, known as gone, started again", \
        f"answered: {answered}; failed: {len(told)} with 502 node-lost, {len(broken)} within the answer: the same as in the access log"


@step("Rules are changed under load: no request fails")
def change_under_load(demo):
    load = wrk.start(demo.lab.cloud, f"http://127.0.0.1:{demo.front}/files/hello", 3)
    for number in range(5):
        changed = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "X-Version", "value": str(number)}]}}
        demo.site.cloud.rules("front", entrance(demo, *rules_of(rule("nginx-a", matches=[match("/version", "Exact")], filters=[
            changed, {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/hello"}}}]))))

        def in_force():
            url = f"http://127.0.0.1:{demo.front}/version"
            head = demo.lab.cloud.run(["curl", "-sS", "--max-time", 5, "-D", "-", "-o", "/dev/null", url]).stdout
            return f"x-version: {number}" in head.lower().splitlines()

        until(in_force, 3, f"change {number} in force")
    assert load.alive, "the load ended before the changes did"
    found = wrk.finish(load)
    assert found["errors"] + found["refused"] == 0, found
    return "wrk with 32 connections at /files/hello; five changes of routes/front.yaml", \
        f"{found['requests']} requests, {found['per_s']:.0f} a second, none failed"
