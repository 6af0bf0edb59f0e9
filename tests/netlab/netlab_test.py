"""What the other tests rely on: NAT lets out but not in, logs are where they should be, and nothing survives a killed run."""
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import netlab

TESTS = Path(netlab.__file__).resolve().parents[1]


@pytest.fixture
def lab(tmp_path):
    with netlab.behind_nat(tmp_path / "logs") as lab:
        if not lab.namespaced:
            pytest.skip(lab.note)
        yield lab


def test_edge_reaches_the_cloud_from_the_routers_address(lab):
    listener = lab.cloud.listen(9000, lab.cloud.address)
    connection = lab.edge.connect(9000, lab.cloud.address)
    accepted, peer = listener.accept()
    assert peer[0] == lab.hosts["nat"].address
    connection.sendall(b"out")
    assert accepted.recv(3) == b"out"
    accepted.sendall(b"back")
    assert connection.recv(4) == b"back"


@pytest.mark.parametrize("target", ["edge", "nat"])
def test_cloud_cannot_open_a_connection_to_the_edge(lab, target):
    lab.edge.listen(9000, "0.0.0.0")
    with pytest.raises(OSError):
        lab.cloud.connect(9000, lab.hosts[target].address, timeout=0.5)


def test_congestion_control_is_what_was_asked_for(tmp_path):
    for wanted in ("cubic", "bbr"):
        with netlab.side_by_side(tmp_path / "logs", congestion=wanted) as lab:
            if not lab.namespaced:
                pytest.skip(lab.note)
            algorithm = lab.edge.tcp_socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
            assert algorithm.rstrip(b"\0").decode() == wanted


def test_processes_log_and_end_with_the_lab(tmp_path):
    with netlab.behind_nat(tmp_path / "logs") as lab:
        process = lab.edge.start("talker", ["sh", "-c", "echo hello; exec sleep 1000"])
        process.wait_for_log("hello", 5)
    assert not process.alive
    assert (tmp_path / "logs" / "talker.log").read_text() == "hello\n"
    assert not lab.folder.exists()
    assert lab.ended_by_themselves() == []


def test_a_process_that_ends_by_itself_is_named(tmp_path):
    with netlab.side_by_side(tmp_path / "logs", loopback=True) as lab:
        process = lab.edge.start("crash", ["sh", "-c", "kill -SEGV $$"])
        process.wait(5)
        assert lab.ended_by_themselves() == [f"crash ended by itself with status -11: {process.log}"]


def test_what_a_sanitizer_found_is_named(tmp_path):
    with netlab.side_by_side(tmp_path / "logs", loopback=True) as lab:
        lab.edge.start("leaky", ["sh", "-c", "echo '==1==ERROR: LeakSanitizer: detected memory leaks'"], ends=True).wait(5)
        lab.edge.start("clean", ["true"], ends=True).wait(5)
    assert lab.sanitizer_reports() == [f"ERROR: LeakSanitizer: {tmp_path}/logs/leaky.log"]


def test_sweep_removes_what_a_killed_run_left_and_nothing_else(lab, tmp_path):
    script = f"""
import sys; sys.path.insert(0, {str(TESTS)!r})
import netlab
with netlab.behind_nat({str(tmp_path / "killed")!r}) as lab:
    direct = lab.edge.start("direct", ["sleep", "1000"])
    detached = lab.edge.start("detached", ["sh", "-c", "setsid sleep 1001 & echo $!; exec sleep 1002"])
    netlab.until(detached.log_text, 5, "pid of the detached process")
    print(direct.pid, detached.log_text().strip(), lab.edge.net.path, lab.folder, flush=True)
    sys.stdin.read()
"""
    run = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    direct, detached, net, folder = run.stdout.readline().split()
    assert Path(net).exists() and Path(folder).exists()
    run.send_signal(signal.SIGKILL)
    run.wait()

    netlab.until(lambda: not netlab.proc.alive(direct), 5, "end of a process whose test was killed")
    assert netlab.proc.alive(detached)
    removed = netlab.sweep()
    assert {Path(net).name, folder} <= set(removed)
    assert not Path(net).exists() and not Path(folder).exists()
    netlab.until(lambda: not netlab.proc.alive(detached), 5, "end of a detached process")
    assert lab.edge.net.path.exists() and lab.folder.exists()


def test_until_names_what_did_not_happen():
    with pytest.raises(netlab.TimeoutExpired, match="the moon rises"):
        netlab.until(lambda: False, 0.05, "the moon rises")


def test_of_two_edges_each_reaches_the_cloud_and_neither_is_reached(tmp_path):
    with netlab.behind_nat(tmp_path / "logs", edges=2) as lab:
        if not lab.namespaced:
            pytest.skip(lab.note)
        lab.cloud.listen(9000, "0.0.0.0")
        for edge in (lab.edge, lab.edge2):
            edge.connect(9000, lab.cloud.address).close()
        lab.edge2.listen(9000, "0.0.0.0")
        with pytest.raises(OSError):
            lab.cloud.connect(9000, lab.edge2.address, timeout=0.3)
