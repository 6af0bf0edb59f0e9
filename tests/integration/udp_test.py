"""An association is a client of UDP at a listener: what it sends, the service gets, and the other way round."""
import contextlib
import signal
import socket
import threading
import time

import pytest

import netlab
from netlab import link as links, manifests
from udp_site import stream, udp_way
from ways import NODE

BOTH = pytest.mark.parametrize("direction", ["cloud-to-edge", "edge-to-cloud"])


@BOTH
def test_datagrams_of_any_size_go_both_ways(linked, direction):
    way = udp_way(linked, direction)
    way.echo()
    client = way.client_socket()
    for size in (0, 1, 500, 1200, 1420, 1472, 5000, 65_507):
        client.send(b"x" * size)
        assert client.recv(1 << 16) == b"x" * size, size


@BOTH
def test_the_service_tells_clients_apart_and_each_association_is_a_line_of_the_access_log(linked, direction):
    way = udp_way(linked, direction, "idleTimeout: 1s")
    service = way.service_socket()
    clients = [way.client_socket() for _ in range(10)]
    for number, client in enumerate(clients):
        client.send(b"from %d" % number)
    peers = {}
    for _ in clients:
        data, peer = service.recvfrom(100)
        peers[peer] = data
    assert len(peers) == len(clients)
    for peer, data in peers.items():
        service.sendto(data.replace(b"from", b"to"), peer)
    for number, client in enumerate(clients):
        assert client.recv(100) == b"to %d" % number
    way.wait_open(0, 5)

    def lines(component, side):
        return way.lines(component, side=side, outcome="OK", message="idle" if side == "ingress" else "ended by the other side")

    netlab.until(lambda: len(lines(way.client, "ingress")) == len(lines(way.service, "egress")) == len(clients), 5, "20 lines in the access logs")
    [line] = [line for line in lines(way.client, "ingress") if line["source"] == "127.0.0.1:%d" % clients[3].getsockname()[1]]
    assert (line["datagrams_in"], line["bytes_in"], line["datagrams_out"], line["bytes_out"]) == (1, 6, 1, 4)
    assert line["listener"] == "default/udp/udp" and line["route"] == "default/udp" and line["target"] == f"127.0.0.1:{way.port}"
    assert line["trace"] in {line["trace"] for line in lines(way.service, "egress")}


def test_over_ipv6(linked):
    way = udp_way(linked, "cloud-to-edge")
    way.echo()
    if not linked.lab.has_ipv6:
        pytest.skip("no IPv6 here")
    client = linked.cloud.host.udp_socket(address="::1")
    client.connect(("::1", way.entrance))
    client.send(b"six")
    assert client.recv(100) == b"six"


def test_too_large_without_the_rule_is_dropped_and_counted(linked):
    way = udp_way(linked, "cloud-to-edge", "largeDatagrams: Drop, idleTimeout: 1s")
    way.echo()
    client = way.client_socket()
    client.send(bytes(5000))
    client.send(b"small")
    assert client.recv(100) == b"small"
    way.wait_open(0, 5)
    assert linked.cloud.metric("fairlead_udp_dropped_total") == 1


@BOTH
def test_where_nobody_is_it_is_logged_and_counted_and_served_once_somebody_is(linked, direction):
    way = udp_way(linked, direction)
    client = way.client_socket(timeout=0.5)
    client.send(b"anybody?")
    netlab.until(lambda: way.client.metric("fairlead_udp_refused_total") == 1, 5, "a refused association")
    netlab.until(lambda: way.lines(way.client, side="ingress", outcome="REFUSED", refused=True), 5, "a line that says so")
    netlab.until(lambda: way.lines(way.service, side="egress", outcome="REFUSED"), 5, "and one of the other side")
    way.echo()

    def answered():
        client.send(b"now?")
        with contextlib.suppress(TimeoutError):
            return client.recv(100) == b"now?"

    netlab.until(answered, 5, "an answer")


def test_a_service_that_is_restarted_is_reached_again(linked):
    way = udp_way(linked, "cloud-to-edge")
    service = way.service_socket()
    client = way.client_socket(timeout=0.5)
    client.send(b"1")
    assert service.recv(100) == b"1"
    time.sleep(0.2)  # past the time in which an ICMP error is a refusal
    service.close()
    client.send(b"2")
    netlab.until(lambda: linked.cloud.metric("fairlead_udp_associations") == 0, 5, "the association broken off")
    netlab.until(lambda: way.lines(way.client, side="ingress"), 5, "a line in the access log")
    [line] = way.lines(way.client, side="ingress")
    assert (line["outcome"], line["by"], line["refused"]) == ("REFUSED", "link", False)
    service = way.service_socket(timeout=0.5)

    def heard():
        client.send(b"3")
        with contextlib.suppress(TimeoutError):
            return service.recv(100) == b"3"

    netlab.until(heard, 5, "the service hears the client")


