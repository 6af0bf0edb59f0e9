"""Network namespaces, the veth links between them, and their removal when the owner has died.

Commands enter by `nsenter --net`: `ip netns exec` mounts a /sys of its own and leaves a wrapper process.
"""
import contextlib
import ctypes
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import owner
from .process import kill_all

_FOLDER = Path("/run/netns")
_ALLOWED_CONGESTION = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"
_CLONE_NEWNET = 0x40000000
_SBIN = "/usr/sbin:/sbin"
_libc = ctypes.CDLL(None, use_errno=True)

if _SBIN not in os.environ["PATH"]:
    os.environ["PATH"] += ":" + _SBIN


def tool(*argv, stdin=None):
    """Runs a tool that must succeed; returns what it printed."""
    result = subprocess.run(argv, input=stdin, text=True, capture_output=True)
    if result.returncode:
        raise OSError(f"{' '.join(argv)}: {result.stderr.strip()}")
    return result.stdout


class Network:
    """A network namespace that has a name, whoever made it."""

    def __init__(self, name):
        self.name, self.path = name, _FOLDER / name

    def ip(self, *words):
        return tool("ip", "-n", self.name, *words)

    def sysctl(self, key, value):
        """`value` for `key`; below net.* the kernel shows each process the settings of its own namespace."""
        tool(*self.command(["sysctl", "-qw", f"{key}={value}"]))

    def command(self, argv):
        return ["nsenter", f"--net={self.path}", *argv]

    @contextlib.contextmanager
    def entered(self):
        """Sockets that this thread makes inside the block belong to the namespace, for as long as they live."""
        with open("/proc/thread-self/ns/net") as before, open(self.path) as inside:
            _setns(inside)
            try:
                yield
            finally:
                _setns(before)


class Namespace(Network):
    """One of this process, with `lo` up. The congestion control of TCP is set here because a new namespace inherits whatever the
    machine happens to use.
    """

    def __init__(self, role, congestion):
        super().__init__(owner.name(role))
        tool("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")
        with _permitted(congestion):
            self.sysctl("net.ipv4.tcp_congestion_control", congestion)

    def remove(self):
        _remove(self.name)


@contextlib.contextmanager
def _permitted(congestion):
    """Only what is in the machine's list of allowed algorithms can be chosen in a namespace: it is, for the length of the block."""
    if not os.access(_ALLOWED_CONGESTION, os.W_OK):
        yield
        return
    setting, lock = Path(_ALLOWED_CONGESTION), os.open(tempfile.gettempdir(), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = setting.read_text()
        if congestion not in before.split():
            setting.write_text(f"{before.strip()} {congestion}")
        try:
            yield
        finally:
            setting.write_text(before)
    finally:
        os.close(lock)


def _setns(file):
    if _libc.setns(file.fileno(), _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _remove(name):
    """Ends the processes that are left inside, then takes the name away."""
    for _ in range(100):
        pids = [int(pid) for pid in tool("ip", "netns", "pids", name).split()]
        if not pids:
            break
        kill_all(pids)
        time.sleep(0.01)
    tool("ip", "netns", "del", name)


def wire(a, a_device, b, b_device):
    """A veth pair between two namespaces. link.py puts one that loses and delays in its place."""
    tool("ip", "link", "add", "name", a_device, "netns", a.name, "type", "veth", "peer", "name", b_device, "netns", b.name)


def allowed():
    """None when namespaces can be made here, else the reason why not."""
    if missing := [name for name in ("ip", "nsenter", "nft", "sysctl") if not shutil.which(name)]:
        return f"not installed: {', '.join(missing)}"
    try:
        probe = Namespace("probe", "cubic")
    except OSError as error:
        _discard(owner.name("probe"))
        return str(error)
    probe.remove()
    return None


def _discard(name):
    if (_FOLDER / name).exists():
        with contextlib.suppress(OSError):
            _remove(name)


def sweep():
    """Removes namespaces and folders whose owner is dead. Returns their names."""
    removed = []
    for path in sorted(_FOLDER.glob("fairlead-*")) if _FOLDER.is_dir() else []:
        if owner.is_orphan(path.name):
            _remove(path.name)
            removed.append(path.name)
    for path in sorted(Path(tempfile.gettempdir()).glob("fairlead-*")):
        if owner.is_orphan(path.name):
            shutil.rmtree(path, ignore_errors=True)
            removed.append(str(path))
    return removed
