"""HTTP/1.1 through both sides: what the client sends is what the service reads, and back."""
import contextlib
import hashlib

import pytest
import requests

import netlab
from netlab import http_client, origin
from netlab.http_client import Broken
from http_site import problem

MIB = 2**20


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def names(fields):
    return [name for name, _ in fields]


def test_method_target_fields_and_body_arrive_as_sent(http_way):
    sent = [("X-Zebra", "1"), ("x-apple", "caf\u00e9"), ("X-Zebra", "2"), ("ACCEPT", "text/*;q=0.5, */*")]
    with http_way.connect() as client:
        got = client.ask("PATCH", "/a%20b/c?d=e%2Ff&g", [(name, value.encode("latin-1")) for name, value in sent], b"body").json()
    assert (got["method"], got["target"], got["version"]) == ("PATCH", "/a%20b/c?d=e%2Ff&g", "1.1")
    assert [field for field in map(tuple, got["headers"]) if field[0] in names(sent)] == sent
    assert (got["size"], got["sha256"]) == (4, sha256(b"body"))


def test_fields_of_the_answer_arrive_as_sent(http_way):
    assert ("X-MiXed-CaSe", "kept") in http_way.get("/").fields


def test_what_is_for_one_hop_stays_on_it(http_way):
    got = http_way.get("/", ("Connection", "x-hop, keep-alive"), ("X-Hop", "1"), ("Keep-Alive", "timeout=9"), ("Proxy-Connection", "close"),
                       ("X-Stays", "1")).json()
    there = {name.lower() for name in names(got["headers"])}
    assert "x-stays" in there
    assert not there & {"x-hop", "keep-alive", "proxy-connection"}


def test_a_connection_is_kept_on_both_sides(http_way):
    with http_way.connect() as client:
        got = [client.get("/").json() for _ in range(5)]
    assert len({answer["connection"] for answer in got}) == 1, "the service saw more than one connection"
    assert [answer["request"] - got[0]["request"] for answer in got] == list(range(5))


def test_pipelined_requests_are_answered_in_order(http_way):
    requests_of = "".join(f"GET /{number}?ms={ms} HTTP/1.1\r\nHost: x\r\n{last}\r\n" for number, ms, last in
                          (("slow/1", 100, ""), ("2", 0, ""), ("slow/3", 50, ""), ("4", 0, "Connection: close\r\n")))
    with http_way.connect() as client:
        got = http_client.answers(client.raw(requests_of.encode()), *["GET"] * 4)
    assert [answer.json()["target"].split("?")[0] for answer in got] == ["/slow/1", "/2", "/slow/3", "/4"]


def test_a_pipelined_request_after_a_body_begins_where_the_body_ends(http_way):
    chunked = b"POST /1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    sized = b"POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    last = b"GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with http_way.connect() as client:
        got = http_client.answers(client.raw(chunked + sized + last), "POST", "POST", "GET")
    assert [(answer.json()["target"], answer.json()["size"]) for answer in got] == [("/1", 3), ("/2", 3), ("/3", 0)]


def test_chunked_bodies_both_ways(http_way):
    pieces = [b"x", b"y" * 5000, b"z" * 200_000]
    with http_way.connect() as client:
        client.begin("POST", "/", [("Transfer-Encoding", "chunked")])
        for piece in pieces:
            client.data(piece)
        client.end()
        assert client.answer().json()["sha256"] == sha256(b"".join(pieces))
        answer = client.get("/bytes/300000?chunked")
        assert answer.header("transfer-encoding") == "chunked" and sha256(answer.body) == origin.sha256_of(300_000)


