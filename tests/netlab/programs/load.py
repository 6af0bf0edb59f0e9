#!/usr/bin/python3
"""Clients that ask again and again on kept connections; each request is a path of its own, so that it can be found in a log.

usage: load.py PORT TARGET --clients 16 [--field X-Served-By]       "{}" in TARGET becomes the request's name

Says "ready" once each client has had an answer; ends when its standard input does, with JSON: {"answers": {value of the field: how many
of status 200}, "failures": [{"name": of the request, "status": or null when the answer broke off, "code": of the problem}]}.
"""
import argparse
import asyncio
import collections
import json
import sys


async def ask(reader, writer, target):
    """(status, fields, body) of one request."""
    writer.write(f"GET {target} HTTP/1.1\r\nHost: load.test\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in head[1:] if line)}
    return int(head[0].split()[1]), fields, await reader.readexactly(int(fields["content-length"]))


class Load:
    def __init__(self, options):
        self.options, self.ended = options, False
        self.answers, self.failures, self.begun = collections.Counter(), [], 0

    async def client(self, number):
        streams, turn = None, 0
        while not self.ended:
            name, turn = f"{number}-{turn}", turn + 1
            try:
                streams = streams or await asyncio.open_connection("127.0.0.1", self.options.port)
                status, fields, body = await ask(*streams, self.options.target.replace("{}", name))
            except (OSError, asyncio.IncompleteReadError, KeyError, ValueError):
                self.failures.append({"name": name, "status": None, "code": None})
                streams = None
                await asyncio.sleep(0.01)
                continue
            if status == 200:
                self.answers[fields.get(self.options.field.lower(), "")] += 1
                self.begun += turn == 1
            else:
                code = json.loads(body).get("code") if "json" in fields.get("content-type", "") else None
                self.failures.append({"name": name, "status": status, "code": code})

    async def run(self):
        clients = [asyncio.ensure_future(self.client(number)) for number in range(self.options.clients)]
        while self.begun < self.options.clients:
            await asyncio.sleep(0.01)
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        self.ended = True
        await asyncio.wait_for(asyncio.gather(*clients), 20)
        print(json.dumps({"answers": self.answers, "failures": self.failures}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("target")
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--field", default="X-Served-By")
    asyncio.run(Load(parser.parse_args()).run())


if __name__ == "__main__":
    main()
