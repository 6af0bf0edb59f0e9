"""The cgroups of pods: below /NAME/EDGE in every hierarchy, which is the v2 one, or all of v1, or both, as runc also makes them in the
v2 half of a hybrid system.
"""
import os
from pathlib import Path

_NEEDED = ("cpu", "cpuset", "memory", "pids")  # by a kubelet, of a v2 hierarchy
_CPUSETS = ("cpuset.cpus", "cpuset.mems")  # v1 leaves these empty, and then no task fits in


def roots():
    lines = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted({Path(folder) for _, folder, kind, *_ in lines if kind in ("cgroup", "cgroup2")})


def unusable():
    """Why no cgroup can be made here, or None."""
    if not roots():
        return "no cgroup hierarchy is mounted at all"
    for root in roots():
        probe = root / f"fairlead-probe-{os.getpid()}"
        try:
            probe.mkdir()
            probe.rmdir()
        except OSError as error:
            return f"no free cgroup: cannot make one in {root}: {error.strerror}"
        try:
            _pass_on_controllers(root)
        except OSError as error:  # as in a container whose own processes are in its topmost cgroup
            return f"no free cgroup: cannot pass on the controllers of {root}: {error.strerror}"
    return None


def _pass_on_controllers(folder):
    """v2: what is below may use the controllers. In a hybrid system v1 has them all, and there is nothing to pass on."""
    available = folder / "cgroup.controllers"
    for name in available.read_text().split() if available.exists() else []:
        if name in _NEEDED and name not in (folder / "cgroup.subtree_control").read_text().split():
            (folder / "cgroup.subtree_control").write_text(f"+{name}")


def make(settings):
    for root in roots():
        for edge in settings.edges:
            folder = root / settings.cgroup(edge).lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
            for above in (root, folder.parent):
                _pass_on_controllers(above)
            for name in _CPUSETS:
                if (root / name).exists() and (root / name).read_text().strip():
                    for place in (folder.parent, folder):
                        (place / name).write_text((root / name).read_text())


def left(settings):
    """Folders of this lab that are there."""
    return [folder for root in roots() if (folder := root / settings.cgroup().lstrip("/")).is_dir()]


def remove(settings):
    """True once none is left; processes that are about to die keep theirs for a moment."""
    for top in left(settings):
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                break
    return not left(settings)
