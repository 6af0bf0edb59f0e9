"""Sides that die: the other knows, and all is well again soon."""
import threading

import pytest

import netlab

from ways import NODE

BACK_SECONDS = 5


class Traffic:
    """A download that does not end by itself."""

    def __init__(self, way):
        self._client, self._target = way.pair()
        self._received = 0
        threading.Thread(target=self._send, daemon=True).start()
        self._receiver = threading.Thread(target=self._receive, daemon=True)
        self._receiver.start()
        netlab.until(lambda: self._received > 2**22, 10, "traffic")

    def wait_ended(self, seconds):
        """Until the client has seen the end of its connection."""
        netlab.until(lambda: not self._receiver.is_alive(), seconds, "the client sees its connection end")

    def _send(self):
        try:
            while True:
                self._target.sendall(bytes(1 << 16))
        except OSError:
            self._target.close()

    def _receive(self):
        try:
            while piece := self._client.recv(1 << 18):
                self._received += len(piece)
        except OSError:
            pass
        self._client.close()


def echo_once(way):
    client, target = way.pair()
    client.sendall(b"there?")
    assert target.recv(100) == b"there?"
    client.close()
    target.close()


def test_a_killed_edge_is_known_and_back_within_five_seconds(to_edge):
    site = to_edge.site
    traffic = Traffic(to_edge)
    site.edges[NODE].process.kill()
    site.wait_gone(NODE, BACK_SECONDS)
    with pytest.raises(OSError):
        to_edge.connect(timeout=2).recv(1)

    site.start_edge(NODE, connected=False)
    site.wait_connected(NODE, BACK_SECONDS)
    echo_once(to_edge)
    traffic.wait_ended(BACK_SECONDS)


def test_an_edge_that_is_killed_and_back_at_once_takes_over_from_its_dead_session(to_edge):
    site = to_edge.site
    traffic = Traffic(to_edge)
    since = site.nodes()[NODE]["since"]
    site.edges[NODE].process.kill()
    site.start_edge(NODE, connected=False)
    netlab.until(lambda: site.connected(NODE) and site.nodes()[NODE]["since"] != since, BACK_SECONDS, "a new session")
    echo_once(to_edge)
    traffic.wait_ended(BACK_SECONDS)


def test_a_killed_cloud_is_known_at_the_edge_which_is_back_within_five_seconds(to_edge):
    site = to_edge.site
    edge = site.edges[NODE]
    traffic = Traffic(to_edge)
    site.cloud.process.kill()
    traffic.wait_ended(2)
    netlab.until(lambda: not site.edge_connected(edge), BACK_SECONDS, "the edge knows")

    site.start_cloud()
    site.wait_connected(NODE, BACK_SECONDS)
    assert site.edge_connected(edge)
    echo_once(to_edge)
