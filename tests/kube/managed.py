"""A cluster whose edges and control plane meet through Fairlead only, set up as docs/KUBERNETES.md says.

The same lab as in clusters.py, beside it, with two more rules: the API server gets flags (or, in mode node-address, none), and the wan
lets no edge through to the API server's port. Kubelets begin with a bootstrap token and Fairlead's entrance at 127.0.0.1:6443.
"""
import contextlib
import json
import os
import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import netlab
from netlab.namespace import tool
from netlab.site import Component, Site

from api_sessions import Api
from clusters import LabCluster
from fairleads import FairleadLab
from handbook import Handbook
from kubelab import build, machines, network
from kubelab.settings import API_PORT, WAN, Settings
from pods import Pods

EGRESS, NODE_ADDRESS = "egress-selector", "node-address"
MODES = (EGRESS, NODE_ADDRESS)
_NET = {EGRESS: "10.92", NODE_ADDRESS: "10.93"}
_MANAGED = "A managed cluster: node-address"
_TCP = "TCP instead of the UNIX socket"
_CONNECTED_SECONDS = 20
_DRAIN_SECONDS = 15
# Besides NAT. What it counts went past Fairlead.
_ONLY_FAIRLEAD = """\
table inet only_fairlead
delete table inet only_fairlead
table inet only_fairlead {{
  chain forward {{ type filter hook forward priority filter - 1; iifname {{ {edges} }} tcp dport {port} counter drop; }}
}}
"""


