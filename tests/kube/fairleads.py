"""Fairlead in the lab: the cloud side on `cloud`, an edge side on each edge, as processes of this machine in their networks."""
from netlab import Lab
from netlab.site import Site


class FairleadLab(Lab):
    """A netlab.Lab whose hosts are the lab's machines: they are there already, and stay."""

    def __init__(self, lab_cluster, logs):
        super().__init__(logs)
        assert self.namespaced, self.note
        lab_cluster.hosts(self)


class Fairlead(Site):
    """`start(edge)` for the usual; the rest is netlab's Site."""

    def __init__(self, lab_cluster, lab, binary):
        super().__init__(lab, binary)
        self._settings = lab_cluster.settings
        self.init()

    def start(self, *edges):
        """The cloud and these edges, connected on return. An edge lets the cloud reach its node and its pods."""
        self.start_cloud()
        for edge in edges:
            self.issue(edge, self.lab.hosts[edge]).configure(f"egress:\n  pods: [{self._settings.pods(edge)}]\n")
            self.start_edge(edge)
        return self

    def fetch(self, port, path="/", machine="cloud"):
        return self.lab.hosts[machine].run(["curl", "-sS", "--fail", "--max-time", "20", f"http://127.0.0.1:{port}{path}"]).stdout.strip()
