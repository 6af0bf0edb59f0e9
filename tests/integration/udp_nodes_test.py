"""Of several nodes a client of UDP has one."""
import contextlib
import threading

import pytest

from netlab import manifests


def test_of_two_nodes_a_client_has_one_whatever_its_port(http):
    lab = http.lab
    if not lab.namespaced:
        pytest.skip(lab.note)
    site, entrance = http.site, 15400
    for role in ("edge", "edge2"):
        _echo_name(lab.hosts[role].udp_socket(5400), role.encode())
    site.cloud.rules("pair", manifests.entrance("pair", entrance, "{nodeSelector: {}}", 5400, protocol="UDP"))
    lab.cloud.wait_listening(entrance, protocol="udp")
    names = set()
    for _ in range(5):
        client = lab.cloud.udp_socket()
        client.connect(("127.0.0.1", entrance))
        client.send(b"who?")
        names.add(client.recv(100))
    assert len(names) == 1, names


def _echo_name(socket_, name):
    def run():
        with contextlib.suppress(OSError):
            while True:
                data, peer = socket_.recvfrom(100)
                if peer is None:
                    return
                socket_.sendto(name, peer)
    socket_.settimeout(None)
    threading.Thread(target=run, daemon=True).start()
