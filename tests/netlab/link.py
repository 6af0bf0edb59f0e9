"""A bad cable between a host and its router, in the place of a good one, steered while it runs.

    link = netlab.link.replace(lab, "edge", "rtt=50ms loss=0.01")
    link.say("loss=0.1 rate=20M")          the words are at the head of linkem.cpp; they are the simulator's
    link.down(); link.up(); link.perfect()
    link.rebind()                          the router forgets: what is sent next comes from new ports, the old ones lead nowhere
    link.new_address()                     the host moves to another address of the same network
    link.play(scenario("bridge"))          the same text, scenarios/bridge.link, plays in virtual time: src/sim/scenario.h says what is in it

Packets are delayed and lost where both ends cannot see it: in a network namespace of its own in the middle. Devices, addresses and
neighbours at both ends stay what they were, and so do connections.
"""
import hashlib
import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from .namespace import tool
from .wait import Clock, until

_SOURCE = Path(__file__).with_name("linkem.cpp")
_SCENARIOS = Path(__file__).with_name("scenarios")
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
_ANSWER_SECONDS = 5
_GONE = """\
add table ip gone
add chain ip gone before {{ type filter hook prerouting priority raw; }}
add rule ip gone before ip saddr {address} drop
add rule ip gone before ip daddr {address} drop
"""


def compiled():
    """linkem, built when it is not there yet; kept outside the tree."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fairlead"
    program = cache / f"linkem-{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]}"
    if not program.exists():
        compiler = next(filter(None, map(shutil.which, ("clang++-19", "g++", "c++"))), None)
        assert compiler, "linkem needs a C++ compiler: run tools/setup build"
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            made = Path(folder) / "linkem"
            subprocess.run([compiler, "-std=c++20", "-O2", "-o", made, _SOURCE], check=True)
            made.rename(program)
    return program


def splice(near, far, middle):
    """Puts `middle`, an empty network, between two ends of a veth pair: (network, device) each, `near` the host's, `far` the router's.

    The far device is a new one with the old one's name and addresses. Frames then wait at `a` and `b` of `middle` for linkem.
    """
    (near_net, near_device), (far_net, far_device) = near, far
    [old] = json.loads(far_net.ip("-j", "addr", "show", "dev", far_device))
    middle.ip("link", "set", "dev", "lo", "up")
    if Path("/proc/net/if_inet6").exists():
        middle.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
    far_net.ip("link", "set", "dev", far_device, "netns", middle.name, "name", "a")
    far_net.ip("link", "add", "name", far_device, "address", old["address"], "type", "veth", "peer", "name", "b", "netns", middle.name)
    for network, device in ((middle, "a"), (middle, "b"), (far_net, far_device), (near_net, near_device)):
        # One packet a frame: a kernel that sends 64 KiB at once would lose or keep all of it.
        network.ip("link", "set", "dev", device, "gso_max_segs", "1", "up")
    for network, device in ((far_net, far_device), (near_net, near_device)):
        _spread(network, device)
    for entry in old["addr_info"]:
        if entry["scope"] == "global":
            more = ["nodad"] if entry["family"] == "inet6" else []
            far_net.ip("addr", "add", f"{entry['local']}/{entry['prefixlen']}", "dev", far_device, *more)


def _spread(network, device):
    """What arrives there is worked on by all processors, not by linkem's alone: at 1 Gbit/s that one would be its bound."""
    processors = (1 << min(32, os.cpu_count())) - 1
    script = f"for queue in /sys/class/net/{device}/queues/rx-*/rps_cpus; do echo {processors:x} > $queue; done"
    subprocess.run(["ip", "netns", "exec", network.name, "sh", "-c", script], capture_output=True)  # not where /sys cannot be written: slower


def command(middle, control, words="", seed=1):
    """The command line that carries frames through `middle`; a host's frames are `out`."""
    return [str(compiled()), str(middle.path), "a", "b", str(control), "--seed", str(seed), *words.split()]


def replace(lab, role, words="", seed=1):
    """The cable between the edge `role` of a lab behind NAT and its router, from now on a bad one."""
    host, router = lab.hosts[role], lab.hosts["nat"]
    return between(lab, role, (host.net, "lan"), (router.net, "lan2" if role == "edge2" else "lan"), words, seed)


