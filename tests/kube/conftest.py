"""A real Kubernetes, its edges behind NAT.

usage: python3 -m pytest -c tests/pytest.ini tests/kube [--binary build/release/fairlead] [--kube-logs build/logs/kube]

Needs `tests/kube/cluster build` to have been run, else runs it. A cluster that is up is used and stays up; else one is brought up for
the run. Each test has a Kubernetes namespace of its own. What a failed test leaves to read is in LOGS/TEST and named in its report.
FAIRLEAD_KUBECONFIG=FILE: on that cluster; tests that need the lab are skipped by name.
"""
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from clusters import LabCluster, TheirCluster
from fairleads import Fairlead, FairleadLab
from kubelab.settings import Settings
from managed import MODES, Managed
from pods import Pods

ROOT = Path(__file__).resolve().parents[2]
_FIGURES, _FAILED = pytest.StashKey(), pytest.StashKey()


def pytest_addoption(parser):
    parser.addoption("--kube-logs", type=Path, default=ROOT / "build/logs/kube", help="where the logs of failed tests are kept")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    if not report.failed or not (folder := item.funcargs.get("logs")):
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, used in item.funcargs.items():
        if isinstance(used, Pods):
            (folder / "story.txt").write_text(used.story())
        if isinstance(used, (LabCluster, TheirCluster)) and name != "managed_cluster":
            used.keep_logs(folder)
    (folder / "report.txt").write_text(report.longreprtext)
    report.sections.append(("logs", str(folder)))


def pytest_terminal_summary(terminalreporter, config):
    if figures := config.stash.get(_FIGURES, None):
        terminalreporter.section("figures of the cluster")
        for line in figures:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def figures(request):
    """Lines that are shown at the end of the run."""
    return request.config.stash.setdefault(_FIGURES, [])


@pytest.fixture
def logs(request):
    """A folder that is there only when the test has failed."""
    folder = request.config.getoption("--kube-logs") / request.node.name.replace("/", "_")
    shutil.rmtree(folder, ignore_errors=True)
    return folder


@pytest.fixture(scope="session")
def whole_cluster(request, figures):
    """Brought up for the run, and taken down after it."""
    settings = Settings.from_environment()
    if theirs := os.environ.get("FAIRLEAD_KUBECONFIG"):
        cluster = TheirCluster(theirs, settings)
        figures += cluster.figures()
        yield cluster
        return
    cluster = LabCluster(settings)
    if why := cluster.why_not_here():
        pytest.skip(f"the lab cannot run here: {why}")
    try:
        if not cluster.was_up:
            try:
                cluster.bring_up()
            except AssertionError as failure:
                folder = request.config.getoption("--kube-logs") / "bring-up"
                cluster.keep_logs(folder)
                raise AssertionError(f"{failure}\nlogs: {folder}") from failure
        figures += cluster.figures()
        yield cluster
        figures.append("at the end: " + cluster.figures()[-1])
    finally:
        cluster.close()


@pytest.fixture
def cluster(whole_cluster, logs):
    """A cluster with Ready nodes, whoever's."""
    return whole_cluster


@pytest.fixture
def lab(cluster):
    """The lab: edges behind NAT, machines to enter, links to break."""
    if not cluster.is_lab:
        pytest.skip("needs the lab, and runs on the cluster of FAIRLEAD_KUBECONFIG")
    return cluster


@pytest.fixture
def other_lab(lab, logs):
    """A second lab, of one edge, which does not run: for tests of bringing one up and taking it down."""
    other = LabCluster(replace(lab.settings, name="kubelab-passing", net="10.91", edges=("edge1",)))
    other.command("down")
    yield other
    other.command("down")


@pytest.fixture
def pods(cluster, logs):
    """Pods and Services of this test."""
    pods = Pods(cluster)
    yield pods
    pods.remove()


@pytest.fixture
def link(lab):
    """The link of the first edge, which this test may break."""
    link = lab.link(lab.nodes[0])
    yield link
    link.perfect()


@pytest.fixture(scope="session", params=MODES)
def managed_cluster(request, figures):
    """A cluster of its own, with Fairlead as its only way between cloud and edges; a test that asks for it runs in each mode."""
    if os.environ.get("FAIRLEAD_KUBECONFIG"):
        pytest.skip("needs the lab, and runs on the cluster of FAIRLEAD_KUBECONFIG")
    binary = request.config.getoption("--binary")
    assert os.access(binary, os.X_OK), f"{binary} is not there: build it first"
    made = Managed(request.param, binary, request.config.getoption("--kube-logs") / f"fairlead-{request.param}")
    if why := made.why_not_here():
        pytest.skip(f"the lab cannot run here: {why}")
    try:
        figures.append(made.begin().said)
        yield made
    finally:
        made.end()


@pytest.fixture
def managed(managed_cluster, logs):
    """Perfect links, all of Fairlead running."""
    return managed_cluster


@pytest.fixture
def link_of(managed):
    """The emulated link of an edge of the managed cluster, by name; perfect again afterwards."""
    taken = {}
    yield lambda edge: taken.setdefault(edge, managed.link(edge))
    for link in taken.values():
        link.perfect()


@pytest.fixture(scope="session")
def box(managed_cluster):
    """A shell at the first edge of a managed cluster, that anything may be run in."""
    return managed_cluster.pods.run("box", "busybox", command=["sleep", "100000"])


@pytest.fixture
def kube(managed, box):
    """kubectl in the Kubernetes namespace of the box."""
    return managed.kubectl.inside(managed.pods.namespace)


@pytest.fixture
def fairlead(lab, logs, request):
    """Fairlead's folders for a cloud; nothing runs yet."""
    binary = request.config.getoption("--binary")
    assert os.access(binary, os.X_OK), f"{binary} is not there: build it first"
    with FairleadLab(lab, logs / "fairlead") as inside:
        yield Fairlead(lab, inside, binary)
        unasked = inside.ended_by_themselves()
    assert not unasked, unasked
    if not request.node.stash[_FAILED]:
        shutil.rmtree(logs)
