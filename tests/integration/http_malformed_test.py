"""Each malformed head and body of src/http/malformed.txt against a running cloud and edge: refused, and both sides go on."""
import asyncio
import re
from pathlib import Path

from netlab import http_rules
from ways import NODE

TABLE = Path(__file__).resolve().parents[2] / "src/http/malformed.txt"
AT_ONCE, SECONDS = 50, 10
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|\{(\d+)\*([^}]*)\}|(.))")
_HEADS = re.compile(rb"HTTP/1\.1 \d{3} ")
_LETTERS = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}
POST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def unescape(text):
    """Bytes of the table's last column."""
    def one(found):
        number, times, repeated, letter = found.groups()
        if number:
            return bytes([int(number, 16)])
        return int(times) * unescape(repeated) if times else _LETTERS[letter]

    return _ESCAPE.sub(one, text)


def cases(*kinds):
    """(name, status, code, bytes) of the table."""
    lines = [line for line in TABLE.read_bytes().splitlines() if line and not line.startswith(b"#")]
    rows = [(*(line + b" ").split(b" ", 4)[:4], line.split(b" ", 4)[4] if line.count(b" ") > 3 else b"") for line in lines]
    return [(name.decode(), int(status), code.decode(), kind.decode(), unescape(data)) for name, kind, status, code, data in rows
            if kind.decode() in kinds]


async def refused(host, port, data, gate):
    """All that comes back for `data`, until the connection ends. What is left to be sent is given up when it does."""
    async with gate:
        connection = host.tcp_socket()
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            writer.write(data)
            return await asyncio.wait_for(reader.read(), SECONDS)
        except ConnectionError:
            return b""
        finally:
            writer.close()


def test_each_request_that_is_malformed_gets_its_refusal_and_an_end(http):
    way = http.to_edge("malformed")
    ahead = {"request": b"", "chunked": POST, "trailers": POST + b"0\r\n"}
    table = cases(*ahead)
    assert len(table) >= 500

    async def run():
        gate = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(*(refused(way.client.host, way.entrance, ahead[kind] + data, gate) for _, _, _, kind, data in table),
                                    return_exceptions=True)

    wrong = {}
    for (name, status, code, _, data), got in zip(table, asyncio.run(run())):
        if isinstance(got, BaseException):
            wrong[name] = f"{type(got).__name__}: {got}"
        elif not got.startswith(b"HTTP/1.1 %d " % status) or f'"{code}"'.encode() not in got or len(_HEADS.findall(got)) != 1:
            wrong[name] = got[:300]
    assert not wrong, f"{len(wrong)} of {len(table)}: {dict(list(wrong.items())[:8])}"
    http.assert_healthy(way)
    http.wait_no_flows()


async def lie(reader, writer, answers):
    """A service that answers a request for /NAME with the bytes of that case."""
    try:
        name = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1][1:].decode()
        writer.write(answers[name])
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


def test_each_answer_that_is_malformed_is_502_and_the_client_may_go_on(http):
    port = http.lab.port(8100)
    way = http.to_edge("lies", backends=[http_rules.backend("lies-edge", NODE, port)])
    table = cases("response")
    answers = {name: data for name, _, _, _, data in table}
    listener = http.lab.edge.listen(port)

    async def run():
        server = await asyncio.start_server(lambda reader, writer: lie(reader, writer, answers), sock=listener)
        gate = asyncio.Semaphore(AT_ONCE)
        ask = "GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        try:
            return await asyncio.gather(*(refused(way.client.host, way.entrance, ask.format(name).encode(), gate) for name in answers),
                                        return_exceptions=True)
        finally:
            server.close()

    wrong = {name: got if isinstance(got, BaseException) else got[:300] for name, got in zip(answers, asyncio.run(run()))
             if isinstance(got, BaseException) or not got.startswith(b"HTTP/1.1 502 ")}
    assert not wrong, f"{len(wrong)} of {len(table)}: {dict(list(wrong.items())[:8])}"
    http.wait_no_flows()
    http.assert_healthy(http.to_edge("after-lies"))
