"""Where a peer is measured: cloud --wan-- nat --bad link-- edge, services on the edge, everything fresh for each measurement.

The edge is behind NAT, as edges are. Without a tunnel (`direct`) the router forwards the services' ports to the edge, as people do who
have no tunnel.
"""
import contextlib

import netlab
from netlab import namespace, nginx, until
from world import ANSWER_SECONDS, WEB, Service, World

from . import clients

LINK = "rate=100M rtt=50ms queue=400"
GIGABIT = "rate=1G rtt=20ms queue=2000 loss=0.001"
FILES = {"1k": 1000, "50m": 50 * 10**6, "200m": 200 * 10**6, "500m": 500 * 10**6}
ECHO = Service("echo", "tcp", 19001, 9001)
DATAGRAMS = Service("datagrams", "udp", 19002, 9002)
NODE_PORT = 8443

_FORWARD = """
table inet router {{
  chain ports {{ type nat hook prerouting priority dstnat; iifname "wan" {protocol} dport {port} dnat ip to {edge}:{port}; }}
}}
insert rule inet router through iifname "wan" ct status dnat accept
"""


class Place(World):
    """A World whose edge is at the end of a bad link. `link` steers it."""

    def __init__(self, lab, material, build, link, datagrams):
        super().__init__(lab, material, build, [WEB, ECHO] + ([DATAGRAMS] if datagrams else []))
        self.link, self.has_datagrams = link, datagrams

    def dial_the_edge(self):
        super().dial_the_edge()
        for service in self.services:
            self._router(_FORWARD.format(protocol=service.protocol, port=service.port, edge=self.edge.address))

    def at(self, name):
        address, port = super().at(name)
        return (self.lab.hosts["nat"].address if self._direct else address, port)

    def block_udp(self):
        """The network between edge and cloud carries no UDP of the tunnel any more."""
        self.lab.block(NODE_PORT)

    def unblock_udp(self):
        self.lab.unblock()

    def _router(self, rules):
        namespace.tool(*self.lab.hosts["nat"].command(["nft", "-f", "-"]), stdin=rules)


@contextlib.contextmanager
def place(peer, material, build, logs, words=LINK, seed=1, congestion="cubic", datagrams=False, answering=True):
    """A Place in which the peer runs and answers over a link of `words`. `answering`: False starts no peer."""
    with netlab.behind_nat(logs, congestion=congestion) as lab:
        assert lab.namespaced, lab.note
        link = netlab.link.replace(lab, "edge", words, seed)
        here = Place(lab, material, build, link, datagrams and peer.datagrams)
        nginx.serve(lab.edge, WEB.port, material.www, "service", "0.0.0.0")
        lab.edge.start("echo", clients.program("echo", ECHO.port, DATAGRAMS.port))
        lab.edge.wait_listening(ECHO.port)
        if answering:
            peer.start(here)
            until(here.answers, ANSWER_SECONDS, f"{peer.name} answering, logs in {logs}")
        yield here
