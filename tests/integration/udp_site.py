"""What speaks UDP at both ends of a way: a direction of associations, and how a stream of datagrams arrived."""
import contextlib
import json
import os
import select
import threading
import time

import netlab
from netlab import manifests

from ways import NODE


class UdpWay:
    """A direction of associations: clients send to `client`:`entrance`, the service is at `service`:`port`."""

    def __init__(self, site, client, service, entrance, port):
        self.site, self.client, self.service, self.entrance, self.port = site, client, service, entrance, port

    def client_socket(self, address="127.0.0.1", timeout=10):
        made = self.client.host.udp_socket(timeout=timeout)
        made.connect((address, self.entrance))
        return made

    def service_socket(self, timeout=10):
        return self.service.host.udp_socket(self.port, timeout=timeout)

    def echo(self):
        return Echo(self.service_socket())

    def lines(self, component, **wanted):
        """The access log's lines of associations at this component."""
        text = component.process.log_text()
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{") and '"plugin":"udp"' in line]
        return [line for line in lines if all(line.get(key) == value for key, value in wanted.items())]

    def wait_open(self, count, seconds=10):
        """Until there are so many associations."""
        netlab.until(lambda: self.client.metric("fairlead_udp_associations") == count, seconds, f"{count} associations")


def udp_way(site, name, policy=""):
    """The entrance of a direction, by a rule put in place now; open on return."""
    edge, port = site.edges[NODE], site.lab.port
    more = manifests.datagram_policy("udp", policy) if policy else ""
    if name == "cloud-to-edge":
        way = UdpWay(site, site.cloud, edge, port(15300), port(5300))
        site.cloud.rules("udp", manifests.to_node("udp", way.entrance, NODE, way.port, protocol="UDP") + more)
    else:
        way = UdpWay(site, edge, site.cloud, port(15310), port(5310))
        edge.rules("udp", manifests.to_cloud("udp", way.entrance, way.port, protocol="UDP") + more)
    # One socket for each loop: before all are there the kernel may lead a client to another.
    loops = len(os.sched_getaffinity(0)) if name == "cloud-to-edge" else 1
    netlab.until(lambda: way.client.host.listening(way.entrance, "udp") == loops, 10, f"{loops} sockets at UDP port {way.entrance}")
    return way


class Echo:
    """Sends each datagram back, until the lab is gone."""

    def __init__(self, socket):
        self.socket = socket
        self.socket.settimeout(None)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.socket.recvfrom(1 << 16)
                if peer is None:
                    return  # shutdown() wakes it so
                self.socket.sendto(data, peer)


class Arrivals:
    """Datagrams of numbered streams, as they came: (number, seconds on the way)."""

    def __init__(self):
        self.seen = []

    def lost(self, sent):
        return 1 - len({number for number, _ in self.seen}) / sent

    def twice(self):
        return len(self.seen) - len({number for number, _ in self.seen})

    def out_of_order(self):
        numbers = [number for number, _ in self.seen]
        return sum(b < a for a, b in zip(numbers, numbers[1:]))

    def percentile(self, p):
        took = sorted(seconds for _, seconds in self.seen)
        return took[min(len(took) - 1, int(p * len(took)))]

    def jitter(self):
        """RFC 3550, 6.4.1, in seconds."""
        jitter = 0.0
        for (_, before), (_, after) in zip(self.seen, self.seen[1:]):
            jitter += (abs(after - before) - jitter) / 16
        return jitter


def stream(sender, receiver, count, per_second, size, settle=1.0):
    """Sends numbered datagrams at a fixed pace from a connected socket and returns their Arrivals at the other."""
    arrivals = Arrivals()
    head = 16

    def take():
        data = receiver.recv(1 << 16)
        now = time.monotonic_ns()
        if len(data) == size:
            arrivals.seen.append((int.from_bytes(data[:8], "big"), (now - int.from_bytes(data[8:head], "big")) / 1e9))

    start = time.monotonic()
    for number in range(count):
        due = start + number / per_second
        while (left := due - time.monotonic()) > 0:
            if select.select([receiver], [], [], left)[0]:
                take()
        sender.send(number.to_bytes(8, "big") + time.monotonic_ns().to_bytes(8, "big") + bytes(size - head))
    end = time.monotonic() + settle
    while (left := end - time.monotonic()) > 0:
        if select.select([receiver], [], [], left)[0]:
            take()
    return arrivals
