"""What cannot be had is answered by Fairlead itself, at once, in a form that programs read; limits have their own statuses."""
import os

import pytest

import netlab
from netlab import http_client, http_rules
from netlab.http_rules import backend, match, rule
from http_site import problem
from ways import NODE


@pytest.fixture(scope="module")
def way(http):
    """An entrance whose paths lead to what cannot be had."""
    down, gone = backend("a-down", NODE, http.lab.port(8099)), backend("a-gone", "edge-z", http.edge_port)
    forbidden = backend("a-forbidden", NODE, http.edge_port, address="192.0.2.1")
    silent = backend("a-silent", NODE, http.edge_port)
    return http.to_edge(
        "answers", rule("a-silent", path="/silent"), rule("a-down", path="/down"), rule("a-gone", path="/gone"),
        rule("a-forbidden", path="/forbidden"), rule("nothing-of-that-name", path="/dangling"), rule(path="/empty"),
        rule("a-silent", path="/hang", timeouts={"request": "300ms"}),
        rule("a-silent", path="/slow", timeouts={"request": "5s", "backendRequest": "300ms"}),
        rule("a-silent", path="/small", filters=[http_rules.policy_filter("a-small")]),
        backends=[down, gone, forbidden, silent], policies=[http_rules.request_policy("a-small", maxBodySize=1000)])


@pytest.mark.parametrize("path, status, code, error", [
    ("/nowhere", 404, "no-route", None),
    ("/down", 502, "service-refused", "connection_refused"),
    ("/gone", 503, "node-unreachable", "destination_unavailable"),
    ("/forbidden", 502, "service-forbidden", "destination_ip_prohibited"),
    ("/dangling", 500, "no-backend", "destination_not_found"),
    ("/empty", 500, "no-backend", None),
    ("/hang?id=t", 504, "timeout", "http_response_timeout"),
    ("/slow?ms=2000", 504, "timeout", "http_response_timeout"),
])
def test_what_cannot_be_had_is_told_at_once_and_the_connection_is_kept(way, path, status, code, error):
    with way.connect() as client:
        clock = netlab.Clock()
        problem(client.get(path), status, code, error)
        assert clock.seconds < 1
        assert client.get("/silent").status == 200


def test_a_timeout_ends_the_request_at_the_service(way):
    with way.connect() as client:
        problem(client.get("/hang?id=deadline"), 504, "timeout")
    netlab.until(lambda: "left deadline" in way.seen(), 2, "the request's end at the service")


def test_an_answer_to_head_has_no_body(way):
    with way.connect() as client:
        answer = client.ask("HEAD", "/nowhere")
        assert (answer.status, answer.body) == (404, b"")
        assert client.get("/silent").status == 200


def test_a_problem_has_the_trace_of_the_request(http, way):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    found = problem(way.get("/down", ("traceparent", f"00-{trace}-00f067aa0ba902b7-01")), 502, "service-refused")
    assert found["trace"] == trace
    assert http.logged(trace=trace)["status"] == 502


def test_a_body_over_the_limit_of_its_rule_is_413(way):
    with way.connect() as client:
        assert client.ask("POST", "/small", [], bytes(1000)).json()["size"] == 1000
        problem(client.ask("POST", "/small", [], bytes(1001)), 413, "body-too-large")


def test_a_chunked_body_over_the_limit_is_413_and_never_whole_at_the_service(way):
    with way.connect() as client:
        client.begin("POST", "/small", [("Transfer-Encoding", "chunked")])
        for _ in range(3):
            client.data(bytes(400))
        problem(client.answer(), 413, "body-too-large")


@pytest.fixture(scope="module")
def strict(http):
    """An entrance with small limits."""
    limits = {"headSize": "4KiB", "fields": 20, "headTimeout": "400ms", "idleTimeout": "500ms", "bodyTimeout": "400ms"}
    policy = http_rules.listener_policy("strict", "strict", limits=limits)
    return http.to_edge("strict", policies=[policy])


def raw_answer(way, data):
    with way.connect(timeout=5) as client:
        return http_client.answers(client.raw(data), "GET")[0]


def test_a_head_over_the_limit_is_431_and_the_connection_ends(strict):
    fits = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Big: %s\r\n\r\n"
    assert raw_answer(strict, fits % (b"b" * 3500)).status == 200
    assert raw_answer(strict, fits % (b"b" * 5000)).status == 431
    many = b"".join(b"X-%d: y\r\n" % number for number in range(21))
    assert raw_answer(strict, b"GET / HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n").status == 431
    strict.http.assert_healthy(strict)


def test_a_slow_head_is_408(strict):
    clock = netlab.Clock()
    assert raw_answer(strict, b"GET / HTTP/1.1\r\nHost:").status == 408
    assert 0.3 < clock.seconds < 2


def test_a_body_that_stops_coming_is_408(strict):
    clock = netlab.Clock()
    assert raw_answer(strict, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf").status == 408
    assert 0.3 < clock.seconds < 2


def test_an_idle_connection_ends_without_a_word(strict):
    with strict.connect(timeout=5) as client:
        assert client.get("/").status == 200
        clock = netlab.Clock()
        assert client.socket.recv(100) == b""
        assert 0.4 < clock.seconds < 2


def test_connections_of_one_source_are_limited_on_each_loop(http):
    limit, most = 3, 3 * (os.cpu_count() or 1)
    way = http.to_edge("few", policies=[http_rules.listener_policy("few", "few", limits={"connectionsPerSource": limit})])
    served, refused = [], 0
    while not refused:
        try:
            client = way.connect()
            assert client.get("/").status == 200
            served.append(client)
        except (http_client.Broken, ConnectionResetError):
            refused += 1
        assert len(served) <= most
    assert len(served) >= limit
    for client in served:
        client.close()

    def admitted():
        try:
            return way.get("/").status == 200
        except http_client.Broken:
            return False

    netlab.until(admitted, 2, "room for another")


def test_a_client_that_reads_nothing_holds_up_no_other(http):
    way = http.to_edge("beside")
    with way.connect() as stalled, way.connect() as client:
        stalled.begin("GET", "/bytes/100000000")
        clock = netlab.Clock()
        for _ in range(50):
            assert client.get("/").status == 200
        assert clock.seconds < 2
    http.wait_no_flows()
