#!/usr/bin/python3
"""Asks for one path again and again at a steady pace and tells how long each answer took.

usage: probe.py PORT TARGET [--every-ms 1] [--connections 4] [--field X-Version]

Ends when its standard input does, with JSON: {"answers": [[CLOCK_MONOTONIC seconds when asked, ms until the answer, value of the
field], ...], "failures": [...]}. Its connections are kept and take turns, one request at a time: what is measured is the other side.
"""
import argparse
import json
import os
import select
import socket
import sys
import time


def ask(connection, request, field):
    connection.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := connection.recv(65536)):
            raise ConnectionError("closed before the answer")
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.split(b"\r\n")
    fields = {name.strip().lower(): value.strip() for name, value in (line.split(b":", 1) for line in lines[1:])}
    left = int(fields[b"content-length"]) - len(body)
    while left > 0:
        if not (piece := connection.recv(65536)):
            raise ConnectionError("closed within the answer")
        left -= len(piece)
    status = lines[0].split()[1]
    if status != b"200":
        raise ConnectionError(f"status {status.decode()}")
    return fields.get(field, b"").decode()


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("target")
    parser.add_argument("--every-ms", type=float, default=1)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--field", default="X-Version")
    options = parser.parse_args()
    try:
        os.nice(-10)  # what it waits for the processor would count as the answer's time
    except OSError:
        pass
    request = f"GET {options.target} HTTP/1.1\r\nHost: probe.test\r\n\r\n".encode()
    connections = [connect(options.port) for _ in range(options.connections)]
    answers, failures, turn = [], [], 0
    due = time.monotonic()
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
        began = time.monotonic()
        try:
            value = ask(connections[turn], request, options.field.lower().encode())
            answers.append((began, (time.monotonic() - began) * 1000, value))
        except (OSError, KeyError, ValueError, IndexError) as error:
            failures.append(f"{type(error).__name__}: {error}")
            connections[turn].close()
            connections[turn] = connect(options.port)
        turn = (turn + 1) % len(connections)
        due = max(due + options.every_ms / 1000, time.monotonic() - 0.1)
    print(json.dumps({"answers": answers, "failures": failures}), flush=True)


if __name__ == "__main__":
    main()
