#!/usr/bin/python3
"""Many clients of Server-Sent Events at once; each event carries the CLOCK_MONOTONIC nanoseconds of when it was sent.

usage: sse_clients.py PORT TARGET --count 1000 --events 10

Prints "ready" once all have the head of their answer, and at the end JSON: clients that got each event in order and the answer's
end, and percentiles of how late events were, in ms.
"""
import argparse
import asyncio
import json
import time


class Client(asyncio.Protocol):
    def __init__(self, request, all_late, heads):
        self._request, self._late, self._heads = request, all_late, heads
        self._text, self.ids, self.whole, self.began = b"", [], False, False
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data):
        now = time.monotonic_ns()
        self._text += data
        if not self.began and b"\r\n\r\n" in self._text:
            self.began = True
            self._heads.append(self)
        while (at := self._text.find(b"\n\n")) >= 0:
            event, self._text = self._text[:at], self._text[at + 2:]
            self.ids.append(int(event[event.index(b"id: ") + 4:].split(b"\n")[0]))
            self._late.append((now - int(event[event.index(b"data: ") + 6:])) / 1e6)
        if self._text.endswith(b"0\r\n\r\n"):
            self.whole = True
            self._transport.close()

    def connection_lost(self, error):
        if not self.gone.done():
            self.gone.set_result(None)


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("target")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--events", type=int, required=True)
    options = parser.parse_args()
    request = f"GET {options.target} HTTP/1.1\r\nHost: sse.test\r\nAccept: text/event-stream\r\n\r\n".encode()
    loop, late, heads, clients = asyncio.get_running_loop(), [], [], []
    for _ in range(options.count):
        clients.append((await loop.create_connection(lambda: Client(request, late, heads), "127.0.0.1", options.port))[1])
    while len(heads) < options.count and not all(client.gone.done() for client in clients):
        await asyncio.sleep(0.05)
    print("ready", flush=True)
    await asyncio.gather(*(client.gone for client in clients))
    late.sort()
    complete = sum(client.whole and client.ids == list(range(options.events)) for client in clients)
    worst = {f"p{percent}_ms": late[min(len(late) - 1, len(late) * percent // 100)] if late else None for percent in (50, 99, 100)}
    print(json.dumps({"complete": complete, "events": len(late), **worst}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
