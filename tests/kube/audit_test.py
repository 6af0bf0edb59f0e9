"""What is written down about exec, attach and port-forward: by Fairlead which node, when, how many bytes; by the API server who."""
import json
from datetime import datetime

import netlab
import pytest

from managed import EGRESS, MODES
from remote import Running

both = pytest.mark.parametrize("managed_cluster", MODES, indirect=True)
BYTES = 600_000
ADMIN = "kubelab-admin"


def _when(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Audit:
    """What was written since it was made."""

    def __init__(self, managed):
        self._managed, self._began = managed, {name: len(managed.access_log(name)) for name in ("cloud", managed.nodes[0])}
        self._file = managed.settings.folder("cloud") / "log/audit.log"
        self._asked = len(self._api_server())

    def _api_server(self):
        return [json.loads(line) for line in self._file.read_text().splitlines()] if self._file.exists() else []

    def who(self, subresource):
        """The API server's own line about this: (user, when)."""
        [line] = netlab.until(lambda: [line for line in self._api_server()[self._asked:] if line["objectRef"].get("subresource") == subresource
                                       and line["stage"] == "ResponseComplete"], 10, f"the API server's line about {subresource}")
        return line["user"]["username"], _when(line["requestReceivedTimestamp"])

    def tunnel(self, seconds, at_least):
        """The two lines of the one tunnel to the kubelet that began then and carried so much: the cloud's and the edge's."""
        def found():
            lines = self._managed.access_log("cloud")[self._began["cloud"]:]
            return [line for line in lines if line.get("kind") == "kubelet" and line["side"] == "ingress"
                    and line["bytes_in"] + line["bytes_out"] >= at_least and seconds[0] - 0.1 <= _when(line["time"]) <= seconds[1]]

        [ours] = netlab.until(found, 10, "a line of the tunnel")
        theirs = netlab.until(lambda: [line for line in self._managed.access_log(self._managed.nodes[0])[self._began[self._managed.nodes[0]]:]
                                       if line["trace"] == ours["trace"]], 10, "the edge's line")
        [theirs] = theirs
        return ours, theirs


def _exec(kube):
    assert len(kube.raw("exec", "box", "--", "head", "-c", str(BYTES), "/dev/zero")[1]) == BYTES


def _attach(kube):
    with Running(kube, "attach", "-i", "-q", "listener") as attached:
        for _ in range(BYTES // 60_000):
            attached.type("x" * 59_999 + "\n")
        attached.type("end\n")
        attached.until("heard end\n")


@both
@pytest.mark.parametrize("what", ["exec", "attach", "portforward"])
def test_a_line_says_which_node_when_and_how_many_bytes_and_the_api_server_who(managed, kube, what):
    pods, cloud = managed.pods, managed.lab.cloud
    if what == "attach":
        pods.run("listener", "busybox", command=["sh", "-c", "while read line; do [ $line = end ] && echo heard end; done"], stdin=True)
    if what == "portforward":
        pods.run("flood", "busybox", port=7000, command=["nc", "-ll", "-p", "7000", "-e", "head", "-c", str(BYTES), "/dev/zero"])
    audit = Audit(managed)
    if what == "exec":
        _exec(kube)
    elif what == "attach":
        _attach(kube)
    else:
        with Running(kube, "port-forward", "flood", "17001:7000") as forward:
            forward.until("Forwarding from 127.0.0.1:17001")
            with cloud.connect(17001) as connection:
                got = 0
                while piece := connection.recv(1 << 16):
                    got += len(piece)
            assert got == BYTES
    user, began = audit.who(what)
    assert user == ADMIN
    ours, theirs = audit.tunnel((began, began + 2), BYTES)
    assert (ours["node"], theirs["side"], theirs["node"]) == (managed.nodes[0], "egress", "cloud")
    assert ours["door"] == ("connect" if managed.mode == EGRESS else "port")
    for one, other in ((ours, theirs), (theirs, ours)):
        assert one["seconds"] >= 0 and one["outcome"] in ("OK", "CANCELLED", "RESET"), one
        assert abs(one["bytes_in"] - other["bytes_in"]) < 1000 and abs(one["bytes_out"] - other["bytes_out"]) < 1000
