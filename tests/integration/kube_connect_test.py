"""The API server's way to kubelets, by the binary: the UNIX socket, TCP with client certificates, what is refused, what is written down."""
import json
import socket
import ssl
import struct
import time

import pytest

import netlab
from netlab.certificates import Certificates
from ways import NODE

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
CONNECT_PORT, KUBELET_PORT, API_PORT, ENTRANCE = 8132, 10250, 6443, 7443


class Kube:
    """A cloud and edge-a with the plug-in on both sides; `kubelet` and `api` are listeners that stand in for the real ones."""

    def __init__(self, site):
        lab = site.lab
        self.site, self.cloud, self.edge = site, lab.cloud, lab.edge
        self.socket = site.cloud.folder / "connect.sock"
        ca = Certificates(site.cloud.folder / "pki", "connect-ca")
        self.server, self.client, self.ca = ca.issue("connect", "127.0.0.1"), ca.issue("kube-apiserver"), ca.ca
        self.stranger = Certificates(site.cloud.folder / "other", "other-ca").issue("stranger")
        self.port, self.entrance = lab.port(CONNECT_PORT), lab.port(ENTRANCE)
        kubelet, api = lab.port(KUBELET_PORT), lab.port(API_PORT)
        self.kubelet, self.api = self.edge.listen(kubelet), self.cloud.listen(api)
        site.cloud.configure(
            f"accessLog: {site.cloud.folder}/access.log\n"
            f"kube:\n  apiServers: ['127.0.0.1:{api}']\n  connect:\n    listen: 127.0.0.1:{self.port}\n"
            f"    certificate: {self.server[0]}\n    key: {self.server[1]}\n    clientCA: {self.ca}\n    direct: all\n")
        site.edges[NODE].configure(f"kube:\n  kubelet: 127.0.0.1:{kubelet}\n  apiServer:\n    listen: ['127.0.0.1:{self.entrance}']\n")
        site.start_cloud()
        site.start_edge(NODE)

    def dial(self):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(10)
        connection.connect(str(self.socket))
        return connection

    def dial_tls(self, certificate=None):
        context = ssl.create_default_context(cafile=self.ca)
        if certificate:
            context.load_cert_chain(*certificate)
        return context.wrap_socket(self.cloud.connect(self.port), server_hostname="127.0.0.1")

    def audit(self, outcome):
        """The lines of the cloud's access log with this outcome."""
        lines = [json.loads(line) for line in (self.site.cloud.folder / "access.log").read_text().splitlines()]
        return [line for line in lines if line["outcome"] == outcome]

    def wait_audit(self, outcome, count=1):
        netlab.until(lambda: len(self.audit(outcome)) >= count, 5, f"{count} lines with {outcome}")
        lines = self.audit(outcome)
        assert len(lines) == count, lines
        return lines


@pytest.fixture
def kube(site):
    return Kube(site)


def ask(connection, target, more=b""):
    connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() + more)
    return connection


def accept(listener):
    listener.settimeout(10)
    connection, _ = listener.accept()
    connection.settimeout(10)
    return connection


def read_to_end(connection):
    pieces = []
    try:
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


@pytest.mark.parametrize("transport", ["unix", "tls"])
def test_a_tunnel_to_the_kubelet_and_its_audit_line(kube, transport):
    tunnel = ask(kube.dial() if transport == "unix" else kube.dial_tls(kube.client), f"{NODE}:10250", b"early")
    assert tunnel.recv(1000) == ESTABLISHED
    served = accept(kube.kubelet)
    assert served.recv(100) == b"early"
    served.sendall(b"answer")
    assert tunnel.recv(100) == b"answer"
    served.close()
    assert tunnel.recv(1) == b""
    tunnel = tunnel.unwrap() if transport == "tls" else tunnel  # Go's close says so, too
    tunnel.close()
    line, = kube.wait_audit("OK")
    assert (line["plugin"], line["door"], line["node"], line["kind"], line["asked"]) == ("kube", "connect", NODE, "kubelet", f"{NODE}:10250")
    assert (line["status"], line["bytes_in"], line["bytes_out"]) == (200, 5, 6)
    assert line.get("client") == ("CN=kube-apiserver" if transport == "tls" else None)
    if transport == "unix":
        assert line["source"] == str(kube.socket)


def test_the_socket_is_the_owners_alone_and_goes_with_the_cloud(kube):
    assert kube.socket.stat().st_mode & 0o777 == 0o600
    kube.site.cloud.process.stop()
    assert not kube.socket.exists()


def test_who_has_no_certificate_of_that_ca_opens_nothing(kube):
    for certificate in (None, kube.stranger):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            tunnel = ask(kube.dial_tls(certificate), f"{NODE}:10250")
            assert tunnel.recv(100) == b"", "no answer but an alert"
            raise ConnectionError("closed")
    assert len(kube.wait_audit("PROTOCOL", 2)) == 2
    kube.kubelet.settimeout(0.3)
    with pytest.raises(TimeoutError):
        kube.kubelet.accept()


@pytest.mark.parametrize("stray, status", [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400), (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"GET /pods HTTP/1.1\r\nHost: edge-a:10250\r\n\r\n", 405), (b"CONNECT edge-a:10250 HTTP/1.1\r\nx: " + b"y" * (2 << 20), 431)],
    ids=["tls", "http2", "get", "2MiB"])
def test_stray_input_is_refused_and_written_down_once(kube, stray, status):
    connection = kube.dial()
    try:
        connection.sendall(stray)
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert read_to_end(connection).startswith(f"HTTP/1.1 {status} ".encode())
    line, = kube.wait_audit("PROTOCOL")
    assert line["status"] == status and line["asked"] == ""


@pytest.mark.parametrize("target", ["169.254.169.254:80", "localhost:9443", "127.0.0.1:22", "[::1]:22", "[::ffff:127.0.0.1]:22"])
def test_this_machine_and_metadata_services_are_not_dialled_although_all_is_allowed(kube, target):
    answer = read_to_end(ask(kube.dial(), target))
    assert answer.startswith(b"HTTP/1.1 403 "), answer
    line, = kube.wait_audit("FORBIDDEN")
    assert line["kind"] == "direct"


def test_a_kubelet_that_is_not_there_and_a_node_that_is_gone_are_told_at_once(kube):
    kube.kubelet.close()
    assert read_to_end(ask(kube.dial(), f"{NODE}:10250")).startswith(b"HTTP/1.1 502 the kubelet at 127.0.0.1:")
    kube.site.edges[NODE].process.stop()
    kube.site.wait_gone(NODE, 10)
    assert read_to_end(ask(kube.dial(), f"{NODE}:10250")).startswith(b"HTTP/1.1 503 ")


def test_the_edges_entrance_leads_to_the_api_server_and_a_reset_is_passed_on(kube):
    client = kube.edge.connect(kube.entrance)
    client.sendall(b"client hello")
    served = accept(kube.api)
    assert served.recv(100) == b"client hello"
    served.sendall(b"watch")
    assert client.recv(100) == b"watch"
    served.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    served.close()
    with pytest.raises(ConnectionResetError):
        client.recv(100)


def test_idle_tunnels_do_not_hold_up_the_end_of_the_cloud(kube):
    tunnel = ask(kube.dial(), f"{NODE}:10250")
    assert tunnel.recv(1000) == ESTABLISHED
    watch = kube.edge.connect(kube.entrance)
    watch.sendall(b"x")
    accept(kube.api)
    began = time.monotonic()
    kube.site.cloud.process.stop()
    assert time.monotonic() - began < 3
    assert read_to_end(tunnel) == b""
