"""SIGTERM: no new flows, those that are open finish, then the process ends with status 0."""
import signal
import socket

import pytest

import netlab

from ways import NODE, Greeter, way_of


@pytest.mark.parametrize("side", ["cloud", "edge"])
def test_an_idle_side_ends_at_once(linked, side):
    process = linked.cloud.process if side == "cloud" else linked.edges[NODE].process
    process.signal(signal.SIGTERM)
    assert process.wait(3) == 0


@pytest.mark.parametrize("side", ["cloud", "edge"])
def test_open_flows_finish_and_new_ones_are_refused(to_edge, side):
    site = to_edge.site
    process = site.cloud.process if side == "cloud" else site.edges[NODE].process
    client, target = to_edge.pair()
    client.sendall(b"begun")
    assert target.recv(100) == b"begun"

    process.signal(signal.SIGTERM)
    Greeter(to_edge.service.host, to_edge.port, b"still taken")

    def refused():
        try:
            return to_edge.greeting() == b""
        except ConnectionRefusedError:
            return True

    netlab.until(refused, 3, "new flows refused")
    assert process.alive
    target.sendall(b"finished")
    target.shutdown(socket.SHUT_WR)
    assert client.recv(100) == b"finished"
    assert client.recv(1) == b""
    client.close()
    target.close()
    assert process.wait(5) == 0


def test_an_edge_that_drains_is_gone_from_the_status_at_once(linked):
    linked.edges[NODE].process.signal(signal.SIGTERM)
    assert linked.edges[NODE].process.wait(3) == 0
    linked.wait_gone(NODE, 1)


def test_a_flow_that_never_ends_does_not_keep_the_process(site):
    site.cloud.configure("drain: 1s\n")
    site.start_cloud()
    site.start_edge(NODE)
    way = way_of(site, "cloud-to-edge")
    client, _target = way.pair()
    site.cloud.process.signal(signal.SIGTERM)
    assert site.cloud.process.wait(5) == 0
    with pytest.raises(ConnectionResetError):
        client.recv(1)
