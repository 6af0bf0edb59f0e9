"""Fairlead in a lab: the folders, the processes and the questions one asks them."""
import http.client
import json
import shutil
import socket
from pathlib import Path

from .wait import until

LINK_PORT = 8443
CONNECT_SECONDS = 10
BINARY = Path(__file__).resolve().parents[2] / "build/release/fairlead"


class Component:
    """One `--dir` folder and the process that runs on it."""

    def __init__(self, site, role, host, folder):
        self.site, self.role, self.host, self.folder = site, role, host, folder
        self.process = None

    @property
    def routes(self):
        return self.folder / "routes"

    def configure(self, text):
        (self.folder / "config.yaml").write_text(text)

    def rules(self, file_name, text):
        """Puts a manifest in place as a whole, so that no half of it is read."""
        self.routes.mkdir(exist_ok=True)
        draft = self.folder / f"{file_name}.draft"
        draft.write_text(text)
        draft.rename(self.routes / f"{file_name}.yaml")

    def start(self, *more, env=None):
        argv = [self.site.binary, "cloud" if self.role == "cloud" else "edge", "--dir", self.folder, *more]
        self.process = self.host.start(self.role, argv, env)
        return self.process

    def admin(self, path):
        """(status, text) of a GET on the admin socket."""
        connection = _UnixConnection(self.folder / "admin.sock")
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metric(self, name):
        """Sum of a metric over its labels."""
        lines = [line.rsplit(" ", 1) for line in self.admin("/metrics")[1].splitlines() if line and not line.startswith("#")]
        values = [float(value) for series, value in lines if series.split("{")[0] == name]
        assert values, f"no metric {name}"
        return sum(values)


class Site:
    """One cloud and its edges on the hosts of a lab."""

    def __init__(self, lab, binary=BINARY):
        self.lab, self.binary = lab, Path(binary).resolve()
        self.cloud = Component(self, "cloud", lab.cloud, lab.folder / "cloud")
        self.edges = {}
        self.link_address = f"{lab.cloud.address}:{lab.port(LINK_PORT)}"

    def fairlead(self, *words, check=True):
        """Runs one command in the cloud."""
        return self.lab.cloud.run([self.binary, *words], check=check)

    def init(self, *more_names):
        names = [word for name in (self.lab.cloud.address, *more_names) for word in ("--name", name)]
        return self.fairlead("init", "--dir", self.cloud.folder, *names)

    def issue(self, node, host=None):
        """An edge's folder, made in the cloud and copied to the node."""
        made = self.lab.folder / f"issued-{node}"
        self.fairlead("cert", "issue", "--dir", self.cloud.folder, "--node", node, "--out", made)
        folder = self.lab.folder / node
        shutil.copytree(made, folder)
        self.edges[node] = Component(self, node, host or self.lab.edge, folder)
        return self.edges[node]

    def start_cloud(self, *more):
        listen = [] if self.lab.namespaced else ["--listen", self.link_address]
        process = self.cloud.start(*listen, *more)
        until(lambda: not process.alive or self.cloud.admin("/readyz")[0] == 200, CONNECT_SECONDS, f"ready cloud, {process.log}")
        assert process.alive, f"the cloud ended with status {process.status}: {process.log_text()}"
        return process

    def start_edge(self, node, *more, connected=True, cloud=None, env=None):
        process = self.edges[node].start("--cloud", cloud or self.link_address, *more, env=env)
        if connected:
            self.wait_connected(node)
        return process

    def nodes(self, component=None):
        """`fairlead status -o json` as {name: fields}."""
        folder = (component or self.cloud).folder
        answer = json.loads(self.fairlead("status", "--dir", folder, "-o", "json").stdout)
        return {node["name"]: node for node in answer["nodes"]}

    def connected(self, node):
        return self.nodes().get(node, {}).get("connected", False)

    def edge_connected(self, edge):
        """Whether the edge itself says that it is connected."""
        return edge.admin("/readyz")[0] == 200

    def wait_connected(self, node, seconds=CONNECT_SECONDS):
        until(lambda: self.connected(node), seconds, f"{node} connected, {self.edges[node].process.log}")

    def wait_gone(self, node, seconds):
        until(lambda: not self.connected(node), seconds, f"{node} known as gone")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
