#!/usr/bin/python3
"""Opens many connections, asks once on each, and keeps them idle until its standard input ends.

usage: idle_connections.py PORT TARGET COUNT      prints "ready" when all had an answer of 200, and at the end JSON
"""
import json
import resource
import socket
import sys

from probe import ask


def main():
    port, target, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    request = f"GET {target} HTTP/1.1\r\nHost: idle.test\r\n\r\n".encode()
    connections = []
    for _ in range(count):
        connections.append(socket.create_connection(("127.0.0.1", port), timeout=10))
        ask(connections[-1], request, b"")
    print("ready", flush=True)
    sys.stdin.read()
    still_open = 0
    for connection in connections:
        try:
            ask(connection, request, b"")
            still_open += 1
        except OSError:
            pass
    print(json.dumps({"open_at_end": still_open}), flush=True)


if __name__ == "__main__":
    main()
