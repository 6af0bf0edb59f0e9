"""An HTTP proxy that connects (RFC 9110, 9.3.6), for as long as the lab lives."""
import base64
import contextlib
import threading

from .wait import until


class ConnectProxy:
    """On `host`, at `address`:`port`. With `credentials` ("user:password") whoever does not give them is answered 407."""

    def __init__(self, host, address, port=3128, credentials=None):
        self._host, self._credentials = host, credentials
        self.url = f"http://{address}:{port}"
        self.asked = []  # the targets
        self._listener = host.listen(port, address)
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError), client:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                if not (piece := client.recv(1)):
                    return
                head += piece
            request, *fields = head.decode().split("\r\n")
            method, target, _ = request.split(" ")
            expected = f"Proxy-Authorization: Basic {base64.b64encode((self._credentials or '').encode()).decode()}"
            if self._credentials and expected not in fields:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
                return
            assert method == "CONNECT", request
            self.asked.append(target)
            address, _, port = target.rpartition(":")
            with self._host.connect(int(port), address) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                server.settimeout(None)
                back = threading.Thread(target=_carry, args=(server, client), daemon=True)
                back.start()
                _carry(client, server)
                back.join()

    def wait_asked(self, seconds):
        until(lambda: self.asked, seconds, "the proxy being asked")


def _carry(source, sink):
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 18):
            sink.sendall(piece)
        sink.shutdown(1)
