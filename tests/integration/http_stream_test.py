"""What lasts: events as they happen, WebSockets and other upgrades."""
import asyncio
import contextlib
import os
import time

import pytest
import websockets

import netlab
from netlab import http_rules
from http_site import problem
from ways import NODE

LATE = 0.1  # seconds: far above what a link in one machine needs, below the distance of two events
UPGRADE = b"GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"


def socket_of(way):
    """A WebSocket through the entrance, by another's client."""
    connection = way.client.host.connect(way.entrance)
    return websockets.connect(f"ws://127.0.0.1:{way.entrance}/ws", sock=connection, max_size=None, compression=None)


def run(story):
    asyncio.run(asyncio.wait_for(story, 20))


def test_each_event_arrives_when_it_is_sent(http_way):
    late = []
    with http_way.connect() as client:
        client.begin("GET", "/sse?n=6&ms=150")
        answer = client.head()
        assert answer.header("content-type") == "text/event-stream"
        while piece := client.piece(answer):
            late.append((time.monotonic_ns() - int(piece.split(b"data: ")[1])) / 1e9)
    assert len(late) == 6, "each came alone"
    assert max(late) < LATE, late


def test_events_to_a_client_of_http_1_0_arrive_when_they_are_sent(http_way):
    with http_way.connect() as client:
        client.socket.sendall(b"GET /sse?n=3&ms=150 HTTP/1.0\r\nHost: x\r\n\r\n")
        text, late = b"", []
        while piece := client.socket.recv(1 << 16):
            text += piece
            if b"data: " in piece:
                late.append((time.monotonic_ns() - int(piece.split(b"data: ")[1])) / 1e9)
    assert text.count(b"data: ") == 3 and max(late) < LATE, late


def test_pieces_of_a_body_arrive_when_they_are_sent_and_the_answer_does_not_wait(http_way):
    with http_way.connect() as client:
        client.begin("POST", "/parrot", [("Transfer-Encoding", "chunked")])
        answer = client.head()
        for number in range(20):
            client.data(b"piece %d" % number)
            assert client.piece(answer) == b"piece %d" % number
        client.end()
        assert client.piece(answer) == b""


def test_a_client_that_leaves_an_endless_answer_leaves_no_flow(http, http_way):
    client = http_way.connect()
    client.begin("GET", "/sse?n=1000000&ms=10")
    client.piece(client.head())
    assert http.flows() >= 1
    client.close()
    http.wait_no_flows()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 3_000_000])
def test_a_websocket_echoes(http_way, size):
    async def story():
        async with socket_of(http_way) as websocket:
            for message in (os.urandom(size), "t" * size):
                await websocket.send(message)
                assert await websocket.recv() == message
            await asyncio.wait_for(await websocket.ping(), 5)

    run(story())


def test_many_websockets_at_once(http, http_way):
    async def story():
        async with contextlib.AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(socket_of(http_way)) for _ in range(100)]
            for turn in range(3):
                await asyncio.gather(*(websocket.send(f"{turn} {number}") for number, websocket in enumerate(sockets)))
                assert await asyncio.gather(*(websocket.recv() for websocket in sockets)) == [f"{turn} {number}" for number in range(100)]

    run(story())
    http.wait_no_flows()


def test_the_end_of_a_websocket_reaches_the_service(http_way):
    before = http_way.seen().count("websocket closed")

    async def story():
        async with socket_of(http_way) as websocket:
            await websocket.close(4001, "enough")
            assert websocket.close_code == 4001

    run(story())
    assert http_way.seen().count("websocket closed") == before + 1


def test_bytes_sent_along_with_the_upgrade_are_not_lost(http_way):
    with http_way.connect() as client:
        client.socket.sendall(UPGRADE + b"at once, ")
        client.socket.sendall(b"and later")
        got = b""
        while b"later" not in got:
            piece = client.socket.recv(1000)
            assert piece, got
            got += piece
    head, body = got.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 101 ") and b"upgrade: echo" in head.lower()
    assert body == b"at once, and later"


def test_a_service_may_not_want_to_upgrade(http_way):
    with http_way.connect() as client:
        for _ in range(2):
            answer = client.get("/", ("Connection", "Upgrade"), ("Upgrade", "websocket"))
            assert answer.status == 200 and ["Upgrade", "websocket"] in answer.json()["headers"]


def test_a_service_that_is_down_refuses_a_websocket_by_an_answer(http):
    way = http.to_edge("down", backends=[http_rules.backend("down-edge", NODE, http.lab.port(8099))])
    answer = way.get("/ws", ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "eA=="))
    problem(answer, 502, "service-refused", "connection_refused")
