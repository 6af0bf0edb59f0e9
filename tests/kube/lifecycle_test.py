"""Labs come and go and leave nothing. These are of their own, beside the one that the other tests use."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import netlab
import pytest

from clusters import CLUSTER, LabCluster
from kubelab import build
from kubelab.settings import Settings
from pods import Pods

_SYSCTLS = "^net.(ipv4.(ip_forward|conf.all)|bridge|netfilter.nf_conntrack_(max|tcp_timeout))"
_FOLDERS = ("/run", "/run/netns", "/var/lib", "/var/log", "/var/run", "/etc", "/etc/cni", "/opt", "/root", "/root/.kube")


class Traces:
    """What there is on this machine that a lab might leave; looked at with other people's tools, not with the lab's own."""

    def __init__(self, name):
        self._name = name
        self._before = self._look()

    def left(self):
        """Sentences; none if all is as it was."""
        after = self._look()
        found = [f"{what}: {line}" for what in after for line in sorted(after[what] - self._before[what])]
        gone = [f"{what}, gone: {line}" for what in ("nft", "iptables", "sysctl") for line in sorted(self._before[what] - after[what])]
        return found + gone

    def _look(self):
        ours = [pid for pid in os.listdir("/proc") if pid.isdigit() and self._is_ours(pid)]
        other_tests = {path.name for path in Path("/run/netns").glob("fairlead-[0-9]*")}
        return {
            "process": {_said("ps", "-o", "pid=,args=", "-p", pid) for pid in ours},
            "namespace": {line.split()[0] for line in _said("ip", "netns", "list").splitlines()} - other_tests,
            "mount": {line for line in Path("/proc/mounts").read_text().splitlines() if self._name in line},
            "cgroup": {line for line in _said("find", "/sys/fs/cgroup", "-name", self._name).splitlines()},
            "nft": set(_said("nft", "list", "ruleset").splitlines()),
            "iptables": {line for line in _said("iptables-save").splitlines() if not line.startswith(("#", ":"))},
            "device": {line.split(":")[1] for line in _said("ip", "-o", "link").splitlines()},
            "sysctl": set(_said("sysctl", "-a", "-r", _SYSCTLS).splitlines()),
            "file": {str(entry) for folder in _FOLDERS if Path(folder).is_dir() for entry in Path(folder).iterdir()}
            - {f"/run/netns/{name}" for name in other_tests} | {str(entry) for entry in Path("/tmp").glob("fairlead-kube*")},
        }

    def _is_ours(self, pid):
        with contextlib.suppress(OSError):
            return any(self._name.encode() in Path(f"/proc/{pid}/{file}").read_bytes() for file in ("cmdline", "cgroup", "mountinfo")) \
                and int(pid) not in (os.getpid(), os.getppid())
        return False


def _said(*argv):
    return subprocess.run(argv, capture_output=True, text=True).stdout


def test_up_down_up_down_leaves_nothing(other_lab, figures):
    other = other_lab
    traces = Traces(other.settings.name)
    for _ in range(2):
        clock = netlab.Clock()
        other.command("up")
        up = clock.seconds
        assert other.kubectl.get("node", "edge1")["metadata"]["name"] == "edge1"
        assert {sentence.split(":")[0] for sentence in traces.left()} >= {"process", "namespace", "cgroup", "file"}
        clock = netlab.Clock()
        other.command("down")
        figures.append(f"a second lab of one edge beside the first: up in {up:.1f} s, down in {clock.seconds:.1f} s")
        assert not traces.left()


@pytest.mark.parametrize("moment", ["pki/ca.crt", "cloud/log/kube-apiserver.log", "edge1/log/kubelet.log"])
def test_down_after_up_was_killed_half_way_leaves_nothing(other_lab, moment):
    other = other_lab
    traces = Traces(other.settings.name)
    up = subprocess.Popen([sys.executable, CLUSTER, "up"], env={**os.environ, **other.settings.environment()}, stdout=subprocess.DEVNULL)
    netlab.until((other.settings.state / moment).exists, 60, moment)
    up.send_signal(signal.SIGKILL)
    up.wait()
    assert other.settings.state.exists()
    other.command("down")
    assert not traces.left()


def test_down_with_pods_an_emulated_link_and_a_command_inside_leaves_nothing(other_lab):
    other = other_lab
    traces = Traces(other.settings.name)
    other.command("up")
    Pods(other).run("web", "nginx", port=8080)
    link = other.link("edge1")
    link.say("rtt=20ms")
    before = [str(address.ip) for address in link.addresses()]
    moved = other.command("link", "edge1", "address").stdout.strip()
    assert [str(address.ip) for address in link.addresses()] == [moved] != before
    api_server = f"https://{other.settings.address('cloud')}:6443/readyz"
    assert "Unauthorized" in other.command("netns", "edge1", "curl", "-sSk", "--noproxy", "*", "--max-time", "5", api_server).stdout
    environment = {**os.environ, **other.settings.environment()}
    inside = subprocess.Popen([sys.executable, CLUSTER, "netns", "edge1", "sh", "-c", "echo inside; exec sleep 1000"],
                              env=environment, stdout=subprocess.PIPE, text=True)
    with inside.stdout:
        assert inside.stdout.readline() == "inside\n"
        other.command("down")
        assert inside.wait(5) == -signal.SIGKILL
    assert not traces.left()


def test_a_second_up_is_refused(lab):
    said = lab.command("up", check=False)
    assert said.returncode == 1 and "cluster down" in said.stderr


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    name = f"kubelab-test-{os.getpid()}"
    folder = Path("/var/lib") / name
    strangers = LabCluster(replace(Settings.from_environment(), name=name))
    if why := strangers.why_not_here():
        pytest.skip(why)
    folder.mkdir()
    (folder / "precious").touch()
    said = strangers.command("down", check=False)
    assert said.returncode == 1 and "not made by kubelab" in said.stderr and (folder / "precious").exists()
    shutil.rmtree(folder)


def test_a_second_build_has_only_to_look(lab, figures):
    clock = netlab.Clock()
    assert build.is_built(lab.settings)
    lab.command("build")
    figures.append(f"a second build: {clock.seconds:.2f} s")
    assert clock.seconds < 1


def test_on_a_users_own_cluster_only_what_needs_the_lab_is_skipped(lab, tmp_path):
    """The suite once more, from inside the cloud, as somebody with a kubeconfig and no lab would run it."""
    kubeconfig = tmp_path / "kubeconfig"
    shutil.copy(lab.settings.admin_kubeconfig, kubeconfig)
    words = ["env", f"FAIRLEAD_KUBECONFIG={kubeconfig}", sys.executable, "-m", "pytest", "-c", CLUSTER.parents[1] / "pytest.ini",
             "-p", "no:cacheprovider", CLUSTER.parent, "-k", "all_nodes_are_ready or without_fairlead or bad_link",
             "--kube-logs", tmp_path / "logs"]
    said = lab.command("netns", "cloud", *map(str, words), check=False).stdout
    assert re.search(r"^1 passed, 3 skipped", said.splitlines()[-1].strip("= ")), said
    assert said.count("needs the lab, and runs on the cluster of FAIRLEAD_KUBECONFIG") == 3
