"""A link that is silent for ten seconds and returns: everything on it goes on at once."""
import hashlib
import threading
import time

import pytest

import netlab

from ways import NODE

OUT_SECONDS = 10
MOVES_SECONDS = 0.5
ANSWERED_SECONDS = 0.8
CHUNK = 1 << 16


class Transfer:
    """`size` bytes from one end of a flow to the other, checked."""

    def __init__(self, source, sink, size):
        self.received, self._size = 0, size
        self._block = hashlib.sha256(b"block").digest() * (CHUNK // 32)
        self._sent, self._got = hashlib.sha256(), hashlib.sha256()
        self._sender = threading.Thread(target=self._send, args=(source,), daemon=True)
        self._receiver = threading.Thread(target=self._receive, args=(sink,), daemon=True)
        self._sender.start()
        self._receiver.start()

    def _send(self, source):
        with source:
            source.settimeout(60)
            for _ in range(self._size // CHUNK):
                source.sendall(self._block)
                self._sent.update(self._block)

    def _receive(self, sink):
        with sink:
            sink.settimeout(60)
            while piece := sink.recv(1 << 18):
                self.received += len(piece)
                self._got.update(piece)

    def finish(self, seconds):
        self._receiver.join(seconds)
        assert not self._receiver.is_alive(), f"{self.received} of {self._size} bytes"
        assert self.received == self._size // CHUNK * CHUNK
        assert self._got.digest() == self._sent.digest()


def serve(listener):
    """Answers whoever comes, until the listener is closed."""
    while True:
        try:
            target, _ = listener.accept()
        except TimeoutError:
            continue
        except OSError:
            return
        with target:
            if target.recv(100) == b"there?":
                target.sendall(b"here")


def ask(way):
    """A new flow's first answer. Tried again while it is refused, as a client does."""
    while True:
        try:
            with way.connect(timeout=5) as client:
                client.sendall(b"there?")
                if client.recv(100) == b"here":
                    return
        except OSError:
            pass
        time.sleep(0.02)


@pytest.mark.parametrize("down", [True, False], ids=["download", "upload"])
def test_all_goes_on_at_once_when_the_link_returns(to_edge, down):
    site = to_edge.site
    link = netlab.link.replace(site.lab, "edge", "rtt=50ms rate=50M")
    since = site.nodes()[NODE]["since"]
    client, target = to_edge.pair()
    transfer = Transfer(*((target, client) if down else (client, target)), 40 << 20)
    netlab.until(lambda: transfer.received > 10 << 20, 20, "a transfer under way")

    link.down()
    time.sleep(OUT_SECONDS)
    before = transfer.received
    link.up()
    clock = netlab.Clock()
    with to_edge.listen() as listener:
        listener.settimeout(1)
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        asking = threading.Thread(target=ask, args=(to_edge,), daemon=True)
        asking.start()
        netlab.until(lambda: transfer.received > before, 10, "bytes move again")
        moves = clock.seconds
        asking.join(10)
        answered = clock.seconds
    transfer.finish(60)
    print(f"moves after {moves:.2f} s, a new flow is answered after {answered:.2f} s")
    assert moves < MOVES_SECONDS
    assert answered < ANSWERED_SECONDS
    assert site.nodes()[NODE]["since"] == since, "the same session"
