#!/usr/bin/python3
"""An HTTP/1.1 service that does what services do, good and bad, on asyncio and h11.

usage: origin.py PORT [--address 127.0.0.1] [--name NAME] [--tls CERTIFICATE KEY] [--proxy-protocol]

Any path that is not below echoes the request as JSON, its body as size and SHA-256. Query parameters are in brackets.

  /bytes/N [chunked]      N bytes of content.py              /status/N            that status, no body
  /sse [n, ms]            n events, one each ms              /ws                  WebSocket echo (RFC 6455)
  /upgrade                101, then echoes raw bytes         /trailers            chunked, with trailers
  /hints                  103 before its 200                 /early [status]      answers before the body has come, then closes
  /slow [ms]              waits, then echoes                 /hang [id]           waits until the client is gone; /seen tells
  /drip [n, ms]           n pieces of a chunked body         /until-close         no length, ends with the connection
  /parrot                 gives each piece of the body back as it comes
  /note [id]              an echo that /seen tells of        /health              200, or what /set-health [status] said
  /http10                 an answer of HTTP/1.0              /big-head [n]        n bytes of header
  /break [how]            how: nothing, head, length, chunks: closes in the middle of that
  /flaky [id, fail, how]  the first `fail` requests of an id get status `how` or, with "close", no answer; later ones an echo
  /seen                   notes of what happened: JSON list  /garbage             what is not HTTP
"""
import argparse
import asyncio
import base64
import contextlib
import hashlib
import itertools
import json
import ssl
import struct
import time
from urllib.parse import parse_qs, urlsplit

import content
import h11

READ = 256 * 1024
_WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_V2 = b"\r\n\r\n\0\r\nQUIT\n"


class Gone(Exception):
    """The client has left."""


class Exchange:
    """One request and its answer."""

    def __init__(self, service, connection, request):
        self.service, self.connection, self.request = service, connection, request
        self.url = urlsplit(request.target.decode())
        self._query = {key: values[0] for key, values in parse_qs(self.url.query, keep_blank_values=True).items()}
        self.trailers = []

    def query(self, name, otherwise):
        return type(otherwise)(self._query.get(name, otherwise))

    def asked(self, name):
        return name in self._query

    async def body(self):
        """Pieces of the body; asks for it where the client waits for 100 (Continue)."""
        h = self.connection.h11
        if h.they_are_waiting_for_100_continue:
            await self.send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
        while True:
            event = await self.connection.next_event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self.trailers = event.headers.raw_items()
                return
            else:
                raise Gone

    async def read_body(self):
        async for _ in self.body():
            pass

    async def send(self, *events):
        for event in events:
            if data := self.connection.h11.send(event):
                await self.raw(data)

    async def raw(self, data):
        self.connection.writer.write(data)
        await self.connection.writer.drain()

    async def begin(self, headers=(), status=200):
        await self.send(h11.Response(status_code=status, headers=[("X-Origin", self.service.name), *headers]))

    async def answer(self, body=b"", headers=(), status=200):
        await self.begin([("Content-Length", str(len(body))), *headers], status)
        await self.send(*([h11.Data(body)] if body and self.request.method != b"HEAD" else []), h11.EndOfMessage())

    async def echo(self):
        digest, size = hashlib.sha256(), 0
        async for piece in self.body():
            digest.update(piece)
            size += len(piece)
        text = json.dumps({
            "name": self.service.name, "method": self.request.method.decode(), "target": self.request.target.decode(),
            "version": self.request.http_version.decode(), "headers": _text(self.request.headers.raw_items()),
            "size": size, "sha256": digest.hexdigest(), "trailers": _text(self.trailers),
            "connection": self.connection.number, "request": self.connection.requests, "proxy": self.connection.proxy,
        })
        await self.answer(text.encode(), [("Content-Type", "application/json"), ("X-MiXed-CaSe", "kept")])


def _text(items):
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in items]


