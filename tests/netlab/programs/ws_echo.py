#!/usr/bin/python3
"""A WebSocket client on asyncio (the `websockets` package): sends messages, expects each back, and closes.

usage: ws_echo.py URL [--messages 1000]      prints one sentence; exit status 1 when an echo is wrong
"""
import argparse
import asyncio
import os
import time

import websockets


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--messages", type=int, default=1000)
    options = parser.parse_args()
    sizes = [0, 1, 125, 126, 65_535, 65_536, 1_000_000]
    async with websockets.connect(options.url, max_size=None, compression=None) as websocket:
        for message in [b"\xff" + os.urandom(size) for size in sizes] + ["text " * 1000]:
            await websocket.send(message)
            assert await websocket.recv() == message, "not what was sent"
        began = time.monotonic()
        for number in range(options.messages):
            await websocket.send(f"message {number}")
            assert await websocket.recv() == f"message {number}", "not what was sent"
        each = (time.monotonic() - began) / options.messages
    assert websocket.close_code == 1000, websocket.close_code
    print(f"messages up to {max(sizes) // 1000} kB came back whole; {options.messages} short ones, each {each * 1000:.2f} ms there and back; "
          f"closed with {websocket.close_code}")


if __name__ == "__main__":
    asyncio.run(main())