def between(lab, name, near, far, words="", seed=1):
    """The same for any cable of a lab: (network, device) of the host and of the router."""
    middle = lab.namespace(f"link-{name}")
    splice(near, far, middle)
    control = lab.folder / f"link-{name}.sock"
    process = lab.start(f"link-{name}", command(middle, control, words, seed))
    process.wait_for_log("carrying", _ANSWER_SECONDS)
    return Link(control, near, far, process)


def scenario(name):
    """The text of a scenario by its name."""
    return (_SCENARIOS / f"{name}.link").read_text()


def steps(text):
    """[(seconds since the beginning, [word, ...]), ...] of a scenario's text; ValueError names a wrong time and its line."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not (words := line.split("#")[0].split()):
            continue
        time = re.fullmatch(r"(\d+(?:\.\d+)?)(ns|us|ms|s)", words[0])
        if not time:
            raise ValueError(f"line {number}: not a time: {words[0]}")
        found.append((float(time[1]) * _UNITS[time[2]], words[1:]))
        if len(found) > 1 and found[-1][0] < found[-2][0]:
            raise ValueError(f"line {number}: earlier than the line before: {words[0]}")
    return found


class Link:
    """Steers the linkem behind `control`. `near` is the host's end, `far` its router's: (network, device). `process`: linkem's, if known."""

    def __init__(self, control, near, far, process=None):
        self.control, self._near, self._far, self.process = control, near, far, process

    def say(self, words):
        """Acts on the packets that follow; all of the words or, with ValueError, none."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
            asking.bind("")  # a name of the kernel's choice, for the answer
            asking.settimeout(_ANSWER_SECONDS)
            asking.connect(str(self.control))
            asking.send(words.encode())
            answer = asking.recv(4096).decode()
        if answer.startswith("error: "):
            raise ValueError(answer.removeprefix("error: "))
        return answer

    def act(self, words):
        """What one line of a scenario says, in its order."""
        for word in words:
            if word == "rebind":
                self.rebind()
            elif word == "address":
                self.new_address()
            else:
                self.say(word)

    def play(self, text):
        """A whole scenario, in its time; returns when its last line has acted."""
        clock = Clock()
        for at, words in steps(text):
            until(lambda: clock.seconds >= at, at + 1, "the time of a scenario's line")
            self.act(words)

    def down(self):
        self.say("down")

    def up(self):
        self.say("up")

    def perfect(self):
        self.say("perfect")

    def counters(self):
        """What became of the packets so far: {"out": {"sent": ...}, "in": ...}, as the simulator's PathCounters."""
        return json.loads(self.say("counters"))

    def addresses(self):
        """The IPv4 addresses of the host at this link."""
        network, device = self._near
        [entry] = json.loads(network.ip("-j", "-4", "addr", "show", "dev", device))
        return [ipaddress.ip_interface(f"{info['local']}/{info['prefixlen']}") for info in entry["addr_info"]]

    def rebind(self):
        """The router forgets the host's connections; a mapping made anew has another port (`masquerade fully-random`)."""
        network, _ = self._far
        for address in self.addresses():
            # Its status is 1 when there was none to forget.
            subprocess.run(network.command(["conntrack", "-D", "--orig-src", str(address.ip)]), capture_output=True)

    def new_address(self, keep_on_lo=False):
        """The host gets the next address of its network and loses the one it had; what still comes from there is lost. Returns the new one.

        `keep_on_lo`: programs on the host may go on using the old one among themselves, as a kubelet does that was told its address.
        """
        (network, device), (router, _) = self._near, self._far
        [old] = self.addresses()
        new = ipaddress.ip_interface(f"{old.ip + 1}/{old.network.prefixlen}")
        [default] = json.loads(network.ip("-j", "-4", "route", "show", "default", "dev", device))
        network.sysctl(f"net.ipv4.conf.{device}.promote_secondaries", 1)  # else the new one, a second address, goes with the first
        network.ip("addr", "add", str(new), "dev", device)
        network.ip("addr", "del", str(old), "dev", device)
        network.ip("route", "replace", "default", "via", default["gateway"], "dev", device)
        if keep_on_lo:
            network.ip("addr", "add", f"{old.ip}/32", "dev", "lo")
        tool(*router.command(["nft", "-f", "-"]), stdin=_GONE.format(address=old.ip))
        return str(new.ip)
