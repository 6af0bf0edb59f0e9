"""What people do with a node, on nodes behind NAT through Fairlead: each output is compared with the truth, in both modes."""
import hashlib
import json
import os

import netlab
import pytest

from remote import PROTOCOLS, Running, Terminal, speaking

SIZE = 100 << 20


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of 100 MB with all bytes in it, and its checksum."""
    path = tmp_path_factory.mktemp("large") / "file"
    path.write_bytes(os.urandom(SIZE))
    yield path, hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()


def test_nodes_join_from_nothing_through_fairlead_only(managed):
    nodes = {node["metadata"]["name"]: node for node in managed.kubectl.get("nodes")["items"]}
    assert set(nodes) == set(managed.nodes)
    for name, node in nodes.items():
        assert {row["type"]: row["status"] for row in node["status"]["conditions"]}["Ready"] == "True", name
        assert managed.site.nodes()[name]["connected"]
    assert managed.went_past_fairlead() == 0


def test_logs_are_what_the_pod_wrote(managed, kube):
    lines = 100_000
    pod = managed.pods.run("writer", "busybox", command=["sh", "-c", f"seq 1 {lines}; sleep 1000"])
    file = f"/var/log/pods/{managed.pods.namespace}_writer_*/writer/0.log"
    netlab.until(lambda: managed.inside(pod.node, "sh", "-c", f"tail -n1 {file}").stdout.endswith(f" {lines}\n"), 20, "all lines on the node")
    status, output, errors = kube.raw("logs", "writer")
    assert status == 0, errors
    assert output == b"".join(b"%d\n" % i for i in range(1, lines + 1))


def test_logs_follow_line_by_line(managed, kube):
    managed.pods.run("teller", "busybox", command=["sh", "-c", "n=0; while sleep 0.05; do n=$((n+1)); echo line $n; done"])
    with Running(kube, "logs", "-f", "teller") as following:
        text = following.until("line 60\n")
    assert text == "".join(f"line {i}\n" for i in range(1, 61))
    kube("delete", "pod", "teller", "--wait=false")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_exec_gives_output_errors_and_the_exit_code(kube, protocol):
    for code in (0, 3, 137):
        status, output, errors = kube.raw("exec", "box", "--", "sh", "-c", f"echo out; echo err >&2; exit {code}", environment=speaking(protocol))
        assert (status, output) == (code, b"out\n") and errors.startswith(b"err\n"), (status, output, errors)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_stdin_of_100_mb_arrives_as_it_is(kube, large, protocol):
    path, checksum = large
    with open(path, "rb") as file, Running(kube, "exec", "-i", "box", "--", "sha256sum", stdin=file, environment=speaking(protocol)) as run:
        assert checksum in run.until("-\n", 90)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_byte_goes_there_and_back(kube, protocol):
    data = bytes(range(256)) * 4096 + os.urandom(1 << 20)
    status, output, errors = kube.raw("exec", "-i", "box", "--", "cat", stdin=data, environment=speaking(protocol))
    assert status == 0, errors
    assert output == data


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_terminal_is_resized(kube, protocol):
    with Terminal(kube, "exec", "-it", "box", "--", "sh", size=(24, 80), environment=speaking(protocol)) as terminal:
        netlab.until(lambda: _size_is(terminal, 24, 80), 10, "the size that it began with")
        terminal.resize(43, 132)
        netlab.until(lambda: _size_is(terminal, 43, 132), 10, "the new size")
        terminal.type("exit 7\n")
        status, _ = terminal.end()
    assert status == 7


def _size_is(terminal, rows, columns):
    terminal.type("echo size: $(stty size) :end\n")
    return f"size: {rows} {columns} :end" in terminal.until(":end\r\n")


def test_attach_reaches_the_program_that_runs(managed, kube):
    managed.pods.run("attachable", "busybox", command=["sh", "-c", "while read line; do echo heard $line; done"], stdin=True)
    with Running(kube, "attach", "-i", "-q", "attachable") as attached:
        for word in ("one", "two", "three"):
            attached.type(f"{word}\n")
            attached.until(f"heard {word}\n")


def test_cp_takes_100_mb_there_and_back(kube, large, tmp_path):
    path, checksum = large
    kube("cp", str(path), "box:/tmp/there", timeout=120)
    assert kube("exec", "box", "--", "sha256sum", "/tmp/there").split()[0] == checksum
    kube("cp", "box:/tmp/there", str(tmp_path / "back"), timeout=120)
    assert hashlib.sha256((tmp_path / "back").read_bytes()).hexdigest() == checksum
    kube("exec", "box", "--", "rm", "/tmp/there")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_port_forward_carries_http_and_a_connection_that_stays(managed, kube, protocol):
    managed.pods.run("web", "nginx", port=8080)
    managed.pods.run("echo", "busybox", port=7000, command=["nc", "-ll", "-p", "7000", "-e", "cat"])
    cloud, environment = managed.lab.cloud, speaking(protocol)
    with Running(kube, "port-forward", "web", "18080:8080", environment=environment) as web, \
            Running(kube, "port-forward", "echo", "17000:7000", environment=environment) as echo:
        web.until("Forwarding from 127.0.0.1:18080")
        echo.until("Forwarding from 127.0.0.1:17000")
        stays = cloud.connect(17000)
        for i in range(30):
            assert cloud.run(["curl", "-sS", "--fail", "--max-time", "10", "http://127.0.0.1:18080/"]).stdout == "hello from nginx\n"
            stays.sendall(b"%d." % i)
            assert stays.recv(100) == b"%d." % i
        stays.close()


def test_the_kubelet_answers_through_the_api_server(managed, kube):
    for node in reversed(managed.nodes):
        proxy = f"/api/v1/nodes/{node}/proxy"
        assert kube("get", "--raw", f"{proxy}/healthz") == "ok"
        assert json.loads(kube("get", "--raw", f"{proxy}/stats/summary"))["node"]["nodeName"] == node
    pods = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in json.loads(kube("get", "--raw", f"{proxy}/pods"))["items"]}
    assert (managed.pods.namespace, "box") in pods
    summary = netlab.until(lambda: _summary_with_box(kube, proxy), 30, "the box in the summary")
    assert summary["node"]["memory"]["workingSetBytes"] > 0
    assert 'pod="box"' in kube("get", "--raw", f"{proxy}/metrics/resource")


def _summary_with_box(kube, proxy):
    summary = json.loads(kube("get", "--raw", f"{proxy}/stats/summary"))
    return summary if any(pod["podRef"]["name"] == "box" for pod in summary["pods"]) else None


def test_a_debug_container_joins_a_pod(managed, kube):
    managed.pods.run("suspect", "busybox", command=["sleep", "1000"])
    words = ["debug", "suspect", "-i", "-q", "--image", "localhost/kubelab/busybox:1", "--image-pull-policy=Never", "--container=debugger"]
    with Running(kube, *words, "--", "sh") as debugger:
        debugger.type("echo on $(hostname)\n")
        debugger.until("on suspect\n", 40)
        debugger.type("exit 4\n")
        debugger.end()
    ended = kube.until(lambda pod: _ended(pod), 20, "pod", "suspect")
    assert _ended(ended)["exitCode"] == 4


def _ended(pod):
    rows = pod["status"].get("ephemeralContainerStatuses", [])
    return rows[0]["state"].get("terminated") if rows else None
