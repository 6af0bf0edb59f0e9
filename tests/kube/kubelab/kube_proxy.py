"""kube-proxy of a machine: gives Services a data path there. In nftables mode it needs neither IPVS nor the host's iptables lock."""
import json

from . import network, pki
from .shell import Failed
from .shell import run as tool

_TABLE = "kube-proxy"


def write_configuration(settings, machine, server):
    """Into the machine's etc/; `server` is where it finds the API server."""
    etc = settings.folder(machine) / "etc"
    pki.client(settings, etc / "kube-proxy.kubeconfig", "kube-proxy", server)
    (etc / "kube-proxy.json").write_text(json.dumps({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "nftables",
        "clientConnection": {"kubeconfig": "etc/kube-proxy.kubeconfig"}, "hostnameOverride": machine,
        "detectLocalMode": "ClusterCIDR", "clusterCIDR": settings.all_pods,
        "metricsBindAddress": "127.0.0.1:10249", "healthzBindAddress": "127.0.0.1:10256",
        # These limits are the whole host's, not the machine's: leave them alone.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"minSyncPeriod": "0.2s"},
    }))


def keep(supervisor, program):
    supervisor.keep("kube-proxy", [program, "--config=etc/kube-proxy.json"])


def works(settings, machine):
    """Whether it has written rules for the Service of the cluster's DNS."""
    try:
        return settings.dns_service in tool(*network.network(settings, machine).command(["nft", "list", "table", "ip", _TABLE]))
    except Failed:
        return False
