#!/usr/bin/python3
"""Bytes that both ends of a transfer can make and check without a file: each block begins with its number.

usage: content.py SIZE      writes SIZE bytes to standard output
"""
import hashlib
import random
import sys

BLOCK = 256 * 1024
_REST = random.Random(7).randbytes(BLOCK - 8)


def blocks(size):
    """`size` bytes in pieces of at most BLOCK, always the same."""
    for number in range(-(-size // BLOCK)):
        block = number.to_bytes(8, "big") + _REST
        yield block[:size - number * BLOCK]


def sha256(size):
    digest = hashlib.sha256()
    for block in blocks(size):
        digest.update(block)
    return digest.hexdigest()


if __name__ == "__main__":
    for piece in blocks(int(sys.argv[1])):
        sys.stdout.buffer.write(piece)
