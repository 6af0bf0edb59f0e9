"""The link of an edge, slow, lossy or broken, while a real cluster uses it."""
import itertools
import socket

import netlab
import pytest

from kubelab import network


class Echo:
    """A datagram echo in the cloud, asked from an edge: what the link does to packets."""

    def __init__(self, lab, edge):
        with network.network(lab.settings, "cloud").entered():
            self._server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._server.bind((lab.settings.address("cloud"), 0))
        with network.network(lab.settings, edge).entered():
            self._client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.seen_from, self._questions = None, map(str, itertools.count())

    def __call__(self, patience=2):
        """Seconds until the answer, or None."""
        for end in (self._server, self._client):
            end.settimeout(patience)
        clock = netlab.Clock()
        question = next(self._questions).encode()
        self._client.sendto(question, self._server.getsockname())
        try:
            self.seen_from = self._until(question, self._server)
            self._server.sendto(question, self.seen_from)
            self._until(question, self._client)
        except TimeoutError:
            return None
        return clock.seconds

    @staticmethod
    def _until(question, end):
        """From where it came; what came late of earlier ones is passed over."""
        while True:
            data, source = end.recvfrom(100)
            if data == question:
                return source

    def close(self):
        self._server.close()
        self._client.close()


@pytest.fixture
def echo(lab):
    echo = Echo(lab, lab.nodes[0])
    yield echo
    echo.close()


def test_delay_on_one_edge_is_not_on_the_other(lab, link, echo):
    echo()
    link.say("rtt=80ms")
    assert 0.08 <= min(echo() for _ in range(3)) < 0.12
    other = Echo(lab, lab.nodes[-1])
    assert min(other() for _ in range(3)) < 0.04
    other.close()


def test_down_up_and_a_rebind(link, echo):
    assert echo() is not None
    before = echo.seen_from
    link.down()
    assert echo(patience=0.5) is None
    link.up()
    assert echo() is not None and echo.seen_from == before
    link.rebind()
    assert echo() is not None and echo.seen_from != before


def test_a_pod_starts_over_a_bad_link(link, pods):
    link.say("rtt=100ms loss=0.03 rate=5M")
    pod = pods.run("web", "nginx", port=8080)
    assert pods.fetch(f"http://{pod.ip}:8080/") == "hello from nginx"
    counters = link.counters()
    assert counters["out"]["lost"] > 0 and counters["in"]["lost"] > 0


def test_it_is_steered_by_hand_too(lab, link, echo):
    edge = lab.nodes[0]
    echo()
    assert lab.command("link", edge, "rtt=60ms").stdout == "ok\n"
    assert echo() >= 0.06
    assert "delivered" in lab.command("link", edge).stdout
    wrong = lab.command("link", edge, "sideways", check=False)
    assert wrong.returncode == 1 and "sideways" in wrong.stderr
