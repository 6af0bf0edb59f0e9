"""The cluster that tests run against: the lab, or one that the user has already."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

from kubelab import build, cluster, links, machines, network, requirements
from kubelab.cli import MISSING_STATUS
from kubelab.settings import WAN

from watched import Kubectl

CLUSTER = Path(__file__).with_name("cluster")


class TheirCluster:
    """One that FAIRLEAD_KUBECONFIG names. Images must be on its nodes; nothing is known of its network."""

    is_lab = False

    def __init__(self, kubeconfig, settings):
        program = shutil.which("kubectl") or build.program(settings, "kubectl")
        self.kubectl = Kubectl([str(program)], {"KUBECONFIG": kubeconfig})
        self.nodes = [node["metadata"]["name"] for node in self.kubectl.get("nodes")["items"] if not node["spec"].get("unschedulable")]

    def figures(self):
        return [f"the cluster of FAIRLEAD_KUBECONFIG, {len(self.nodes)} nodes"]

    def close(self):
        pass

    def keep_logs(self, folder):
        pass


class LabCluster:
    """Ours. One that runs already is used, and left running."""

    is_lab = True

    def __init__(self, settings):
        self.settings, self.nodes = settings, settings.edges
        self.kubectl = Kubectl(*cluster.kubectl_command(settings))
        self.was_up, self.said = cluster.is_whole(settings), ""

    def command(self, *words, check=True, timeout=600):
        """tests/kube/cluster WORDS."""
        result = subprocess.run([sys.executable, CLUSTER, *words], text=True, capture_output=True, timeout=timeout,
                                env={**os.environ, **self.settings.environment()})
        if check and result.returncode:
            raise AssertionError(f"cluster {' '.join(words)}: status {result.returncode}: {result.stdout}{result.stderr}")
        return result

    def bring_up(self):
        self.command("down")  # what a run that was killed has left
        self.said = self.command("up").stdout

    def why_not_here(self):
        """What keeps the lab from running on this machine; empty if nothing does."""
        missing = requirements.missing_to_run()
        if not missing and not build.is_built(self.settings):
            built = self.command("build", check=False, timeout=3600)
            if built.returncode == MISSING_STATUS:
                return built.stderr.strip()
            assert built.returncode == 0, built.stdout + built.stderr
        return "; ".join(missing)

    def figures(self):
        memory = cluster.memory_mib(self.settings)
        first = [line.removeprefix("kubelab: ") for line in self.said.splitlines()] or ["ran already"]
        each = ", ".join(f"{name} {size}" for name, size in memory.items())
        return [*first, f"memory in MiB, without pods: {each}; {sum(memory.values())} in all"]

    def firewall(self, kind):
        network.firewall(self.settings, kind)

    def link(self, edge):
        """The emulated link of an edge, perfect."""
        link = links.replace(self.settings, edge)
        link.perfect()
        return link

    def hosts(self, lab):
        """Each machine and the wan as a host of a netlab.Lab: programs there run in its network, with this machine's files."""
        for name in self.settings.machines:
            lab.add_host(name, self.settings.address(name), network.network(self.settings, name))
        lab.add_host(WAN, "", network.network(self.settings, WAN))

    def inside(self, machine, *argv, check=True):
        """Runs in all namespaces of a machine."""
        return subprocess.run([*machines.enter(self.settings, machine), *argv], text=True, capture_output=True, timeout=60, check=check)

    def keep_logs(self, folder):
        for log in self.settings.state.glob("*/log/*.log"):
            copy = folder / log.relative_to("/var/lib")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(log, copy)

    def close(self):
        if not self.was_up:
            self.command("down")