class Connection:
    def __init__(self, service, number, reader, writer):
        self.service, self.number, self.reader, self.writer = service, number, reader, writer
        self.h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        self.requests, self.proxy = 0, None

    async def next_event(self):
        while (event := self.h11.next_event()) is h11.NEED_DATA:
            self.h11.receive_data(await self.reader.read(READ))
        return event

    async def serve(self):
        if self.service.proxy_protocol:
            self.proxy = await read_proxy_header(self.reader)
        while True:
            event = await self.next_event()
            if not isinstance(event, h11.Request):
                return
            self.requests += 1
            exchange = Exchange(self.service, self, event)
            await self.service.handler(exchange.url.path)(exchange)
            if self.h11.our_state is h11.DONE:
                async for _ in exchange.body() if self.h11.their_state is h11.SEND_BODY else _nothing():
                    pass
            if self.h11.our_state is not h11.DONE or self.h11.their_state is not h11.DONE:
                return
            self.h11.start_next_cycle()


async def _nothing():
    return
    yield


async def read_proxy_header(reader):
    """The PROXY header of a connection, version 1 or 2: who the client was."""
    start = await reader.readexactly(12)
    if start == _V2:
        _, family, length = struct.unpack("!BBH", await reader.readexactly(4))
        rest = await reader.readexactly(length)
        size = {1: 4, 2: 16}.get(family >> 4)
        if size is None:
            return {"version": 2, "source": None}
        address = ".".join(map(str, rest[:4])) if size == 4 else rest[:16].hex()
        return {"version": 2, "source": address, "port": struct.unpack_from("!H", rest, 2 * size)[0]}
    words = (start + await reader.readuntil(b"\r\n")).decode().split()
    return {"version": 1, "source": words[2], "port": int(words[4])}


