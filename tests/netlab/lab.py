"""A lab: hosts, the links between them, the processes on them, one folder of logs.

    with netlab.behind_nat(logs=Path("build/logs/demo")) as lab:
        lab.edge.start("nginx", ["nginx", "-c", conf])
        lab.cloud.run(["curl", "http://..."])

On leaving the block every process is ended and every namespace removed. Where namespaces cannot be made the hosts are
loopback addresses of this machine: `lab.namespaced` is False and `lab.note` says why.
"""
import contextlib
import os
import random
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from . import namespace, owner
from .process import Process
from .wait import until

_SANITIZER_REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:")
_LISTEN = "0A"  # a socket's state in /proc/net/tcp
_UNCONNECTED = "07"  # and in /proc/net/udp
CLOUD_WAN, NAT_WAN, NAT_LAN, EDGE_LAN, NAT_LAN2, EDGE2_LAN = "10.77.1.1", "10.77.1.2", "10.77.2.1", "10.77.2.2", "10.77.4.1", "10.77.4.2"
CLOUD_WAN6, NAT_WAN6, NAT_LAN6, EDGE_LAN6, NAT_LAN26, EDGE2_LAN6 = "fd77:1::1", "fd77:1::2", "fd77:2::1", "fd77:2::2", "fd77:4::1", "fd77:4::2"

# What a home router does: the edge's packets leave with the router's address and a port of its choice; nothing comes in that nobody
# inside asked for.
NAT_RULES = """
table inet router {
  chain out { type nat hook postrouting priority srcnat; oifname "wan" masquerade fully-random; }
  chain through { type filter hook forward priority filter; iifname "wan" ct state != { established, related } drop; }
}
"""

_BLOCKED = """
table inet blocked {{
  chain through {{ type filter hook forward priority -10; {protocol} dport {port} drop; {protocol} sport {port} drop; }}
}}
"""


class Host:
    """One machine of the lab, as seen by the programs on it. `address` is where its neighbours reach it."""

    def __init__(self, lab, role, address, net=None):
        self.lab, self.role, self.address, self.net = lab, role, address, net

    def command(self, argv):
        argv = [str(word) for word in argv]
        return self.net.command(argv) if self.net else argv

    def start(self, name, argv, env=None, ends=False):
        """A supervised process; its output goes to NAME.log in the lab's folder of logs, appended when the name is used again."""
        return self.lab.start(name, self.command(argv), env, ends)

    def run(self, argv, timeout=60, check=True):
        """Runs to the end; with `check` a failure raises with what the program said."""
        result = subprocess.run(self.command(argv), text=True, capture_output=True, timeout=timeout)
        if check and result.returncode:
            raise AssertionError(f"{' '.join(map(str, argv))}: status {result.returncode}: {result.stderr.strip()}{result.stdout.strip()}")
        return result

    def entered(self):
        return self.net.entered() if self.net else contextlib.nullcontext()

    def tcp_socket(self):
        with self.entered():
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def udp_socket(self, port=0, address="127.0.0.1", timeout=10):
        """Bound to `port`, or to a free one."""
        with self.entered():
            made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.lab.listeners.append(made)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        made.settimeout(timeout)
        made.bind((address, port))
        return made

    def listen(self, port, address="127.0.0.1", backlog=4096):
        listener = self.tcp_socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(backlog)
        self.lab.listeners.append(listener)
        return listener

    def connect(self, port, address="127.0.0.1", timeout=10):
        connection = self.tcp_socket()
        connection.settimeout(timeout)
        try:
            connection.connect((address, port))
        except OSError:
            connection.close()
            raise
        return connection

    def listening(self, port, protocol="tcp"):
        """How many sockets listen at `port`, seen without opening a connection that a tunnel would carry on."""
        state = _LISTEN if protocol == "tcp" else _UNCONNECTED
        with self.entered():
            rows = [line.split() for table in (protocol, f"{protocol}6") for line in Path(f"/proc/thread-self/net/{table}").read_text().splitlines()[1:]]
        return sum(row[3] == state and int(row[1].rsplit(":", 1)[1], 16) == port for row in rows)

    def wait_listening(self, port, seconds=10, protocol="tcp"):
        until(lambda: self.listening(port, protocol), seconds, f"something listening at {protocol} port {port} of {self.role}")


