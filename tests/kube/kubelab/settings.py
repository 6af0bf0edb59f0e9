"""Where a lab is and what its parts are called. Everything follows from the environment, so that commands need no state of their own.

    FAIRLEAD_KUBE_NAME=kubelab          of namespaces (NAME.cloud), cgroups (/NAME), state (/var/lib/NAME): two names are two labs
    FAIRLEAD_KUBE_NET=10.90             first half of every address; two labs at once do not need two
    FAIRLEAD_KUBE_EDGES="edge1 edge2"
    FAIRLEAD_KUBE_TIMEOUT=180           seconds that `up` and `wait` may take
    FAIRLEAD_KUBE_CACHE=~/.cache/fairlead/kube

The wan has .1 on each link and the machine .2:

    NET.0.0/24   link of cloud          NET.250.0/24     link of cloud2
    NET.N.0/24   link of the Nth edge   NET.(100+N).0/24 pods of the Nth edge
    NET.200.0/24 Services
"""
import os
from dataclasses import dataclass, field
from pathlib import Path

CLOUDS = ("cloud", "cloud2")
WAN = "wan"
API_PORT = 6443
MAX_EDGES = 20


def _cache():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("FAIRLEAD_KUBE_CACHE") or Path(base) / "fairlead" / "kube")


@dataclass(frozen=True)
class Settings:
    name: str = "kubelab"
    net: str = "10.90"
    edges: tuple = ("edge1", "edge2")
    timeout: float = 180
    cache: Path = field(default_factory=_cache)

    def __post_init__(self):
        if not 1 <= len(self.edges) <= MAX_EDGES or len(set(self.edges)) < len(self.edges):
            raise ValueError(f"1 to {MAX_EDGES} edges of different names, not {self.edges}")

    @classmethod
    def from_environment(cls):
        given = {
            "name": os.environ.get("FAIRLEAD_KUBE_NAME"),
            "net": os.environ.get("FAIRLEAD_KUBE_NET"),
            "edges": tuple(os.environ.get("FAIRLEAD_KUBE_EDGES", "").split()),
            "timeout": float(os.environ.get("FAIRLEAD_KUBE_TIMEOUT") or 0),
        }
        return cls(**{key: value for key, value in given.items() if value})

    def environment(self):
        """Variables from which another process gets the same settings."""
        return {
            "FAIRLEAD_KUBE_NAME": self.name,
            "FAIRLEAD_KUBE_NET": self.net,
            "FAIRLEAD_KUBE_EDGES": " ".join(self.edges),
            "FAIRLEAD_KUBE_TIMEOUT": str(self.timeout),
            "FAIRLEAD_KUBE_CACHE": str(self.cache),
        }

    @property
    def machines(self):
        return CLOUDS + self.edges

    @property
    def state(self):
        return Path("/var/lib") / self.name

    def folder(self, machine):
        return self.state / machine

    @property
    def pki(self):
        return self.state / "pki"

    @property
    def admin_kubeconfig(self):
        return self.pki / "admin.kubeconfig"

    def netns(self, machine):
        """The name of a network namespace. The dot keeps `kubelab` apart from `kubelab-2`."""
        return f"{self.name}.{machine}"

    def cgroup(self, edge=""):
        return f"/{self.name}/{edge}".rstrip("/")

    def number(self, edge):
        return self.edges.index(edge) + 1

    def link(self, machine):
        """The first three numbers of the addresses of a machine's link."""
        return f"{self.net}.{ {'cloud': 0, 'cloud2': 250}.get(machine) if machine in CLOUDS else self.number(machine)}"

    def address(self, machine):
        return f"{self.link(machine)}.2"

    def pods(self, edge):
        return f"{self.net}.{100 + self.number(edge)}.0/24"

    @property
    def all_pods(self):
        return f"{self.net}.96.0/19"

    @property
    def services(self):
        return f"{self.net}.200.0/24"

    @property
    def kubernetes_service(self):
        return f"{self.net}.200.1"

    @property
    def dns_service(self):
        return f"{self.net}.200.10"

    @property
    def api_server(self):
        return f"https://{self.address('cloud')}:{API_PORT}"
