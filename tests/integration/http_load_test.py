"""Changes and failures under load: nothing is cut that need not be."""
import contextlib
import json
import signal
import threading

import pytest

import netlab
from netlab import http_client, nginx, wrk
from netlab.http_rules import backend, gateway, listener, policy_filter, request_policy, route, rule, text
from http_site import BOTH, OTHER
from ways import NODE


@pytest.fixture(scope="module")
def files(http):
    """An nginx on each edge that serves 1 kB at /1k, at the port that is returned."""
    port = http.lab.port(8081)
    root = http.lab.folder / "www"
    root.mkdir()
    (root / "1k").write_bytes(bytes(1000))
    for node in http.nodes:
        nginx.serve(http.site.edges[node].host, port, root, f"nginx-{node}")
    return port


def version_header(number):
    return {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "X-Version", "value": str(number)}]}}


def test_rules_that_change_under_load_cut_nothing(two_edges, files):
    http = two_edges
    backends = [backend("change-a", NODE, files), backend("change-b", OTHER, files)]
    way = http.to_edge("change", rule("change-a"), backends=backends)
    load = wrk.start(way.client.host, f"{way.url}/1k", 3, name="wrk-change")
    for number in range(8):
        rules = [rule(("change-a", number % 2), ("change-b", 1 - number % 2)),
                 rule("change-a", path=f"/new/{number}", filters=[version_header(number)])]
        http.cloud.rules("change", text(gateway("change", listener(way.entrance)), *backends, route("change", *rules)))
        netlab.until(lambda: way.get(f"/new/{number}").header("x-version") == str(number), 2, f"change {number} in force")
    assert load.alive, "the load went on meanwhile"
    found = wrk.finish(load)
    assert (found["errors"], found["refused"]) == (0, 0), found
    assert found["requests"] > 1000


def test_a_connection_follows_what_it_asks_for_to_its_loop(two_edges):
    """The kernel spreads connections over both loops of the cloud; an edge lives on one. None of it is to be seen from outside."""
    http = two_edges
    way = http.to_edge("follow", rule("follow-a", path="/a"), rule("follow-b", path="/b"),
                       backends=[backend("follow-a", NODE, http.edge_port), backend("follow-b", OTHER, http.edge_port)])
    before = http.cloud.metric("fairlead_http_moved_total")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(way.connect()) for _ in range(24)]
        nodes = {"/a": NODE, "/b": OTHER}
        for turn in range(40):
            for number, client in enumerate(clients):
                path = "/a" if turn < 10 or (turn + number) % 3 else "/b"  # first all one, then here and there
                answer = client.ask("POST", path, [], b"x" * (number + 1))
                assert (answer.status, answer.json()["name"], answer.json()["size"]) == (200, nodes[path], number + 1)
        moved = http.cloud.metric("fairlead_http_moved_total") - before
        assert moved > 0, "of 24 connections some came to the loop that has not the edge"
        assert moved <= 24 * 4, "one whose requests go here and there stays where it is"
        assert http.cloud.metric("fairlead_http_connections") >= 24


def test_a_backend_that_is_taken_away_serves_its_requests_to_the_end(http):
    way = http.to_edge("drained")
    with way.connect() as client:
        client.begin("GET", "/drip?n=10&ms=100")
        answer = client.head()
        client.piece(answer)
        http.cloud.rules("drained", text(gateway("drained", listener(way.entrance)), route("drained", rule())))
        with way.connect() as other:
            netlab.until(lambda: other.get("/").status == 500, 2, "the backend gone from the rules")
        while client.piece(answer):
            pass
    assert answer.body == b"".join(b"%d\n" % number for number in range(10))