class Service:
    def __init__(self, name, proxy_protocol):
        self.name, self.proxy_protocol = name, proxy_protocol
        self.notes, self.failed, self.health, self._numbers = [], {}, 200, itertools.count(1)

    def handler(self, path):
        word = path.split("/")[1].replace("-", "_") if path.startswith("/") else ""
        return getattr(self, f"do_{word}", Exchange.echo)

    async def connected(self, reader, writer):
        with contextlib.suppress(Gone, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, h11.ProtocolError):
            await Connection(self, next(self._numbers), reader, writer).serve()
        writer.close()

    async def do_seen(self, exchange):
        await exchange.answer(json.dumps(self.notes).encode())

    async def do_bytes(self, exchange):
        size = int(exchange.url.path.split("/")[2])
        await exchange.begin([] if exchange.asked("chunked") else [("Content-Length", str(size))])
        if exchange.request.method != b"HEAD":
            for block in content.blocks(size):
                await exchange.send(h11.Data(block))
        await exchange.send(h11.EndOfMessage())

    async def do_status(self, exchange):
        status = int(exchange.url.path.split("/")[2])
        await exchange.read_body()
        if status in (204, 304):
            await exchange.begin([("ETag", '"of-it"')], status)
            await exchange.send(h11.EndOfMessage())
        else:
            await exchange.answer(f"status {status}".encode(), status=status)

    async def do_sse(self, exchange):
        await exchange.begin([("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")])
        for number in range(exchange.query("n", 10)):
            await asyncio.sleep(exchange.query("ms", 100) / 1000)
            await exchange.send(h11.Data(f"id: {number}\ndata: {time.monotonic_ns()}\n\n".encode()))
        await exchange.send(h11.EndOfMessage())

    async def do_drip(self, exchange):
        await exchange.begin()
        for number in range(exchange.query("n", 10)):
            await exchange.send(h11.Data(f"{number}\n".encode()))
            await asyncio.sleep(exchange.query("ms", 100) / 1000)
        await exchange.send(h11.EndOfMessage())

    async def do_health(self, exchange):
        await exchange.answer(b"health", status=self.health)

    async def do_set_health(self, exchange):
        self.health = exchange.query("status", 200)
        await exchange.answer(b"set")

    async def do_note(self, exchange):
        self.notes.append(f"note {exchange.query('id', '')}")
        await exchange.echo()

    async def do_parrot(self, exchange):
        await exchange.begin()
        async for piece in exchange.body():
            await exchange.send(h11.Data(piece))
        await exchange.send(h11.EndOfMessage())

    async def do_trailers(self, exchange):
        await exchange.read_body()
        await exchange.begin([("Trailer", "X-Digest")])
        await exchange.send(h11.Data(b"with "), h11.Data(b"trailers"))
        await exchange.send(h11.EndOfMessage(headers=[("X-Digest", hashlib.sha256(b"with trailers").hexdigest())]))

    async def do_hints(self, exchange):
        link = [("Link", "</style.css>; rel=preload")]
        await exchange.send(h11.InformationalResponse(status_code=103, headers=link, reason=b"Early Hints"))
        await asyncio.sleep(exchange.query("ms", 0) / 1000)
        await exchange.echo()

    async def do_early(self, exchange):
        body = b"too much"
        head = b"HTTP/1.1 %d Early\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (exchange.query("status", 413), len(body))
        await exchange.raw(head + body)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._drain(exchange), 2)

    async def _drain(self, exchange):
        """Reads on for a while, as services do, so that no reset takes the answer away."""
        while await exchange.connection.reader.read(READ):
            pass

    async def do_slow(self, exchange):
        await asyncio.sleep(exchange.query("ms", 1000) / 1000)
        await exchange.echo()

    async def do_hang(self, exchange):
        name = exchange.query("id", "")
        self.notes.append(f"began {name}")
        try:
            while True:
                if not await exchange.connection.reader.read(READ):
                    raise Gone
        finally:
            self.notes.append(f"left {name}")

    async def do_until_close(self, exchange):
        await exchange.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\nX-Origin: x\r\n\r\nas long as ")
        await exchange.raw(b"it lasts")

    async def do_http10(self, exchange):
        await exchange.raw(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nof old")

    async def do_big_head(self, exchange):
        await exchange.answer(b"big", [("X-Big", "b" * exchange.query("n", 1000))])

    async def do_garbage(self, exchange):
        await exchange.raw(b"SSH-2.0-not-http\r\n\r\n")

    async def do_break(self, exchange):
        await exchange.raw({
            "nothing": b"",
            "head": b"HTTP/1.1 200 OK\r\nContent-Le",
            "length": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf",
            "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        }[exchange.query("how", "nothing")])
        await asyncio.sleep(0.05)  # so that the head and the end are two events for whoever reads

    async def do_flaky(self, exchange):
        name, how = exchange.query("id", ""), exchange.query("how", "503")
        self.failed[name] = self.failed.get(name, 0) + 1
        if self.failed[name] > exchange.query("fail", 1):
            await exchange.echo()
        elif how != "close":
            await exchange.read_body()
            await exchange.answer(b"not now", status=int(how))

    async def do_upgrade(self, exchange):
        await exchange.raw(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        data, _ = exchange.connection.h11.trailing_data
        reader = exchange.connection.reader
        while data or (data := await reader.read(READ)):
            await exchange.raw(data)
            data = b""

    async def do_ws(self, exchange):
        key = dict(exchange.request.headers).get(b"sec-websocket-key", b"")
        accept = base64.b64encode(hashlib.sha1(key + _WEBSOCKET).digest())
        await exchange.raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        data, _ = exchange.connection.h11.trailing_data
        frames = Frames(exchange.connection.reader, data)
        while True:
            first, payload = await frames.next()
            kind = first & 0x0f
            answer = {8: 0x88, 9: 0x8a}.get(kind, first)  # close for close, pong for ping, else the same again
            if kind != 10:
                await exchange.raw(Frames.make(answer, payload))
            if kind == 8:
                self.notes.append("websocket closed")
                return


class Frames:
    """WebSocket frames as a server reads and writes them."""

    def __init__(self, reader, data):
        self._reader, self._data = reader, data

    async def _take(self, size):
        while len(self._data) < size:
            if not (more := await self._reader.read(READ)):
                raise Gone
            self._data += more
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    async def next(self):
        """(first byte, payload) of a client's frame, unmasked."""
        first, size = await self._take(2)
        size &= 0x7f
        if size > 125:
            size = int.from_bytes(await self._take(2 if size == 126 else 8), "big")
        mask = await self._take(4)
        payload = await self._take(size)
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        return first, (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")

    @staticmethod
    def make(first, payload):
        size = len(payload)
        if size <= 125:
            return bytes([first, size]) + payload
        kind, width = (126, 2) if size < 65536 else (127, 8)
        return bytes([first, kind]) + size.to_bytes(width, "big") + payload


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--name", default="origin")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    parser.add_argument("--proxy-protocol", action="store_true")
    options = parser.parse_args()
    context = None
    if options.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*options.tls)
    service = Service(options.name, options.proxy_protocol)
    server = await asyncio.start_server(service.connected, options.address, options.port, backlog=4096, ssl=context, limit=READ)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
