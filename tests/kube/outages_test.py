"""What people do with a node while the link is cut, the edge's address changes, and each part is restarted."""
import hashlib
import threading

import netlab
import pytest

from api_sessions import Exec
from managed import EGRESS, MODES
from streams import BROKEN, TELLER, Busy, Following

both = pytest.mark.parametrize("managed_cluster", MODES, indirect=True)
CUT_SECONDS = 20
KNOWN_SECONDS = 10  # link.suspectAfter after a packet that nobody answered; while nothing else is sent, after link.keepAlive
COPY = 100 << 20
HUNG_SECONDS = 10


@pytest.fixture(scope="session")
def teller(managed_cluster):
    """A pod beside the box that writes a number each 50 ms."""
    return managed_cluster.pods.run("counting", "busybox", command=TELLER)


class Node:
    """The box and the teller of a managed cluster, as the API server's clients see them."""

    def __init__(self, managed):
        self._api, self._namespace = managed.api, managed.pods.namespace

    def cat(self, timeout=60):
        return Exec(self._api, self._namespace, "box", ["cat"], stdin=True, timeout=timeout)

    def run(self, timeout=15):
        """An exec whose connection ends early may pass for one that ended well: the API server's clients are told no more than that."""
        said = self._api.run(self._namespace, "box", "echo", "here", timeout=timeout)
        if said != (0, b"here\n"):
            raise ConnectionError(f"ended early: {said}")
        return True

    def logs(self, timeout=15):
        with self._api.logs(self._namespace, "counting", timeout, tailLines="3") as answer:
            assert len(answer.read().splitlines()) == 3
        return True

    def follow(self):
        return Following(self._api, self._namespace, "counting")


@pytest.fixture
def node(managed, box, teller):
    return Node(managed)


@both
def test_what_was_open_survives_a_cut_of_20_seconds_and_what_is_new_is_refused(managed, kube, node, link_of, figures):
    edge, silent = managed.nodes[0], lambda: managed.site.cloud.metric("fairlead_sessions_suspect")
    link = link_of(edge)
    with node.cat() as session, node.follow() as following:
        session.echo(b"before")
        netlab.until(lambda: len(following.numbers) > 20, 10, "numbers")
        cut = netlab.Clock()
        link.down()
        netlab.until(silent, KNOWN_SECONDS, "the cut known in the cloud")
        known, refused = cut.seconds, []
        while cut.seconds < CUT_SECONDS:
            clock = netlab.Clock()
            with pytest.raises(BROKEN) as failure:
                node.run()
            refused.append((clock.seconds, str(failure.value)))
        seen = len(following.numbers)
        link.up()
        back = netlab.Clock()
        _soon(node.run, 2)
        works = back.seconds
        session.echo(b"after")
        netlab.until(lambda: len(following.numbers) > seen + CUT_SECONDS * 10, 20, "the numbers of the time of the cut")
        assert following.has_no_gap() and following.ended is None
    assert max(seconds for seconds, _ in refused) < 1
    if managed.mode == EGRESS:
        assert all(f"node {edge} " in text and "503" in text for _, text in refused), refused[0]
    assert node.logs()
    ready = {row["type"]: row["status"] for row in kube.get("node", edge)["status"]["conditions"]}["Ready"]
    assert ready == "True"
    figures.append(f"{managed.mode}: a cut is known after {known:.1f} s; {len(refused)} exec refused, the slowest in "
                   f"{max(seconds for seconds, _ in refused) * 1000:.0f} ms; exec works {works:.2f} s after the link is back")


def _soon(act, seconds):
    """Tries until it works."""
    def works():
        try:
            return act()
        except BROKEN as error:
            raise OSError(str(error)) from error

    return netlab.until(works, seconds, "something that works")


@both
def test_a_cp_goes_on_when_the_edge_gets_another_address(managed, kube, link_of, figures, tmp_path):
    link = link_of(managed.nodes[0])
    checksum = kube("exec", "box", "--", "sh", "-c", f"head -c {COPY} /dev/urandom >/tmp/moving; sha256sum /tmp/moving").split()[0]
    link.say("rtt=20ms rate=200M")
    sent = lambda: link.counters()["out"]["bytes"]  # noqa: E731
    before, result = sent(), []
    copy = threading.Thread(target=lambda: result.append(kube.raw("cp", "--retries=10", "box:/tmp/moving", str(tmp_path / "moved"), timeout=100)))
    clock = netlab.Clock()
    copy.start()
    netlab.until(lambda: sent() - before > COPY // 4, 30, "a quarter of it on its way")
    assert copy.is_alive()
    link.new_address(keep_on_lo=True)  # as its kubelet was told it
    copy.join()
    [(status, _, errors)] = result
    assert status == 0, errors
    assert hashlib.sha256((tmp_path / "moved").read_bytes()).hexdigest() == checksum
    kube("exec", "box", "--", "rm", "/tmp/moving")
    figures.append(f"{managed.mode}: cp of {COPY >> 20} MiB at 200 Mbit/s with a new address half way: {clock.seconds:.1f} s")


RESTARTS = {
    "the API server is killed": lambda managed: managed.restart_api_server(),
    "cloud stops": lambda managed: managed.restart_cloud(),
    "cloud is killed": lambda managed: managed.restart_cloud(kill=True),
    "edge stops": lambda managed: managed.restart_edge(managed.nodes[0]),
    "edge is killed": lambda managed: managed.restart_edge(managed.nodes[0], kill=True),
}


@both
@pytest.mark.parametrize("what", RESTARTS)
def test_after_a_restart_under_load_all_is_new(managed, kube, node, figures, what):
    with Busy([node.run, node.run, node.logs, node.logs]) as busy:
        with node.cat() as session, node.follow() as following:
            session.echo(b"before")
            netlab.until(lambda: busy.took and following.numbers, 20, "load")
            RESTARTS[what](managed)
            back = netlab.Clock()
            _soon(node.run, 5)
            _soon(node.logs, 5)
            works = back.seconds
            netlab.until(lambda: following.ended, 5, "the end of logs -f")
            with pytest.raises(BROKEN):
                session.socket.settimeout(5)
                session.echo(b"after")
        began = len(busy.took)
        netlab.until(lambda: len(busy.took) > began + 12, 20, "more load")
        late = len(busy.errors)
        netlab.until(lambda: len(busy.took) > began + 24, 20, "more load")
        assert len(busy.errors) == late, busy.errors[late:]
    assert managed.inside(managed.nodes[0], "curl", "-sS", "--noproxy", "*", "-k", "--max-time", "5", "https://127.0.0.1:6443/readyz").stdout
    figures.append(f"{managed.mode}, {what}: new ones work {works:.1f} s later; of {len(busy.took)} calls {len(busy.errors)} failed, "
                   f"the slowest took {max(busy.took):.1f} s")
    # An API server may wait for the answer to a stream that it was just making as the connection ended.
    assert sum(seconds > HUNG_SECONDS for seconds in busy.took) <= 2, sorted(busy.took)[-5:]
