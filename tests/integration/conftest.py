"""The finished binary in a lab: a cloud, a NAT router, an edge.

usage: python3 -m pytest tests/integration [--binary build/release/fairlead] [--logs build/logs/integration] [--loopback]

Each test has its own namespaces and folders, but for those of HTTP, which share one site a module. The logs of one that failed are
kept in LOGS/TEST (LOGS/MODULE) and named in its report.
"""
import contextlib
import os
import shutil

import pytest

import netlab
from netlab import site as sites
from http_site import HttpSite
from ways import NODE, way_of

_FAILED = pytest.StashKey()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    for node in (item, item.getparent(pytest.Module)):
        node.stash.setdefault(_FAILED, []).append(report.failed)
    for fixture in ("lab", "http"):
        if report.failed and fixture in item.funcargs:
            report.sections.append(("logs", str(getattr(item.funcargs[fixture], "lab", item.funcargs[fixture]).logs)))


@contextlib.contextmanager
def watched_lab(request, **options):
    """A lab for one test or module. Fails it when a process ended without being asked to, or a sanitizer found something."""
    logs = request.config.getoption("--logs") / request.node.name.replace("/", "_")
    with netlab.behind_nat(logs, loopback=request.config.getoption("--loopback"), **options) as lab:
        yield lab
        found = lab.ended_by_themselves()
    found += lab.sanitizer_reports()
    if found:
        pytest.fail("\n".join(found))
    if not any(request.node.stash[_FAILED]):
        shutil.rmtree(logs)


def binary_of(request):
    binary = request.config.getoption("--binary")
    assert os.access(binary, os.X_OK), f"{binary} is not there: build it first"
    return binary


@pytest.fixture
def lab(request):
    """Hosts `cloud` and `edge` with a NAT router between."""
    with watched_lab(request) as lab:
        yield lab


@pytest.fixture(scope="module")
def http(request):
    """A cloud, two edges, and HTTP services at all of them, shared by a module's tests: each opens entrances of its own."""
    with watched_lab(request, edges=2) as lab:
        yield HttpSite(lab, binary_of(request))


@pytest.fixture(scope="module", params=["cloud-to-edge", "edge-to-cloud"])
def http_way(http, request):
    """An entrance on one side to the HTTP service on the other: once for each direction."""
    return http.to_edge("plain") if request.param == "cloud-to-edge" else http.to_cloud("plain")


@pytest.fixture
def two_edges(http):
    if len(http.nodes) < 2:
        pytest.skip(http.lab.note)
    return http


@pytest.fixture
def site(lab, request):
    """Folders of a cloud and of edge-a; nothing runs yet."""
    here = sites.Site(lab, binary_of(request))
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
