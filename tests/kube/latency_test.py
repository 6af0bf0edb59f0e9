"""How fast a keystroke comes back while a gigabyte goes the same way."""
import os
import threading
import time

import pytest

from api_sessions import Exec, token
from managed import MODES

RTT = 0.05
BYTES = int(os.environ.get("FAIRLEAD_KUBE_CP_BYTES", 1 << 30))
RATE = "100M"  # without one, what is measured is how two cores share between all of a cluster's programs
GOAL = 2 * RTT + 0.02


def _echoes(session, while_true):
    """Seconds of each echo of a keystroke, one after the other."""
    took = []
    while while_true():
        began = time.monotonic()
        session.echo(token(4))
        took.append(time.monotonic() - began)
    return sorted(took)


def _milliseconds(took):
    p50, p99 = (took[int(len(took) * part)] * 1000 for part in (0.5, 0.99))
    return f"p50 {p50:6.1f}  p99 {p99:6.1f}  max {took[-1] * 1000:6.1f}  ({len(took)} echoes)"


@pytest.mark.parametrize("managed_cluster", MODES, indirect=True)
@pytest.mark.parametrize("loss", [0, 0.02])
def test_exec_beside_a_cp_of_a_gigabyte(managed, kube, box, link_of, figures, loss, tmp_path):
    size = BYTES // 4 if loss else BYTES  # a minute is enough
    kube("exec", "box", "--", "truncate", "-s", str(size), "/tmp/big")
    result = []
    copy = threading.Thread(target=lambda: result.append(kube.raw("cp", "--retries=10", "box:/tmp/big", str(tmp_path / "big"), timeout=500)))
    link_of(managed.nodes[0]).say(f"rtt={RTT * 1000:g}ms loss={loss} rate={RATE}")
    managed.restart_edge(managed.nodes[0])  # a session that has never known a shorter way
    with Exec(managed.api, managed.pods.namespace, "box", ["cat"], stdin=True, timeout=30) as session:
        session.echo(b"begun")
        deadline = time.monotonic() + 5
        alone = _echoes(session, lambda: time.monotonic() < deadline)
        began = time.monotonic()
        copy.start()
        beside = _echoes(session, copy.is_alive)
    copy.join()
    seconds = time.monotonic() - began
    [(status, _, errors)] = result
    assert status == 0, errors
    assert (tmp_path / "big").stat().st_size == size
    (tmp_path / "big").unlink()
    kube("exec", "box", "--", "rm", "/tmp/big")
    named = f"exec echo, {managed.mode}, RTT {RTT * 1000:g} ms, {RATE}bit/s, loss {loss * 100:g} %, in ms:"
    figures.append(f"{named} alone               {_milliseconds(alone)}")
    figures.append(f"{named} beside cp of {size >> 20} MiB {_milliseconds(beside)}, cp {size / seconds / 2**20:.0f} MiB/s")
