"""netlab: machines that cannot reach each other, on one machine.

Network namespaces joined by veth pairs, a NAT router between them, processes run and watched inside, logs in one folder.
Needs root, iproute2, nftables, util-linux; falls back to loopback addresses and says so.

    with netlab.behind_nat(logs) as lab:      cloud --wan-- nat --lan-- edge
    with netlab.side_by_side(logs) as lab:    cloud --wire-- edge

    link.replace(lab, "edge", "rtt=50ms loss=0.01")    a bad cable in the place of the edge's, steered while it runs
    uplink.add(lab)                                    another way from the edge to the cloud: interface, router and provider

Everything is removed on leaving the block. What a run that was killed left behind goes with the next lab, or by

    tests/netlab/sweep
"""
from . import clock, link, proc, python, uplink, wrk
from .lab import Host, Lab, behind_nat, side_by_side
from .namespace import sweep
from .process import Process
from .wait import Clock, TimeoutExpired, until

__all__ = ["Clock", "Host", "Lab", "Process", "TimeoutExpired", "behind_nat", "clock", "link", "proc", "python", "side_by_side", "sweep", "until", "uplink",
           "wrk"]
