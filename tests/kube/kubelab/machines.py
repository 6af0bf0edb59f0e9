"""Machines: a network namespace with a mount, PID and UTS namespace whose PID 1 is this program (machine.py). Ending that one process
ends everything in the machine, containers included, and its mounts go with it.

No PID is written down anywhere: what belongs to a lab is told by what the kernel knows of each process, so that nothing that was
started a moment before a kill -9 is overlooked, and no stranger taken for it.
"""
import os
import signal
import subprocess
import sys
from pathlib import Path

from . import network
from .shell import Failed

CLUSTER = Path(__file__).resolve().parents[1] / "cluster"
_MARK = "KUBELAB_PART_OF"


def mark(settings, machine=""):
    """The environment of what is started for a lab, or for one of its machines."""
    return {_MARK: f"{settings.name}/{machine}", **settings.environment()}


def start(settings, machine):
    folder = settings.folder(machine)
    for part in ("etc", "log", "run"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    argv = ["nsenter", f"--net={network.network(settings, machine).path}", "--",
            "unshare", "--mount", "--propagation", "private", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc",
            sys.executable, "-B", CLUSTER, "__machine", machine]
    spawn(settings, machine, argv, folder / "log" / "init.log")


def spawn(settings, machine, argv, log):
    """A process that goes on when this one has ended."""
    with open(log, "ab") as out:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                                env={**os.environ, **mark(settings, machine)})


def init_pid(settings, machine):
    """The PID, as this process sees it, of a machine's PID 1; None when it is not running."""
    wanted = f"{_MARK}={settings.name}/{machine}".encode()
    for pid in _pids():
        # NSpid has one number for each PID namespace, from ours to the process's own.
        if wanted in _environment(pid) and _pids_in_namespaces(pid)[1:] == ["1"]:
            return pid
    return None


def processes(settings):
    """PIDs of all that belongs to the lab: marked as its part, inside one of its networks, or in a cgroup of its pods."""
    inodes = {os.stat(network.network(settings, name.split(".", 1)[1]).path).st_ino for name in network.names(settings)}
    marked, cgroup = f"{_MARK}={settings.name}/".encode(), f"{settings.cgroup()}/"
    mine = {os.getpid(), os.getppid()}

    def belongs(pid):
        is_marked = any(variable.startswith(marked) for variable in _environment(pid))
        return is_marked or _network_inode(pid) in inodes or cgroup in _read(pid, "cgroup")

    return [pid for pid in _pids() if pid not in mine and belongs(pid)]


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def enter(settings, machine):
    """The beginning of a command line that runs in all namespaces of a machine."""
    pid = init_pid(settings, machine)
    if pid is None:
        raise Failed(f"the machine {machine} is not running")
    return ["nsenter", "--target", str(pid), "--mount", "--uts", "--net", "--pid", "--"]


def memory_bytes(settings, machine):
    """Of a machine without its pods: each page is divided among those that share it (PSS)."""
    inode, total = os.stat(network.network(settings, machine).path).st_ino, 0
    for pid in _pids():
        if _network_inode(pid) == inode:
            total += sum(int(line.split()[1]) * 1024 for line in _read(pid, "smaps_rollup").splitlines() if line.startswith("Pss:"))
    return total


def _pids():
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _read(pid, file):
    try:
        return Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    except OSError:  # it has ended
        return ""


def _environment(pid):
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _pids_in_namespaces(pid):
    return next((line.split()[1:] for line in _read(pid, "status").splitlines() if line.startswith("NSpid:")), [])


def _network_inode(pid):
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return None
