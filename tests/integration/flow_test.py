"""A flow is a TCP connection: what one end does, the other sees."""
import fcntl
import hashlib
import os
import socket
import struct
import termios
import threading
import time

import pytest

import netlab
from netlab import lab as lab_module
from netlab.site import LINK_PORT, Site
from ways import NODE, way_of


def reset(connection):
    """Closes with a TCP reset instead of a FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_all(connection):
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def test_bytes_go_both_ways(way):
    client, target = way.pair()
    client.sendall(b"question")
    assert target.recv(100) == b"question"
    target.sendall(b"answer")
    assert client.recv(100) == b"answer"


def test_the_target_may_speak_first(way):
    client, target = way.pair()
    target.sendall(b"220 ready")
    assert client.recv(100) == b"220 ready"


def test_half_close_by_the_client_leaves_the_other_half_open(way):
    client, target = way.pair()
    client.sendall(b"all of it")
    client.shutdown(socket.SHUT_WR)
    assert read_all(target) == b"all of it"
    for word in (b"still ", b"here"):
        target.sendall(word)
        assert client.recv(100) == word
    target.close()
    assert client.recv(1) == b""


def test_half_close_by_the_target_leaves_the_other_half_open(way):
    client, target = way.pair()
    target.sendall(b"all of it")
    target.shutdown(socket.SHUT_WR)
    assert read_all(client) == b"all of it"
    for word in (b"still ", b"here"):
        client.sendall(word)
        assert target.recv(100) == word
    client.close()
    assert target.recv(1) == b""


def test_reset_by_the_client_is_a_reset_at_the_target(way):
    client, target = way.pair()
    client.sendall(b"x")
    assert target.recv(1) == b"x"
    reset(client)
    with pytest.raises(ConnectionResetError):
        target.recv(1)


def test_reset_by_the_target_is_a_reset_at_the_client(way):
    client, target = way.pair()
    client.sendall(b"x")
    assert target.recv(1) == b"x"
    reset(target)
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def unsent(connection):
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"1234"))[0]


def said_before_a_reset(speaker, listener, size, pause):
    """Lets `speaker` say so many bytes and reset, and reads them slowly: what came, once the reset has."""
    payload = os.urandom(size)

    def say():
        speaker.settimeout(60)
        speaker.sendall(payload)
        netlab.until(lambda: unsent(speaker) == 0, 60, "all of it taken")  # a reset drops what its own kernel has not sent
        reset(speaker)

    speaking = threading.Thread(target=say)
    speaking.start()
    listener.settimeout(60)
    heard = bytearray()
    with pytest.raises(ConnectionResetError):
        while piece := listener.recv(1 << 16):
            heard += piece
            time.sleep(pause)
    speaking.join(60)
    return bytes(heard) == payload, len(heard)


def test_what_was_said_before_a_reset_arrives_before_it(way):
    for said_by_target in (True, False):
        client, target = way.pair()
        speaker, listener = (target, client) if said_by_target else (client, target)
        assert said_before_a_reset(speaker, listener, 8 * 2**20, 0.004) == (True, 8 * 2**20)
        listener.close()


def test_what_was_said_before_a_reset_arrives_over_a_slow_and_lossy_link(to_edge):
    lab = to_edge.site.lab
    if not lab.namespaced:
        pytest.skip(lab.note)
    netlab.link.replace(lab, "edge", "rtt=50ms loss=0.02 rate=20M queue=200")
    client, target = to_edge.pair()
    assert said_before_a_reset(target, client, 8 * 2**20, 0) == (True, 8 * 2**20)
    client.close()


def test_a_refused_connect_is_a_reset_at_once(way):
    clock = netlab.Clock()
    with pytest.raises(ConnectionResetError):
        way.connect().recv(1)
    assert clock.seconds < 1


def test_a_large_transfer_is_whole_in_both_directions_at_once(way):
    size = 64 * 2**20
    payload = os.urandom(size)
    wanted = hashlib.sha256(payload).hexdigest()
    client, target = way.pair()
    found = {}

    def receive(name, connection):
        digest = hashlib.sha256()
        while piece := connection.recv(1 << 18):
            digest.update(piece)
        found[name] = digest.hexdigest()

    def send(connection):
        connection.sendall(payload)
        connection.shutdown(socket.SHUT_WR)

    client.settimeout(30), target.settimeout(30)
    threads = [threading.Thread(target=receive, args=("client", client)), threading.Thread(target=receive, args=("target", target)),
               threading.Thread(target=send, args=(client,)), threading.Thread(target=send, args=(target,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {"client": wanted, "target": wanted}


def test_the_link_runs_over_ipv6(lab, request):
    if not lab.has_ipv6:
        pytest.skip("no IPv6 here")
    site = Site(lab, request.config.getoption("--binary"))
    site.init(lab_module.CLOUD_WAN6)
    site.issue(NODE)
    site.start_cloud()
    site.start_edge(NODE, cloud=f"[{lab_module.CLOUD_WAN6}]:{LINK_PORT}")
    assert site.nodes()[NODE]["address"].startswith(f"[{lab_module.NAT_WAN6}]:")
    client, target = way_of(site, "cloud-to-edge").pair()
    client.sendall(b"question")
    assert target.recv(100) == b"question"
    client.close()
    target.close()
