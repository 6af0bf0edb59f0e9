"""Scenarios of tests/netlab/scenarios for real; src/link/scenario_test.cpp plays the same in virtual time."""
import hashlib
import threading

import pytest

import netlab
from netlab.programs import content

ENDS_SECONDS = 30


class Stream:
    """Bytes from the target to the client, as fast as they go, until `end()`."""

    def __init__(self, way):
        self._client, self._target = way.pair()
        self._target.settimeout(None)
        self._client.settimeout(ENDS_SECONDS)
        self._sent, self._received, self._over, self.error = hashlib.sha256(), hashlib.sha256(), threading.Event(), None
        self._threads = [threading.Thread(target=self._run, args=(half,), daemon=True) for half in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def _run(self, half):
        try:
            half()
        except OSError as error:
            self.error = f"{half.__name__}: {error}"

    def _send(self):
        for block in content.blocks(10**10):
            if self._over.is_set():
                break
            self._target.sendall(block)
            self._sent.update(block)
        self._target.close()

    def _receive(self):
        while piece := self._client.recv(1 << 18):
            self._received.update(piece)
        self._client.close()

    def end(self):
        """No more is sent; fails unless all that was sent came."""
        self._over.set()
        for thread in self._threads:
            thread.join(ENDS_SECONDS)
        assert self.error is None and not any(thread.is_alive() for thread in self._threads), self.error
        assert self._sent.digest() == self._received.digest()


@pytest.mark.parametrize("name", ["bridge", "lte"])
def test_a_stream_comes_whole_through_a_scenario(to_edge, name):
    lab = to_edge.site.lab
    if not lab.namespaced:
        pytest.skip(lab.note)
    link = netlab.link.replace(lab, "edge")
    stream = Stream(to_edge)
    link.play(netlab.link.scenario(name))
    stream.end()
    accepted = to_edge.site.cloud.metric("fairlead_sessions_accepted_total")
    assert accepted == 1, "the session was lost on the way"
