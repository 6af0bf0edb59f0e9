"""Another way from the edge to the cloud: an interface of its own, behind a router (NAT) and a provider of its own.

    second = netlab.uplink.add(lab)          edge --wwan0-- nat2 --wan2-- cloud, beside  edge --lan-- nat --wan-- cloud
    link = second.link("rtt=80ms")           a bad cable there, as netlab.link.replace(lab, "edge") makes one of the first
    second.set_up(False)                     the interface is taken down; first(lab) is the other one
    second.set_carrier(False)                its cable is pulled: the interface stays, with its address and routes

The cloud has one address, and answers each packet by the provider that it came by.
"""
from . import link, namespace
from .lab import CLOUD_WAN, EDGE_LAN, NAT_LAN, NAT_RULES

CLOUD_WAN2, NAT2_WAN, NAT2_LAN, EDGE_WWAN = "10.77.5.1", "10.77.5.2", "10.77.6.1", "10.77.6.2"
_METRICS = {"lan": 100, "wwan0": 200}  # of the default routes: the system prefers the first uplink


class Uplink:
    def __init__(self, lab, device, address, router, router_address, router_device):
        self.lab, self.device, self.address = lab, device, address
        self._edge, self._router, self._via, self._router_device = lab.edge.net, router, router_address, router_device

    def link(self, words="", seed=1):
        return link.between(self.lab, self.device, (self._edge, self.device), (self._router, self._router_device), words, seed)

    def set_up(self, up):
        self._edge.ip("link", "set", "dev", self.device, "up" if up else "down")
        if up:
            self.add_route()

    def set_carrier(self, on):
        """Of a cable that no link is in."""
        self._router.ip("link", "set", "dev", self._router_device, "up" if on else "down")

    def add_route(self):
        self._edge.ip("route", "replace", "default", "via", self._via, "dev", self.device, "metric", str(_METRICS[self.device]))


def first(lab):
    """The uplink that each lab behind NAT has."""
    return Uplink(lab, "lan", EDGE_LAN, lab.hosts["nat"].net, NAT_LAN, "lan")


def add(lab):
    """Makes the second one, and both have a default route."""
    cloud, edge, router = lab.cloud.net, lab.edge.net, lab.namespace("nat2")
    for near, near_device, address, far_device, far_address in ((cloud, "wan2", CLOUD_WAN2, "wan", NAT2_WAN), (edge, "wwan0", EDGE_WWAN, "lan", NAT2_LAN)):
        namespace.wire(near, near_device, router, far_device)
        for net, device, its in ((near, near_device, address), (router, far_device, far_address)):
            net.ip("link", "set", "dev", device, "up")
            net.ip("addr", "add", f"{its}/24", "dev", device)
            for name in ("all", device):
                net.sysctl(f"net.ipv4.conf.{name}.rp_filter", 0)
    router.ip("route", "add", CLOUD_WAN, "via", CLOUD_WAN2)
    router.sysctl("net.ipv4.ip_forward", 1)
    namespace.tool(*router.command(["nft", "-f", "-"]), stdin=NAT_RULES)
    lab.add_host("nat2", NAT2_WAN, router)
    edge.ip("route", "del", "default")
    second = Uplink(lab, "wwan0", EDGE_WWAN, router, NAT2_LAN, "lan")
    first(lab).add_route()
    second.add_route()
    return second
