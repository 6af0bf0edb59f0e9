"""The finished binary in a lab: a cloud, a NAT router, an edge.

usage: python3 -m pytest tests/integration [--binary build/release/fairlead] [--logs build/logs/integration] [--loopback]

Each test has its own namespaces and folders. The logs of one that failed are kept in LOGS/TEST and named in its report.
"""
import os
import shutil

import pytest

import netlab
from netlab import site as sites
from ways import NODE, way_of

_FAILED = pytest.StashKey()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    item.stash.setdefault(_FAILED, []).append(report.failed)
    if report.failed and "lab" in item.funcargs:
        report.sections.append(("logs", str(item.funcargs["lab"].logs)))


@pytest.fixture
def lab(request):
    """Hosts `cloud` and `edge` with a NAT router between. Fails the test when a process ended without being asked to, or a sanitizer
    found something.
    """
    logs = request.config.getoption("--logs") / request.node.name.replace("/", "_")
    with netlab.behind_nat(logs, loopback=request.config.getoption("--loopback")) as lab:
        yield lab
        found = lab.ended_by_themselves()
    found += lab.sanitizer_reports()
    if found:
        pytest.fail("\n".join(found))
    if not any(request.node.stash[_FAILED]):
        shutil.rmtree(logs)


@pytest.fixture
def site(lab, request):
    """Folders of a cloud and of edge-a; nothing runs yet."""
    binary = request.config.getoption("--binary")
    assert os.access(binary, os.X_OK), f"{binary} is not there: build it first"
    here = sites.Site(lab, binary)
    here.init()
    here.issue(NODE)
    return here


@pytest.fixture
def linked(site):
    """The cloud and edge-a run and are connected; there are no rules."""
    site.start_cloud()
    site.start_edge(NODE)
    return site


@pytest.fixture(params=["cloud-to-edge", "edge-to-cloud"])
def way(linked, request):
    """An entrance on one side to port 8080 or 8090 on the other: once for each direction."""
    return way_of(linked, request.param)


@pytest.fixture
def to_edge(linked):
    """An entrance in the cloud to port 8080 on edge-a."""
    return way_of(linked, "cloud-to-edge")