def test_trailers_both_ways(http_way):
    with http_way.connect() as client:
        client.begin("POST", "/", [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")])
        client.data(b"abc")
        client.end([("X-Sum", "of abc")])
        assert ["X-Sum", "of abc"] in client.answer().json()["trailers"]
        answer = client.get("/trailers", ("TE", "trailers"), ("Connection", "TE"))
    assert answer.trailers == [("X-Digest", sha256(b"with trailers"))]


def test_a_client_that_waits_for_100_gets_it_before_the_body_is_sent(http_way):
    with http_way.connect() as client:
        client.begin("POST", "/", [("Content-Length", "3"), ("Expect", "100-continue")])
        assert client.interim().status == 100
        client.data(b"abc")
        client.end()
        assert client.answer().json()["sha256"] == sha256(b"abc")


def test_a_service_may_refuse_before_the_body_is_sent(http_way):
    with http_way.connect() as client:
        client.begin("POST", "/early?status=417", [("Content-Length", "3000000"), ("Expect", "100-continue")])
        answer = client.answer()
    assert answer.status == 417 and not answer.early


def test_curl_waits_for_100_too(http_way):
    result = http_way.curl("-v", "-H", "Expect: 100-continue", "--data-binary", "abc", f"{http_way.url}/")
    assert "100 Continue" in result.stderr and sha256(b"abc") in result.stdout


def test_early_hints_come_before_the_answer(http_way):
    with http_way.connect() as client:
        client.begin("GET", "/hints?ms=300")
        clock = netlab.Clock()
        hints = client.interim()
        assert clock.seconds < 0.25
        assert hints.status == 103 and hints.header("link") == "</style.css>; rel=preload"
        assert client.answer().status == 200


def test_answers_without_a_body_keep_the_connection(http_way):
    with http_way.connect() as client:
        head = client.ask("HEAD", "/bytes/12345")
        assert (head.status, head.header("content-length"), head.body) == (200, "12345", b"")
        for status in (204, 304):
            answer = client.get(f"/status/{status}")
            assert (answer.status, answer.header("etag"), answer.body) == (status, '"of-it"', b"")
            assert answer.header("transfer-encoding") is None
        assert client.get("/").status == 200


def test_a_client_of_http_1_0_gets_no_chunks_and_an_end(http_way):
    assert http_way.curl("--http1.0", f"{http_way.url}/drip?n=3&ms=1").stdout == "0\n1\n2\n"
    with http_way.connect() as client:
        got = client.raw(b"GET /bytes/100000?chunked HTTP/1.0\r\nHost: x\r\n\r\n")
    head, body = got.split(b"\r\n\r\n", 1)
    assert b"chunked" not in head.lower() and sha256(body) == origin.sha256_of(100_000)


def test_a_client_of_http_1_0_may_keep_its_connection(http_way):
    ask = b"GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
    with http_way.connect() as client:
        client.socket.sendall(ask)
        first = client.socket.recv(1 << 16)
        assert b"connection: keep-alive" in first.lower()
        rest = client.raw(b"GET /last HTTP/1.0\r\nHost: x\r\n\r\n")
    assert b"/last" in rest


@pytest.mark.parametrize("path", ["/until-close", "/http10"])
def test_services_of_the_old_kind_are_answered_from_in_the_new_one(http_way, path):
    with http_way.connect() as client:
        answer = client.get(path)
        assert answer.body in (b"as long as it lasts", b"of old")
        assert client.get("/").status == 200, "the client's connection is kept"


def test_an_early_answer_arrives_while_the_body_is_still_being_sent(http_way):
    with http_way.connect() as client:
        client.begin("POST", "/early?status=413", [("Content-Length", str(1000 * MIB))])
        client.data(bytes(MIB))
        answer = client.answer()
    assert (answer.status, answer.body) == (413, b"too much")


def test_a_client_that_leaves_is_gone_at_the_service_at_once(http_way):
    for number, leave in enumerate((http_client.Client.close, http_client.Client.reset)):
        client = http_way.connect()
        client.begin("GET", f"/hang?id={number}")
        netlab.until(lambda: f"began {number}" in http_way.seen(), 5, "the request at the service")
        leave(client)
        netlab.until(lambda: f"left {number}" in http_way.seen(), 2, "the client's end at the service")


def test_a_client_that_leaves_in_the_middle_of_a_body_leaves_no_whole_one(http_way):
    with http_way.connect() as client:
        client.begin("POST", "/hang?id=half", [("Content-Length", "1000")])
        client.data(b"half")
        netlab.until(lambda: "began half" in http_way.seen(), 5, "the request at the service")
    netlab.until(lambda: "left half" in http_way.seen(), 2, "the client's end at the service")


@pytest.mark.parametrize("how", ["length", "chunks"])
def test_an_answer_that_breaks_off_is_not_shown_as_whole(http_way, how):
    with http_way.connect() as client, pytest.raises(Broken) as broken:
        client.get(f"/break?how={how}")
    if broken.value.answer:
        assert broken.value.answer.body in (b"", b"half")


@pytest.mark.parametrize("path, code, error", [("/break?how=nothing", "service-reset", "connection_terminated"),
                                               ("/break?how=head", "service-reset", "connection_terminated"),
                                               ("/garbage", "bad-answer", "http_protocol_error")])
def test_no_answer_is_502_and_the_clients_connection_is_kept(http_way, path, code, error):
    with http_way.connect() as client:
        answer = client.get(path)
        problem(answer, 502, code, error)
        assert client.get("/").status == 200


def test_large_heads_pass_up_to_the_limit(http_way):
    assert len(http_way.get("/big-head?n=30000").header("x-big")) == 30_000
    assert http_way.get("/big-head?n=70000").status == 502
    assert len(dict(http_way.get("/", ("X-Big", "b" * 30_000)).json()["headers"])["X-Big"]) == 30_000


def test_large_bodies_are_whole_both_ways(http_way):
    size = 48 * MIB
    url = http_way.url
    download = http_way.client.host.run(["sh", "-c", f"curl -sS --fail --max-time 30 {url}/bytes/{size} | sha256sum"]).stdout.split()[0]
    assert download == origin.sha256_of(size)
    make = " ".join(map(str, netlab.python.program("content", size)))
    upload = http_way.client.host.run(["sh", "-c", f"{make} | curl -sS --fail --max-time 30 -T - {url}/"]).stdout
    assert origin.sha256_of(size) in upload


def test_requests_speaks_through_it(http_way):
    with http_way.client.host.entered(), contextlib.closing(requests.Session()) as session:
        session.trust_env = False
        assert session.post(f"{http_way.url}/a", json={"a": 1}, params={"q": "\u00fc"}).json()["size"] == 8
        assert session.put(f"{http_way.url}/b", data=iter([b"in ", b"pieces"])).json()["size"] == 9
        assert session.delete(f"{http_way.url}/status/204").status_code == 204
        with session.get(f"{http_way.url}/bytes/1000000", stream=True) as answer:
            assert sha256(b"".join(answer.iter_content(10_000))) == origin.sha256_of(1_000_000)


def test_nothing_is_left_open(http):
    http.wait_no_flows()
