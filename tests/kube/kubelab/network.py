"""The lab's network: each machine on a link of its own to the wan, which translates what edges send to the cloud and lets nothing
new in to them. Commands enter by `nsenter --net`: `ip netns exec` would mount a /sys without cgroups.
"""
import subprocess
from pathlib import Path

from netlab.namespace import Network, tool

from .settings import CLOUDS, WAN

FIREWALLS = {
    "drop": "counter drop",
    # Resets too: ICMP alone does not end a connection that is there.
    "reject": "meta l4proto tcp counter reject with tcp reset\n    counter reject with icmpx admin-prohibited",
    "off": "counter accept",
}
_WAN_RULES = """\
table inet kubelab
delete table inet kubelab
table inet kubelab {{
  set clouds {{ type ifname; elements = {{ {clouds} }} }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    oifname @clouds accept
    # what is left are new connections towards an edge
    {rule}
  }}
  chain input {{
    type filter hook input priority filter;
    # to a mapping that is gone: a router says nothing about it
    iifname @clouds ct state new meta l4proto {{ tcp, udp }} drop
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr != {{ {cloud_links} }} oifname @clouds masquerade fully-random
  }}
}}
"""
# Pods leave with the node's address; no CNI plug-in does it.
_EDGE_RULES = """\
table ip kubelab {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr {pods} oifname "eth0" masquerade
  }}
}}
"""


def network(settings, machine):
    return Network(settings.netns(machine))


def exists(settings, machine):
    return network(settings, machine).path.exists()


def make(settings):
    tool("ip", "netns", "add", settings.netns(WAN))
    wan = network(settings, WAN)
    wan.ip("link", "set", "lo", "up")
    wan.sysctl("net.ipv4.ip_forward", 1)
    for machine in settings.machines:
        _connect(settings, wan, machine)
    for edge in settings.edges:
        inside = network(settings, edge)
        inside.sysctl("net.ipv4.ip_forward", 1)
        tool(*inside.command(["nft", "-f", "-"]), stdin=_EDGE_RULES.format(pods=settings.pods(edge)))
    firewall(settings, "drop")


def _connect(settings, wan, machine):
    tool("ip", "netns", "add", settings.netns(machine))
    inside, link = network(settings, machine), settings.link(machine)
    # `name`: a short name is else read as a keyword
    wan.ip("link", "add", "name", machine, "type", "veth", "peer", "name", "eth0", "netns", inside.name)
    wan.ip("addr", "add", f"{link}.1/24", "dev", machine)
    wan.ip("link", "set", "dev", machine, "up")
    inside.ip("addr", "add", f"{link}.2/24", "dev", "eth0")
    inside.ip("link", "set", "dev", "lo", "up")
    inside.ip("link", "set", "dev", "eth0", "up")
    inside.ip("route", "add", "default", "via", f"{link}.1")


def firewall(settings, kind):
    """What happens to new connections towards an edge. Edges reach the clouds, and the clouds each other, whatever it is."""
    wan = network(settings, WAN)
    rules = _WAN_RULES.format(clouds=", ".join(f'"{cloud}"' for cloud in CLOUDS), rule=FIREWALLS[kind],
                              cloud_links=", ".join(f"{settings.link(cloud)}.0/24" for cloud in CLOUDS))
    tool(*wan.command(["nft", "-f", "-"]), stdin=rules)
    # What the clouds opened while they could must not outlive the change: the API server goes on using its connections to kubelets.
    for cloud in CLOUDS:
        subprocess.run(wan.command(["conntrack", "-D", "--orig-src", settings.address(cloud)]), capture_output=True)
    (settings.state / "firewall").write_text(kind)


def names(settings):
    """Of the network namespaces of this lab that are there."""
    folder = Path("/run/netns")
    return sorted(path.name for path in folder.glob(f"{settings.name}.*")) if folder.is_dir() else []


def remove(settings):
    for name in names(settings):
        tool("ip", "netns", "del", name)
