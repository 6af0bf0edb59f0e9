"""Fairlead's doors to the kubelets, without an API server before them: cheap enough for thousands, and for what no API server sends."""
import socket
import ssl

from managed import EGRESS

_SECONDS = 15


class Doors:
    def __init__(self, managed):
        self._managed, pki = managed, managed.settings.pki
        self._tls = ssl.create_default_context(cafile=pki / "ca.crt")
        self._tls.load_cert_chain(pki / "apiserver-kubelet.crt", pki / "apiserver-kubelet.key")

    # -- CONNECT at the UNIX socket

    def socket(self):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_SECONDS)
        connection.connect(str(self._managed.folder / "connect.sock"))
        return connection

    def say(self, data):
        """All that is answered to these bytes, to the end."""
        with self.socket() as connection:
            return spoken_to(connection, data)

    def ask(self, target):
        """(status, sentence) of a CONNECT that is refused; (200, "") of one that is not."""
        with self.socket() as connection:
            head = self._head(connection, target)
            status, _, sentence = head.split(b"\r\n")[0].decode().removeprefix("HTTP/1.1 ").partition(" ")
            return int(status), "" if status == "200" else sentence

    def tunnel(self, target):
        """A socket that leads there."""
        connection = self.socket()
        head = self._head(connection, target)
        assert head == b"HTTP/1.1 200 Connection established\r\n\r\n", head
        return connection

    @staticmethod
    def _head(connection, target):
        connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        got = b""
        while b"\r\n\r\n" not in got:
            piece = connection.recv(1 << 16)
            assert piece, f"ended after {got!r}"
            got += piece
        return got

    # -- a kubelet, by the way that the cluster's mode has

    def kubelet(self, node):
        """A socket that leads to a kubelet."""
        managed = self._managed
        if managed.mode == EGRESS:
            return self.tunnel(f"{node}:10250")
        return managed.lab.cloud.connect(managed.kubelet_port(node), managed.inside_address)

    def knock(self, node):
        """Whether the kubelet itself answers: it complains of a request without TLS."""
        with self.kubelet(node) as connection:
            return b"HTTP request to an HTTPS server" in spoken_to(connection, b"GET /healthz HTTP/1.0\r\n\r\n")

    def get(self, node, path):
        """A kubelet's answer, as the API server would have it."""
        with self._tls.wrap_socket(self.kubelet(node), server_hostname=node) as secure:
            secure.sendall(f"GET {path} HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n\r\n".encode())
            got = b""
            while piece := secure.recv(1 << 16):
                got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        return body


def spoken_to(connection, data):
    """What comes back until the other side ends, however it does that."""
    got = b""
    try:
        connection.sendall(data)
        while piece := connection.recv(1 << 16):
            got += piece
    except (BrokenPipeError, ConnectionResetError):
        pass
    return got
