"""The finished binary in a lab: a cloud, a NAT router, an edge.

usage: python3 -m pytest tests/integration [--binary build/release/fairlead] [--logs build/logs/integration] [--loopback]

Each test has its own namespaces and folders. The logs of one that failed are kept in LOGS/TEST and named in its report.
"""
import os
import shutil
from pathlib import Path

import pytest

import netlab
from netlab import manifests, site as sites

ROOT = Path(__file__).resolve().parents[2]
NODE = "edge-a"


def pytest_addoption(parser):
    parser.addoption("--binary", type=Path, default=sites.BINARY)
    parser.addoption("--logs", type=Path, default=ROOT / "build/logs/integration")
    parser.addoption("--loopback", action="store_true")


def pytest_configure(config):
    binary = config.getoption("--binary")
    if not os.access(binary, os.X_OK):
        raise pytest.UsageError(f"{binary} is not there: build it first")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash.setdefault(_FAILED, []).append(report.failed)
    if report.failed and "lab" in item.funcargs:
        report.sections.append(("logs", str(item.funcargs["lab"].logs)))
    return report


_FAILED = pytest.StashKey()


@pytest.fixture
def lab(request):
    """Hosts `cloud` and `edge` with a NAT router between. Fails the test when a process of it ended without being asked to."""
    logs = request.config.getoption("--logs") / request.node.name.replace("/", "_")
    with netlab.behind_nat(logs, loopback=request.config.getoption("--loopback")) as lab:
        yield lab
        unasked = lab.ended_by_themselves()
    if unasked:
        pytest.fail("\n".join(unasked))
    if not any(request.node.stash[_FAILED]):
        shutil.rmtree(logs)


@pytest.fixture
def site(lab, request):
    """Folders of a cloud and of edge-a; nothing runs yet."""
    here = sites.Site(lab, request.config.getoption("--binary"))
    here.init()
    here.issue(NODE)
    return here


@pytest.fixture
def linked(site):
    """The cloud and edge-a run and are connected; there are no rules."""
    site.start_cloud()
    site.start_edge(NODE)
    return site


class Way:
    """A direction of flows: clients connect at `client`:`entrance`, the target listens at `service`:`port`."""

    def __init__(self, site, client, service, entrance, port):
        self.site, self.client, self.service, self.entrance, self.port = site, client, service, entrance, port

    def connect(self, timeout=10):
        return self.client.host.connect(self.entrance, timeout=timeout)

    def listen(self):
        return self.service.host.listen(self.port)

    def pair(self):
        """Both ends of one flow: the client's socket and the one that the target accepted."""
        with self.listen() as listener:
            listener.settimeout(10)
            client = self.connect()
            target, _ = listener.accept()
        target.settimeout(10)
        return client, target


def way_of(site, name):
    """The entrance of a direction, by a rule put in place now; open on return."""
    edge = site.edges[NODE]
    if name == "cloud-to-edge":
        site.cloud.rules("web", manifests.to_node("web", 18080, NODE, 8080))
        way = Way(site, site.cloud, edge, 18080, 8080)
    else:
        edge.rules("web", manifests.to_cloud("web", 18090, 8090))
        way = Way(site, edge, site.cloud, 18090, 8090)
    way.client.host.wait_listening(way.entrance)
    return way


@pytest.fixture(params=["cloud-to-edge", "edge-to-cloud"])
def way(linked, request):
    """An entrance on one side to port 8080 or 8090 on the other: once for each direction."""
    return way_of(linked, request.param)


@pytest.fixture
def to_edge(linked):
    """An entrance in the cloud to port 8080 on edge-a."""
    return way_of(linked, "cloud-to-edge")