class Load:
    """Clients that ask for one path again and again; each request's outcome is kept: (node or None, status or "broken")."""

    def __init__(self, way, clients, target):
        self.outcomes, self._stop, self._way, self._target = [], threading.Event(), way, target
        self._threads = [threading.Thread(target=self._run, args=(way.connect(),), daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, client):
        while not self._stop.is_set():
            try:
                answer = client.get(self._target)
                self.outcomes.append((answer.header("x-served-by"), answer.status, answer.body))
            except http_client.Broken as broken:
                self.outcomes.append((None, "broken", str(broken)))
                client = self._way.connect()

    def end(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(20)
        return self.outcomes


def kill_and_restart(http, way, load):
    """The second edge is killed (kill -9) and comes back. What was in flight on it is open until then, since it might have been an outage;
    all else goes on with the first one.
    """
    http.site.edges[OTHER].process.kill()
    http.site.wait_gone(OTHER, 10)
    with way.connect() as client:
        assert {(answer.status, answer.header("x-served-by")) for answer in (client.get("/") for _ in range(50))} == {(200, NODE)}
    http.start_edge(OTHER)
    seen = len(load.outcomes)
    netlab.until(lambda: len(load.outcomes) > seen + 200, 10, "answers after its return")
    return load.end()


def test_an_edge_killed_under_load_fails_only_what_was_in_flight_on_it(two_edges):
    http, clients = two_edges, 16
    way = http.to_edge("killed", rule("killed-edge", filters=[policy_filter("killed")]),
                       backends=[backend("killed-edge", BOTH, http.edge_port)], policies=[request_policy("killed", nodeHeader="X-Served-By")])
    load = Load(way, clients, "/slow?ms=30")
    netlab.until(lambda: {node for node, *_ in load.outcomes} == {NODE, OTHER}, 5, "answers of both nodes")
    failed = [outcome for outcome in kill_and_restart(http, way, load) if outcome[1] != 200]
    assert 0 < len(failed) <= clients, failed
    for _, status, body in failed:
        assert status == "broken" or (status == 502 and json.loads(body)["code"] == "node-lost"), (status, body)


def test_repeatable_requests_survive_the_end_of_an_edge(two_edges):
    http = two_edges
    way = http.to_edge("survive", rule("survive-edge", filters=[policy_filter("survive")]),
                       backends=[backend("survive-edge", BOTH, http.edge_port)],
                       policies=[request_policy("survive", nodeHeader="X-Served-By", repeatable=True)])
    load = Load(way, 3, "/slow?ms=30")  # a backend may have three tries more at any time
    netlab.until(lambda: {node for node, *_ in load.outcomes} == {NODE, OTHER}, 5, "answers of both nodes")
    assert {status for _, status, _ in kill_and_restart(http, way, load)} == {200}


def test_an_edge_that_stops_in_order_fails_nothing(two_edges):
    http = two_edges
    way = http.to_edge("ordered", rule("ordered-edge"), backends=[backend("ordered-edge", BOTH, http.edge_port)])
    load = Load(way, 16, "/slow?ms=30")
    netlab.until(lambda: len(load.outcomes) > 50, 5, "answers")
    edge = http.site.edges[OTHER].process
    edge.signal(signal.SIGTERM)
    assert edge.wait(20) == 0
    seen = len(load.outcomes)
    netlab.until(lambda: len(load.outcomes) > seen + 50, 5, "answers of the node that is left")
    outcomes = load.end()
    http.start_edge(OTHER)
    assert {status for _, status, _ in outcomes} == {200}


def test_a_cloud_that_stops_in_order_finishes_what_it_began(http):
    way = http.to_edge("last")
    with way.connect() as client:
        client.begin("GET", "/drip?n=10&ms=50")
        answer = client.head()
        process = http.cloud.process
        process.signal(signal.SIGTERM)
        while client.piece(answer):
            pass
        assert answer.body.endswith(b"9\n")
    assert process.wait(10) == 0
    http.site.start_cloud()
    for node in http.nodes:
        http.site.wait_connected(node)
    with netlab.until(lambda: way.connect(), 5, "the entrance open again") as client:
        assert client.get("/").status == 200
