"""CPU and memory of processes and all their children, from /proc."""
import os
import re

_TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """(parent, [user, system, user of ended children, system of ended children] in ticks) or None."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            text = file.read()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2:].split()
    return int(fields[1]), [int(field) for field in fields[11:15]]


def alive(pid):
    """False too for a zombie that nobody has reaped yet."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            text = file.read()
    except OSError:
        return False
    return text[text.rindex(")") + 2] not in "ZX"


def tree(roots):
    """The pids of `roots` and all their living descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := _stat(entry)):
            children.setdefault(stat[0], []).append(int(entry))
    found, todo = [], list(roots)
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def cpu_seconds(roots):
    """(user, system) CPU seconds used so far by `roots` and their descendants, ended ones included."""
    user = system = 0
    for pid in tree(roots):
        if stat := _stat(pid):
            user += stat[1][0] + stat[1][2]
            system += stat[1][1] + stat[1][3]
    return user / _TICKS, system / _TICKS


def _status_kib(roots, key):
    total = 0
    for pid in tree(roots):
        try:
            with open(f"/proc/{pid}/status") as file:
                match = re.search(rf"^{key}:\s+(\d+) kB", file.read(), re.M)
        except OSError:
            continue
        total += int(match[1]) if match else 0
    return total


def rss_bytes(roots):
    """Resident memory now, summed over `roots` and their descendants."""
    return _status_kib(roots, "VmRSS") * 1024


def peak_rss_bytes(roots):
    """The largest resident memory so far of each process, summed."""
    return _status_kib(roots, "VmHWM") * 1024
