#!/usr/bin/python3
"""Asks at a steady pace, whatever became of what it asked before, and tells how long each answer took.

usage: steady.py get|echo|datagram ADDRESS PORT [--every-ms 100] [--size 200] [--fresh] [--patience 20]

  get        GET /1k on a kept connection that waits for nothing else; a new one only when all are busy. --fresh: a new one for each
  echo       `size` bytes on one connection, which is made anew when it ends
  datagram   `size` bytes, given back by an echo

Says "ready", begins at a line on its standard input, says "first" at the first answer and stops asking when standard input ends; what is
under way then has `patience` seconds.
Ends with JSON: {"asked": [[CLOCK_MONOTONIC seconds when it was due, ms until the answer or null], ...], "connections": made}.
"""
import argparse
import json
import os
import select
import socket
import struct
import sys
import threading
import time

NUMBER = struct.Struct("!I")
READY_CONNECTIONS = 4


class Pace:
    """Yields the times that are due, until standard input ends."""

    def __init__(self, every):
        self.every = every

    def __iter__(self):
        due = time.monotonic()
        while True:
            while (left := due - time.monotonic()) > 0:
                if select.select([sys.stdin], [], [], left)[0]:
                    return
            if select.select([sys.stdin], [], [], 0)[0]:
                return
            yield due
            due += self.every


def connected(options, timeout):
    connection = socket.create_connection((options.address, options.port), timeout=timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Asking:
    """What was asked, as [when it was due, ms until the answer or None]."""

    def __init__(self, options):
        self.options, self.asked, self.connections, self.any = options, [], 0, False

    def note(self, entry):
        entry[1] = (time.monotonic() - entry[0]) * 1000
        if not self.any:
            self.any = True
            print("first", flush=True)


class Get(Asking):
    def __init__(self, options):
        super().__init__(options)
        self.idle, self.lock = [], threading.Lock()
        if not options.fresh:
            opened = []
            for _ in range(READY_CONNECTIONS):
                opened.append(self.open())
                self.fetch(opened[-1])
            self.idle = opened

    def open(self):
        with self.lock:
            self.connections += 1
        return connected(self.options, self.options.patience)

    @staticmethod
    def fetch(connection):
        connection.sendall(b"GET /1k HTTP/1.1\r\nHost: bench.test\r\n\r\n")
        data = b""
        while (head := data.find(b"\r\n\r\n")) < 0 or len(data) < head + 4 + 1000:
            if not (piece := connection.recv(65536)):
                raise ConnectionError("closed")
            data += piece
        if not data.startswith(b"HTTP/1.1 200"):
            raise ConnectionError("not 200")

    def one(self, entry):
        due, connection = entry[0], None
        try:
            with self.lock:
                connection = self.idle.pop() if self.idle else None
            connection = connection or self.open()
            self.fetch(connection)
            self.note(entry)
            if self.options.fresh:
                connection.close()
            else:
                with self.lock:
                    self.idle.append(connection)
        except OSError:
            if connection:
                connection.close()

    def run(self, pace):
        threads = []
        for due in pace:
            self.asked.append([due, None])
            threads.append(threading.Thread(target=self.one, args=(self.asked[-1],), daemon=True))
            threads[-1].start()
        end = time.monotonic() + self.options.patience
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))


class Echo(Asking):
    """Numbered pieces of one size; what comes back is cut into pieces again."""

    def __init__(self, options):
        super().__init__(options)
        self.by_number, self.socket, self.held = {}, None, b""
        self.reopen()

    def reopen(self):
        self.connections += 1
        try:
            self.socket, self.held = connected(self.options, 5), b""
        except OSError:
            self.socket = None

    def send(self, due):
        number = len(self.asked)
        entry = [due, None]
        self.asked.append(entry)
        self.by_number[number] = entry
        if self.socket is None:
            self.reopen()
        if self.socket is not None:
            try:
                self.pass_on(NUMBER.pack(number) + bytes(self.options.size - NUMBER.size))
            except OSError:
                self.lost()

    def pass_on(self, piece):
        self.socket.sendall(piece)

    def lost(self):
        self.socket.close()
        self.socket = None

    def take(self):
        try:
            piece = self.socket.recv(65536)
        except OSError:
            piece = b""
        if not piece:
            return self.lost()
        self.held += piece
        while len(self.held) >= self.options.size:
            self.answered(self.held)
            self.held = self.held[self.options.size:]

    def answered(self, piece):
        entry = self.by_number.pop(NUMBER.unpack_from(piece)[0], None)
        if entry:
            self.note(entry)

    def run(self, pace):
        due, end = time.monotonic(), None
        while end is None or (self.by_number and time.monotonic() < end):
            now = time.monotonic()
            if end is None and now >= due:
                self.send(due)
                due += pace.every
                continue
            sockets = [self.socket] if self.socket else []
            readable, _, _ = select.select(sockets + ([sys.stdin] if end is None else []), [], [], max(0.0, (due if end is None else end) - now))
            if sys.stdin in readable:
                end = now + self.options.patience
            if self.socket in readable:
                self.take()


class Datagram(Echo):
    def reopen(self):
        self.connections += 1
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self.socket.connect((self.options.address, self.options.port))

    def lost(self):
        """A refusal by ICMP: the next may pass."""

    def take(self):
        try:
            self.answered(self.socket.recv(65536))
        except OSError:
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("get", "echo", "datagram"))
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--every-ms", type=float, default=100)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--patience", type=float, default=20)
    options = parser.parse_args()
    os.nice(-10)  # what it waits for the processor would count as the answer's time
    asking = {"get": Get, "echo": Echo, "datagram": Datagram}[options.kind](options)
    print("ready", flush=True)
    sys.stdin.readline()
    asking.run(Pace(options.every_ms / 1000))
    print(json.dumps({"asked": asking.asked, "connections": asking.connections}), flush=True)
    os._exit(0)  # threads that still wait for an answer are left behind


if __name__ == "__main__":
    main()
