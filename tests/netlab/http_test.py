"""The HTTP service and client that other tests trust."""
import hashlib
import mmap
import os

import pytest

import netlab
from netlab import http_client, origin, wrk
from netlab.http_client import Broken, Client
from netlab.sampler import Sampler

PORT = 8080


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with netlab.side_by_side(tmp_path_factory.mktemp("logs")) as lab:
        origin.serve(lab.edge, PORT, "here")
        yield lab.edge


def test_the_service_tells_what_it_was_asked(host):
    with Client(host, PORT) as client:
        got = client.ask("PUT", "/a?b", [("X-A", "1")], b"body").json()
        assert (got["name"], got["method"], got["target"], got["size"]) == ("here", "PUT", "/a?b", 4)
        assert ["X-A", "1"] in got["headers"]
        assert client.get("/").json()["request"] == 2


def test_content_is_what_its_checksum_says(host):
    with Client(host, PORT) as client:
        for target in ("/bytes/1000000", "/bytes/1000000?chunked"):
            assert hashlib.sha256(client.get(target).body).hexdigest() == origin.sha256_of(1_000_000)


def test_interim_answers_and_trailers_are_shown(host):
    with Client(host, PORT) as client:
        assert [early.status for early in client.get("/hints").early] == [103]
        assert client.get("/trailers").trailers


@pytest.mark.parametrize("how", ["nothing", "head", "length", "chunks"])
def test_an_answer_that_breaks_off_is_broken(host, how):
    with Client(host, PORT) as client, pytest.raises(Broken):
        client.get(f"/break?how={how}")


def test_answers_in_a_row_are_taken_apart(host):
    with Client(host, PORT) as client:
        data = client.raw(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: x\r\n\r\n"
                          b"GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert [answer.body[:1] for answer in http_client.answers(data, "GET", "HEAD", "GET")] == [b"{", b"", b"{"]
    with pytest.raises(Broken):
        http_client.answers(data[:-1], "GET", "HEAD", "GET")


def test_what_happened_is_seen(host):
    with Client(host, PORT) as client:
        client.begin("GET", "/hang?id=1")
        netlab.until(lambda: origin.seen(host, PORT) == ["began 1"], 5, "the request at the service")
    netlab.until(lambda: origin.seen(host, PORT) == ["began 1", "left 1"], 5, "its end")


def test_wrk_counts_refused_answers(host):
    found = wrk.run(host, f"http://127.0.0.1:{PORT}/status/503", 1, 2)
    assert found["requests"] > 0 and found["refused"] >= found["requests"] and found["errors"] == 0


def test_a_sampler_sees_memory_grow():
    with Sampler([os.getpid()]) as memory:
        netlab.until(lambda: len(memory.samples) > 2, 5, "samples")
        held = mmap.mmap(-1, 64 * 2**20)  # what malloc has freed before may be used again without growing
        held[::mmap.PAGESIZE] = b"x" * (len(held) // mmap.PAGESIZE)
        seen = len(memory.samples)
        netlab.until(lambda: len(memory.samples) > seen + 2, 5, "more samples")
    assert memory.samples[-1] - memory.samples[0] > 60 * 2**20, len(held)