def _program_of(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    return b""  # it has ended meanwhile


class Managed(LabCluster):
    """`site` is Fairlead's processes; `edges[0]` and `edges[1]` the nodes. One that ran before is used, with Fairlead started anew."""

    def __init__(self, mode, binary, logs):
        self.mode = mode
        ours = Settings.from_environment()
        super().__init__(replace(ours, name=f"{ours.name}-{mode}", net=_NET[mode], edges=("edge1", "edge2")))
        self.folder, self._binary, self._logs = self.settings.state / "fairlead", binary, logs
        self.lab = self.site = self.pods = self.api = None

    def begin(self):
        clock, new = netlab.Clock(), not self.was_up
        if new:
            self._up()
        self.lab = FairleadLab(self, self._logs)
        self.site = Site(self.lab, self._binary)
        self.site.cloud.folder = self.folder / "cloud"
        self._begin_cloud(new)
        for edge in self.settings.edges:
            self._begin_edge(edge, new)
        said = self.command("wait").stdout
        self.said = f"{self.mode}: {clock.seconds:.1f} s from nothing; with Fairlead at both sides {said.strip().removeprefix('kubelab: ')}"
        self.pods, self.api = Pods(self), Api(self)
        return self

    def end(self):
        if self.pods:
            self.pods.remove()
        if self.lab:
            self.lab.close()
        self.close()

    def _up(self):
        self.command("down")
        words = ["--server", f"https://127.0.0.1:{API_PORT}"]
        with tempfile.TemporaryDirectory(prefix="fairlead-kube-") as folder:
            if self.mode == EGRESS:
                file = Path(folder, "egress.yaml")
                file.write_text(self.book("cloud").block("kubeadm", "EgressSelectorConfiguration"))
                self.command("up", *words, "--egress", str(file))
            else:
                file = Path(folder, "kubelets.json")
                file.write_text(json.dumps({edge: {"config": {"port": self.kubelet_port(edge)}, "flags": self._address_flags(edge)}
                                            for edge in self.settings.edges}))
                self.command("up", *words, "--kubelets", str(file))
                self.hosts_network("cloud").ip("address", "add", f"{self.inside_address}/32", "dev", "lo")
        self.folder.mkdir()
        edges = ", ".join(f'"{edge}"' for edge in self.settings.edges)
        self._nft(self.hosts_network(WAN), _ONLY_FAIRLEAD.format(edges=edges, port=API_PORT))

    def _address_flags(self, edge):
        """The Node of the first edge gets its address from Fairlead, that of the others from its kubelet."""
        return ["--cloud-provider=external", "--node-ip="] if edge == self.nodes[0] else [f"--node-ip={self.inside_address}"]

    @property
    def inside_address(self):
        """Where the API server reaches Fairlead. In mode node-address another one than edges dial."""
        return f"{self.settings.net}.251.1" if self.mode == NODE_ADDRESS else self.settings.address("cloud")

    def kubelet_port(self, edge):
        return 10250 if self.mode == EGRESS else 19999 + self.settings.number(edge)

    def hosts_network(self, machine):
        return network.network(self.settings, machine)

    @staticmethod
    def _nft(net, rules):
        tool(*net.command(["nft", "-f", "-"]), stdin=rules)

    # -- as the handbook says

    def book(self, machine):
        """The handbook, with the names of this lab as they are on a machine."""
        s = self.settings
        names = {
            "cloud.example": s.address("cloud"), "/etc/fairlead": str(self.folder / machine), "/etc/kubernetes/fairlead": str(self.folder),
            "/etc/kubernetes/admin.conf": str(s.admin_kubeconfig), "10.0.0.5": self.inside_address, "10.96.0.1": s.kubernetes_service,
            "172.16.0.2:443": f"127.0.0.1:{API_PORT}"}
        if machine in s.edges:
            names |= {"10.244.7.0/24": s.pods(machine), "192.168.7.20": s.address(machine), "edge1": machine,
                      "127.0.0.1:20000": f"127.0.0.1:{self.kubelet_port(machine)}"}
        return Handbook(names)

    def do(self, host, script):
        """Lines of the handbook, in a shell of that host."""
        path = f"PATH={self.site.binary.parent}:{build.program(self.settings, 'kubectl').parent}:/usr/sbin:/usr/bin:/sbin:/bin"
        return host.run(["env", path, "sh", "-ec", f"cd {self.folder}\n{script}"]).stdout

    def _begin_cloud(self, new):
        book, cloud = self.book("cloud"), self.site.cloud
        if new:
            self.do(cloud.host, book.line("kubeadm", "fairlead init"))
            self._make_account(book)
            cloud.configure(self._cloud_config(book) + f"accessLog: {cloud.folder}/access.log\n")
        self.site.start_cloud()

    def _make_account(self, book):
        """Fairlead's own, with the rights that the handbook gives it and no others."""
        account = book.block("kubeadm", "kind: ServiceAccount")
        if self.mode == NODE_ADDRESS:
            account = account.replace("rules:\n", "rules:\n" + book.block(_MANAGED, "nodes/status"))
        (self.folder / "account.yaml").write_text(account)
        self.do(self.lab.cloud, book.block("kubeadm", "kubectl apply -f account.yaml"))

    def _cloud_config(self, book):
        if self.mode == NODE_ADDRESS:
            return book.block(_MANAGED, "mode: node-address")
        self.do(self.lab.cloud, f"cd {self.site.cloud.folder}\n" + book.block(_TCP, "openssl"))
        text = book.block("kubeadm", "direct: all")
        return text.replace("  connect:\n", book.block(_TCP, "clientCA:").removeprefix("kube:\n"))

    def _begin_edge(self, name, new):
        edge = self.site.edges[name] = Component(self.site, name, self.lab.hosts[name], self.folder / name)
        if new:
            book = self.book(name)
            self._nft(edge.host.net, book.block("kubeadm", "table ip fairlead"))
            line = self.do(self.lab.cloud, book.line("kubeadm", "fairlead token create").replace(str(edge.folder), str(self.site.cloud.folder)))
            words = line.split()
            words[words.index("--dir") + 1] = edge.folder
            edge.process = edge.host.start(name, [self.site.binary, *words[1:]])
            self.site.wait_connected(name, _CONNECTED_SECONDS)
            edge.process.stop()
            edge.configure(self._edge_config(book, edge.host.address) + f"accessLog: {edge.folder}/access.log\n")
            if self.mode == NODE_ADDRESS and name != self.nodes[0]:
                self.do(edge.host, book.line(_MANAGED, "ip address add"))
        self.start_edge(name)

    def _edge_config(self, book, address):
        text = book.block(*(("kubeadm", "pods: [") if self.mode == EGRESS else (_MANAGED, "pods: [")))
        return text.replace("listen: [", f"listen: [{address}:{API_PORT}, ")  # also for pods

    def start_edge(self, name):
        self._launch_edge(name)
        self.site.wait_connected(name, _CONNECTED_SECONDS)

    def _launch_edge(self, name):
        edge = self.site.edges[name]
        edge.process = edge.host.start(name, [self.site.binary, "edge", "--dir", edge.folder])

    # -- to look at, to change, to break

    def access_log(self, component):
        """Its lines so far, as dictionaries."""
        return [json.loads(line) for line in (self.folder / component / "access.log").read_text().splitlines()]

    def restart_edge(self, name, kill=False):
        """Connected again on return. `kill`: kill -9, of which the cloud hears nothing."""
        process = self.site.edges[name].process
        if kill:
            process.kill()
            before = self.site.nodes()[name]["since"]
            self._launch_edge(name)
            netlab.until(lambda: self.site.connected(name) and self.site.nodes()[name]["since"] != before, _CONNECTED_SECONDS, f"{name} back")
            return
        process.stop(_DRAIN_SECONDS)
        self.site.wait_gone(name, _CONNECTED_SECONDS)
        self.start_edge(name)

    def restart_cloud(self, kill=False):
        """Serves again on return; edges may not be back yet."""
        process = self.site.cloud.process
        if kill:
            process.kill()
        else:
            process.stop(_DRAIN_SECONDS)
        self.site.start_cloud()

    @contextlib.contextmanager
    def egress_over_tcp(self):
        """The API server reaches Fairlead by TCP with mutual TLS meanwhile, which takes a restart of it at both ends."""
        file, book = self.settings.folder("cloud") / "etc/egress.yaml", self.book("cloud")
        for name in ("connect-ca.pem", "client.pem", "client-key.pem"):
            shutil.copy(self.site.cloud.folder / name, self.folder)
        before = file.read_text()
        file.write_text(before.split("    transport:")[0] + book.block(_TCP, "tlsConfig:"))
        self.restart_api_server()
        try:
            yield
        finally:
            file.write_text(before)
            self.restart_api_server()

    def restart_api_server(self):
        """kill -9; ready again on return. It is started again a second later."""
        for pid in self.pids("kube-apiserver"):
            os.kill(pid, signal.SIGKILL)
            netlab.until(lambda pid=pid: not netlab.proc.alive(pid), 5, "the end of the API server")
        netlab.until(self.api.ready, _CONNECTED_SECONDS, "a ready API server")

    def pids(self, program):
        """Of all processes of the lab with this name."""
        return [pid for pid in machines.processes(self.settings) if _program_of(pid).endswith(f"/{program}".encode())]

    def went_past_fairlead(self):
        """Packets of edges to the API server's port that the wan has dropped."""
        said = tool(*self.hosts_network(WAN).command(["nft", "-j", "list", "table", "inet", "only_fairlead"]))
        return sum(part["counter"]["packets"] for entry in json.loads(said)["nftables"] if "rule" in entry
                   for part in entry["rule"]["expr"] if "counter" in part)
