"""A direction of flows, cloud to edge or edge to cloud: most of what must hold must hold for both."""
import contextlib
import hashlib
import threading

from netlab import manifests, until
from netlab.programs import content

NODE = "edge-a"


class Way:
    """A direction of flows: clients connect at `client`:`entrance`, the target listens at `service`:`port`."""

    def __init__(self, site, client, service, entrance, port):
        self.site, self.client, self.service, self.entrance, self.port = site, client, service, entrance, port

    def connect(self, timeout=10):
        return self.client.host.connect(self.entrance, timeout=timeout)

    def listen(self):
        return self.service.host.listen(self.port)

    def pair(self):
        """Both ends of one flow: the client's socket and the one that the target accepted."""
        with self.listen() as listener:
            listener.settimeout(10)
            client = self.connect()
            target, _ = listener.accept()
        target.settimeout(10)
        return client, target

    def greeting(self):
        """What a Greeter behind the entrance says, b"" when it cannot be reached."""
        try:
            with self.connect(timeout=5) as client:
                return client.recv(100)
        except ConnectionResetError:  # perhaps while it connects
            return b""


class Greeter:
    """Says its text to each connection on a port, and closes it, until the lab is gone."""

    def __init__(self, host, port, text):
        self._listener, self._text = host.listen(port), text
        threading.Thread(target=self._greet, daemon=True).start()

    def _greet(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.sendall(self._text)
                connection.close()


class Stream:
    """Bytes from the target to the client, as fast as they go, until `end()`. Neither side waits longer than `patience` seconds for more."""

    def __init__(self, way, patience=30):
        self._client, self._target = way.pair()
        self._patience = patience
        self._target.settimeout(None)
        self._client.settimeout(patience)
        self._sent, self._received, self._over, self.error = hashlib.sha256(), hashlib.sha256(), threading.Event(), None
        self.bytes = 0  # received
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
            self.bytes += len(piece)
        self._client.close()

    def wait_moving(self, seconds=10):
        """Until a megabyte more has come."""
        before = self.bytes
        until(lambda: self.error or self.bytes > before + 2**20, seconds, "bytes of a stream")
        assert self.error is None, self.error

    def end(self):
        """No more is sent; fails unless all that was sent came."""
        self._over.set()
        for thread in self._threads:
            thread.join(self._patience)
        assert self.error is None and not any(thread.is_alive() for thread in self._threads), self.error
        assert self._sent.digest() == self._received.digest()


def way_of(site, name):
    """The entrance of a direction, by a rule put in place now; open on return."""
    edge, port = site.edges[NODE], site.lab.port
    if name == "cloud-to-edge":
        way = Way(site, site.cloud, edge, port(18080), port(8080))
        site.cloud.rules("web", manifests.to_node("web", way.entrance, NODE, way.port))
    else:
        way = Way(site, edge, site.cloud, port(18090), port(8090))
        edge.rules("web", manifests.to_cloud("web", way.entrance, way.port))
    way.client.host.wait_listening(way.entrance)
    return way