class Lab:
    """`folder` is for configuration and sockets (its path is short: a UNIX socket's may have 107 bytes) and goes with the lab;
    `logs` stays.
    """

    def __init__(self, logs, congestion="cubic", loopback=False):
        namespace.sweep()
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = "*"  # the machine's proxy is not reachable from a namespace
        self.folder = Path(tempfile.mkdtemp(prefix=owner.name("")))
        self.logs = Path(logs)
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True)
        self.congestion = congestion
        self.processes, self.listeners, self.hosts, self._nets, self._ports = [], [], {}, [], {}
        reason = "asked to" if loopback else namespace.allowed()
        self.namespaced = reason is None
        self.has_ipv6 = self.namespaced and Path("/proc/net/if_inet6").exists()
        self.note = "network namespaces" if self.namespaced else f"loopback addresses, without namespaces and NAT: {reason}"

    def start(self, name, argv, env=None, ends=False):
        """As Host.start(), on no host: what the lab itself is made of."""
        process = Process(name, argv, self.logs / f"{name}.log", env, ends)
        self.processes.append(process)
        return process

    def namespace(self, role):
        net = namespace.Namespace(role, self.congestion)
        self._nets.append(net)
        return net

    def port(self, number):
        """Where a service that usually has this port listens in this lab: there, or on a free port where others share the addresses."""
        if self.namespaced:
            return number
        if number not in self._ports:
            self._ports[number] = _free_port()
        return self._ports[number]

    def block(self, port, protocol="udp"):
        """From now on the router carries nothing from and to that port."""
        namespace.tool(*self.hosts["nat"].command(["nft", "-f", "-"]), stdin=_BLOCKED.format(port=port, protocol=protocol))

    def unblock(self):
        """All that was blocked gets through again."""
        namespace.tool(*self.hosts["nat"].command(["nft", "delete", "table", "inet", "blocked"]))

    def add_host(self, role, address, net=None):
        host = Host(self, role, address, net)
        self.hosts[role] = host
        return host

    @property
    def cloud(self):
        return self.hosts["cloud"]

    @property
    def edge(self):
        return self.hosts["edge"]

    @property
    def edge2(self):
        return self.hosts["edge2"]

    def ended_by_themselves(self):
        """Sentences about processes that ended without being asked to."""
        return [f"{p.name} ended by itself with status {p.status}: {p.log}" for p in self.processes if p.ended_by_itself]

    def sanitizer_reports(self):
        """Sentences about what a binary that was built with a sanitizer has found; complete once the lab is closed."""
        return [f"{kind}: {log}" for log in sorted(self.logs.glob("*.log")) for kind in _SANITIZER_REPORTS if kind in log.read_text(errors="replace")]

    def close(self):
        for process in reversed(self.processes):
            if process.alive:
                process.stop(seconds=2)
        for listener in self.listeners:
            with contextlib.suppress(OSError):  # closed by the test
                listener.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits in accept()
            listener.close()
        for net in self._nets:
            net.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@contextlib.contextmanager
def behind_nat(logs, edges=1, **options):
    """cloud --wan-- nat --lan-- edge. The edge reaches the cloud; the cloud cannot open a connection to the edge. Of two edges the
    second is `edge2`, behind the same router in a network of its own.
    """
    with Lab(logs, **options) as lab:
        if not lab.namespaced:
            _on_loopback(lab, edges)
        else:
            cloud, nat = lab.namespace("cloud"), lab.namespace("nat")
            ends = [(cloud, "wan", "wan", CLOUD_WAN, CLOUD_WAN6, NAT_WAN, NAT_WAN6)]
            for role, device, *addresses in (("edge", "lan", EDGE_LAN, EDGE_LAN6, NAT_LAN, NAT_LAN6),
                                             ("edge2", "lan2", EDGE2_LAN, EDGE2_LAN6, NAT_LAN2, NAT_LAN26))[:edges]:
                net = lab.namespace(role)
                ends.append((net, "lan", device, *addresses))
                lab.add_host(role, addresses[0], net)
            for net, device, nat_device, address, address6, via, via6 in ends:
                namespace.wire(net, device, nat, nat_device)
                for end, name, its, its6 in ((net, device, address, address6), (nat, nat_device, via, via6)):
                    end.ip("link", "set", "dev", name, "up")
                    end.ip("addr", "add", f"{its}/24", "dev", name)
                    if lab.has_ipv6:
                        end.ip("addr", "add", f"{its6}/64", "dev", name, "nodad")
                net.ip("route", "add", "default", "via", via)
                if lab.has_ipv6:
                    net.ip("route", "add", "default", "via", via6)
            nat.sysctl("net.ipv4.ip_forward", 1)
            if lab.has_ipv6:
                nat.sysctl("net.ipv6.conf.all.forwarding", 1)
            namespace.tool(*nat.command(["nft", "-f", "-"]), stdin=NAT_RULES)
            lab.add_host("cloud", CLOUD_WAN, cloud)
            lab.add_host("nat", NAT_WAN, nat)
        yield lab


@contextlib.contextmanager
def side_by_side(logs, **options):
    """cloud --wire-- edge, nothing between: what benchmarks use."""
    with Lab(logs, **options) as lab:
        if not lab.namespaced:
            _on_loopback(lab)
        else:
            cloud, edge = lab.namespace("cloud"), lab.namespace("edge")
            namespace.wire(cloud, "wire", edge, "wire")
            for net, address in ((cloud, "10.77.3.1"), (edge, "10.77.3.2")):
                net.ip("addr", "add", f"{address}/24", "dev", "wire")
                net.ip("link", "set", "dev", "wire", "up")
            lab.add_host("cloud", "10.77.3.1", cloud)
            lab.add_host("edge", "10.77.3.2", edge)
        yield lab


def _free_port():
    """Below the ports that the kernel gives to clients."""
    while True:
        port = random.randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.create_server(("", port)), socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            datagrams.bind(("", port))
            return port


def _on_loopback(lab, edges=1):
    """Addresses of 127/8 that come from the pid, so that two runs do not meet."""
    pid = os.getpid()
    net = f"127.{64 + (pid >> 8) % 64}.{pid % 256}"
    lab.add_host("cloud", f"{net}.1")
    for role, number in (("edge", 2), ("edge2", 3))[:edges]:
        lab.add_host(role, f"{net}.{number}")
