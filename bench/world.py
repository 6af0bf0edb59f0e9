"""One round of one peer: a cloud and an edge side by side, nginx on the edge, the peer's two halves between them.

Nothing is kept between rounds: every round has fresh namespaces and processes, so that no peer profits from an earlier one.
"""
import contextlib
import dataclasses
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import netlab
from netlab import nginx, owner, until

SERVICE_PORT = 8080
ENTRANCE_PORT = 18080
FILES = {"1k": 1000, "100m": 10**8, "1g": 10**9}
ANSWER_SECONDS = 30


@dataclasses.dataclass
class Service:
    """What the edge offers at `port`, and where clients in the cloud find the peer's way to it."""
    name: str
    protocol: str
    entrance: int
    port: int


WEB = Service("web", "tcp", ENTRANCE_PORT, SERVICE_PORT)


@contextlib.contextmanager
def material(files=FILES):
    """Files to serve, in memory, and certificates for the peers that need some."""
    in_memory = "/dev/shm" if shutil.disk_usage("/dev/shm").free > 2 * max(files.values()) else None
    with tempfile.TemporaryDirectory(prefix=owner.name(""), dir=in_memory) as www, \
            tempfile.TemporaryDirectory(prefix=owner.name("")) as tls:
        block = os.urandom(10**6)
        for name, size in files.items():
            with open(f"{www}/{name}", "wb") as file:
                for offset in range(0, size, len(block)):
                    file.write(block[:min(len(block), size - offset)])
        _certificates(tls)
        yield Material(Path(www), Path(tls))


class Material:
    def __init__(self, www, tls):
        self.www, self.tls = www, tls
        self.ca, self.certificate, self.key, self.pkcs12 = (tls / name for name in ("ca.pem", "server.pem", "server.key", "server.p12"))


def _certificates(folder):
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-days", "30", "-subj", "/CN=bench-ca", "-out", "ca.pem")
    openssl("req", *new_key, "-keyout", "server.key", "-subj", "/CN=bench.test", "-out", "server.csr")
    (Path(folder) / "names").write_text("subjectAltName=DNS:bench.test\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
            "-extfile", "names", "-out", "server.pem")
    openssl("pkcs12", "-export", "-inkey", "server.key", "-in", "server.pem", "-certfile", "ca.pem", "-passout", "pass:bench",
            "-out", "server.p12")


class World:
    """`cloud_processes` and `edge_processes` are the peer's own; `url` is its entrance, for programs in the cloud. `waits`: a peer that is
    started should be connected on return, if it can tell.
    """
    waits = True

    def __init__(self, lab, material, build, services=(WEB,)):
        self.services = list(services)
        self.lab, self.material, self.build = lab, material, build
        self.cloud, self.edge, self.folder = lab.cloud, lab.edge, lab.folder
        self.cloud_processes, self.edge_processes = [], []
        self._direct = False

    def dial_the_edge(self):
        """Clients go to the services themselves from now on, not through a tunnel."""
        self._direct = True

    def at(self, name):
        """(address, port) where clients in the cloud reach that service."""
        service = next(service for service in self.services if service.name == name)
        return (self.edge.address, service.port) if self._direct else ("127.0.0.1", service.entrance)

    @property
    def url(self):
        return "http://{}:{}".format(*self.at("web"))

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def start_cloud(self, *argv, env=None):
        self.cloud_processes.append(self.cloud.start(f"cloud-{len(self.cloud_processes)}", argv, env))

    def start_edge(self, *argv, env=None):
        self.edge_processes.append(self.edge.start(f"edge-{len(self.edge_processes)}", argv, env))

    @property
    def cloud_pids(self):
        return [process.pid for process in self.cloud_processes]

    @property
    def edge_pids(self):
        return [process.pid for process in self.edge_processes]

    @property
    def pids(self):
        return self.cloud_pids + self.edge_pids

    def curl(self, *paths, max_seconds=120):
        """(bytes, seconds) of one curl, one connection, for all the paths; fails unless all came whole."""
        words = [word for path in paths for word in ("-o", "/dev/null", f"{self.url}/{path}")]
        result = self.cloud.run(["curl", "-sS", "--fail", "--max-time", max_seconds, "-w", "%{size_download} %{time_total}\n", *words],
                                timeout=max_seconds + 10)
        rows = [line.split() for line in result.stdout.splitlines()]
        assert [int(row[0]) for row in rows] == [FILES[path] for path in paths], result.stdout
        return sum(int(row[0]) for row in rows), sum(float(row[1]) for row in rows)

    def answers(self):
        return self.cloud.run(["curl", "-s", "--fail", "--max-time", 2, "-o", "/dev/null", f"{self.url}/1k"], check=False).returncode == 0


@contextlib.contextmanager
def world(peer, material, build, logs, congestion):
    """A World in which the peer runs and answers."""
    with netlab.side_by_side(logs, congestion=congestion) as lab:
        assert lab.namespaced, lab.note
        here = World(lab, material, build)
        nginx.serve(lab.edge, SERVICE_PORT, material.www, "service", "0.0.0.0")
        peer.start(here)
        until(here.answers, ANSWER_SECONDS, f"{peer.name} answering, logs in {logs}")
        yield here