def test_a_rule_that_is_changed_leads_the_next_datagram_and_a_removed_listener_drains(linked):
    way = udp_way(linked, "cloud-to-edge")
    service, client = way.service_socket(), way.client_socket()
    client.send(b"1")
    data, peer = service.recvfrom(100)
    other = linked.edges[NODE].host.udp_socket(way.port + 1)
    linked.cloud.rules("udp", manifests.to_node("udp", way.entrance, NODE, way.port + 1, protocol="UDP"))

    def moved():
        client.send(b"2")
        other.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            return other.recv(100) == b"2"

    netlab.until(moved, 5, "datagrams at the new target")
    service.sendto(b"late", peer)
    assert client.recv(100) == b"late"

    (linked.cloud.routes / "udp.yaml").unlink()
    time.sleep(2)
    client.send(b"3")
    other.settimeout(5)
    while other.recv(100) != b"3":
        pass
    netlab.until(lambda: not linked.cloud.host.listening(way.entrance, "udp"), 10, "the port closed")


def test_the_links_port_is_no_listeners_and_is_told(linked):
    linked.cloud.rules("udp", manifests.to_node("udp", netlab.site.LINK_PORT, NODE, 5300, protocol="UDP"))
    if not linked.lab.namespaced:
        pytest.skip(linked.lab.note)
    netlab.until(lambda: "the link itself is at UDP port 8443" in linked.cloud.process.log_text(), 5, "a word about it")
    gateways = linked.fairlead("get", "gateways", "--dir", linked.cloud.folder, "-o", "json").stdout
    assert "the link itself is at UDP port 8443" in gateways


def test_when_the_cloud_ends_busy_associations_go_on_and_idle_ones_do_not_keep_it(linked):
    way = udp_way(linked, "cloud-to-edge")
    way.echo()
    busy, idle = way.client_socket(), way.client_socket()
    for client in (busy, idle):
        client.send(b"x")
        client.recv(100)
    linked.cloud.process.signal(signal.SIGTERM)
    for _ in range(6):
        time.sleep(0.3)
        busy.send(b"y")
        assert busy.recv(100) == b"y"
    assert linked.cloud.process.wait(8) == 0


def test_the_limits_of_a_source_hold(linked):
    way = udp_way(linked, "edge-to-cloud", "associationsPerSource: 3")
    way.echo()
    clients = [way.client_socket(timeout=0.5) for _ in range(4)]
    for client in clients[:3]:
        client.send(b"x")
        assert client.recv(100) == b"x"
    clients[3].send(b"x")
    with pytest.raises(TimeoutError):
        clients[3].recv(100)
    assert linked.edges[NODE].metric("fairlead_udp_dropped_total") == 1


def test_a_flood_of_one_client_does_not_hurt_another(linked):
    if linked.lab.namespaced:
        links.replace(linked.lab, "edge", "rtt=20ms rate=20M queue=200")
    way = udp_way(linked, "cloud-to-edge")
    way.echo()
    # To a service that does not read: what is tried here is the way there.
    entrance, port = linked.lab.port(15301), linked.lab.port(5301)
    linked.edges[NODE].host.udp_socket(port)
    linked.cloud.rules("loud", manifests.to_node("loud", entrance, NODE, port, protocol="UDP"))
    linked.cloud.host.wait_listening(entrance, protocol="udp")
    quiet, loud = way.client_socket(), linked.cloud.host.udp_socket()
    loud.connect(("127.0.0.1", entrance))
    quiet.send(bytes(200))
    quiet.recv(300)
    stop = threading.Event()

    def flood():
        loud.setblocking(False)
        while not stop.is_set():
            with contextlib.suppress(BlockingIOError):
                for _ in range(100):
                    loud.send(bytes(1100))
            time.sleep(0.01)  # 88 Mbit/s

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        time.sleep(1)
        arrivals = stream(quiet, quiet, 300, 100, 200)
    finally:
        stop.set()
        flooding.join()
    assert arrivals.lost(300) < 0.02
    assert arrivals.percentile(0.9) < 0.15, f"{arrivals.percentile(0.9)} s there and back"
