#!/usr/bin/python3
"""One GET, and when its bytes came.

usage: download.py ADDRESS PORT PATH

Says "ready" at the first byte. Ends when all has come, when it breaks off, or when its standard input ends, with JSON: {"bytes", "size",
"sha256", "error": a text or null, "began", "timeline": [[CLOCK_MONOTONIC seconds, bytes so far], ...] of at most one entry each 5 ms}.
"""
import hashlib
import json
import select
import socket
import sys
import time

STEP_SECONDS = 0.005


class Download:
    def __init__(self):
        self.size, self.received, self.timeline, self.digest, self.error = None, 0, [], hashlib.sha256(), None

    def took(self, piece):
        if not self.received:
            print("ready", flush=True)
        self.received += len(piece)
        self.digest.update(piece)
        now = time.monotonic()
        if len(self.timeline) > 1 and now - self.timeline[-2][0] < STEP_SECONDS:
            self.timeline[-1] = [now, self.received]
        else:
            self.timeline.append([now, self.received])

    def run(self, address, port, path):
        with socket.create_connection((address, port), timeout=30) as connection:
            connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: bench.test\r\n\r\n".encode())
            data = b""
            while b"\r\n\r\n" not in data:
                if not (piece := connection.recv(65536)):
                    raise ConnectionError("closed before the answer")
                data += piece
            head, body = data.split(b"\r\n\r\n", 1)
            self.size = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            if body:
                self.took(body)
            while self.received < self.size:
                readable, _, _ = select.select([connection, sys.stdin], [], [])
                if sys.stdin in readable:
                    return
                if not (piece := connection.recv(1 << 18)):
                    raise ConnectionError("closed within the answer")
                self.took(piece)


def main():
    address, port, path = sys.argv[1:]
    download, began = Download(), time.monotonic()
    try:
        download.run(address, int(port), path)
    except (OSError, StopIteration, ValueError) as error:
        download.error = f"{type(error).__name__}: {error}"
    print(json.dumps({"bytes": download.received, "size": download.size, "sha256": download.digest.hexdigest(), "error": download.error,
                      "began": began, "timeline": download.timeline}), flush=True)


if __name__ == "__main__":
    main()
