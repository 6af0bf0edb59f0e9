"""Very many at once, and very many one after the other."""
import os
from concurrent.futures import ThreadPoolExecutor

import netlab
import pytest
from netlab import proc

from api_sessions import Exec
from doors import Doors
from managed import MODES
from streams import TELLER, Following

both = pytest.mark.parametrize("managed_cluster", MODES, indirect=True)
AT_ONCE = 200
STARTERS = 16  # threads that open them
CONNECTS, HEALTHZ, EXECS = int(os.environ.get("FAIRLEAD_KUBE_CONNECTS", 9400)), 300, 200
WARM_UP = 700
MAX_GROWTH = 4 << 20


@both
def test_200_exec_and_logs_at_once(managed, kube, figures):
    """All are open before the first is asked for anything. A quarter are logs -f: a kernel has 128 inotify instances for a user's kubelets."""
    api, namespace, opened = managed.api, managed.pods.namespace, []
    managed.pods.run("many", "busybox", command=TELLER)

    def one(i):
        made = Following(api, namespace, "many") if i % 4 == 3 else Exec(api, namespace, "box", ["cat"], stdin=True, timeout=60)
        opened.append(made)
        return made

    clock = netlab.Clock()
    try:
        with ThreadPoolExecutor(STARTERS) as pool:
            all_of_them = list(pool.map(one, range(AT_ONCE)))
        begun = clock.seconds
        for i, each in enumerate(all_of_them):
            if i % 4 != 3:
                each.echo(b"I am number %d" % i)
        followings = all_of_them[3::4]
        reached = max(each.numbers[-1] if each.numbers else 0 for each in followings)
        for each in followings:
            netlab.until(lambda each=each: each.numbers and each.numbers[-1] >= reached, 20, "numbers in all")
            assert each.has_no_gap() and each.ended is None
    finally:
        for each in opened:
            each.close()
    figures.append(f"{managed.mode}: {AT_ONCE} exec and logs -f at once, open after {begun:.1f} s")


def _of(component):
    """(resident memory, descriptors) of a part of Fairlead."""
    return proc.rss_bytes([component.process.pid]), component.metric("fairlead_open_descriptors")


@both
def test_10000_one_after_the_other_leave_nothing_behind(managed, kube, box, figures):
    doors, node = Doors(managed), managed.nodes[0]
    parts = {"cloud": managed.site.cloud, "edge": managed.site.edges[node]}
    for _ in range(min(WARM_UP, CONNECTS)):
        assert doors.knock(node)
    before, clock = {name: _of(part) for name, part in parts.items()}, netlab.Clock()
    for _ in range(CONNECTS):
        assert doors.knock(node)
    for _ in range(HEALTHZ):
        assert doors.get(node, "/healthz") == b"ok"
    tunnels = clock.seconds
    for _ in range(EXECS):
        assert managed.api.run(managed.pods.namespace, "box", "true") == (0, b"")
    grown = {}
    for name, part in parts.items():
        memory, descriptors = before[name]
        netlab.until(lambda part=part, descriptors=descriptors: _of(part)[1] <= descriptors + 8, 10, f"descriptors of the {name} as before")
        grown[name] = _of(part)[0] - memory
    said = ", ".join(f"{name} {size / 2**10:+.0f} KiB" for name, size in grown.items())
    figures.append(f"{managed.mode}: {CONNECTS + HEALTHZ} tunnels in {tunnels:.0f} s, {EXECS} exec in {clock.seconds - tunnels:.0f} s: {said}")
    assert max(grown.values()) < MAX_GROWTH, said
