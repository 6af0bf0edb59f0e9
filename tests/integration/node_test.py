"""What an operator decides about nodes while they are connected; and a cloud that is made anew from its backup."""
import json
import time

import pytest

import netlab

from conftest import binary_of
from join_site import JoinSite
from ways import NODE

CUT_SECONDS = 1.0
STAYS_OUT_SECONDS = 4  # an edge tries several times in that


@pytest.fixture
def site(lab, request):
    here = JoinSite(lab, binary_of(request))
    here.init("127.0.0.1")
    here.start_cloud()
    return here


def node(site, *words, check=True):
    return site.fairlead("node", *words, "--dir", site.cloud.folder, "-o", "json", check=check)


def listed(site):
    return {each["name"]: each for each in json.loads(node(site, "list").stdout)}


def test_a_revoked_node_is_cut_off_within_a_second_and_stays_out(site):
    edge = site.join(site.token(), NODE)
    assert listed(site)[NODE]["session"] == "live"
    node(site, "revoke", NODE, "--comment", "left on a train")
    begin = time.monotonic()
    edge.process.wait_for_log("has revoked your certificate", 10)
    took = time.monotonic() - begin
    print(f"cut after {took:.3f} s")
    assert took < CUT_SECONDS

    deadline = time.monotonic() + STAYS_OUT_SECONDS  # its ticket is of no use
    while time.monotonic() < deadline:
        assert not site.connected(NODE)
    edge.process.stop()
    edge.process = edge.host.start(NODE, [site.binary, "edge", "--dir", edge.folder])  # nor is a new handshake
    edge.process.wait_for_log("has revoked your certificate", 10)
    assert not site.connected(NODE)
    assert listed(site)[NODE]["standing"] == "revoked"
    assert any("node.revoke | edge-a | left on a train" in line for line in site.audit()), site.audit()

    node(site, "readmit", NODE)
    site.wait_connected(NODE, 90)


def test_a_forgotten_name_goes_to_another_key(site):
    edge = site.join(site.token(), NODE)
    before = site.keys()[NODE]
    node(site, "forget", NODE)
    edge.process.wait_for_log("has revoked your certificate", 10)
    edge.process.stop()
    edge.folder.rename(edge.folder.with_name("before"))
    site.join(site.token(), NODE)
    assert site.keys()[NODE] not in (before, "")
    assert listed(site)[NODE]["standing"] == "good"


def test_labels_of_the_cloud_go_before_the_edges(site):
    site.join(site.token(), NODE)
    made = json.loads(node(site, "label", NODE, "site=berlin", "example.com/rack=7").stdout)
    assert made["labels"] == {"site": "berlin", "example.com/rack": "7"}
    netlab.until(lambda: listed(site)[NODE]["live"]["labels"].get("site") == "berlin", 5, "the label in force")
    node(site, "label", NODE, "site-")
    netlab.until(lambda: "site" not in listed(site)[NODE]["live"]["labels"], 5, "the label gone")


def test_a_name_that_never_was_is_a_mistake(site):
    for words in (("show",), ("revoke",), ("forget",), ("label", "a=b")):
        result = node(site, words[0], "edge-x", *words[1:], check=False)
        assert result.returncode == 1 and "no node edge-x has ever joined" in result.stderr, result.stderr


def test_a_cloud_comes_back_from_its_backup(site):
    """Taken while it runs; nodes that were in it go on without joining anew."""
    site.join(site.token(), NODE)
    left = site.token()
    backup = site.lab.folder / "backup.tar"
    site.fairlead("backup", "--dir", site.cloud.folder, "--out", backup)
    assert backup.stat().st_mode & 0o777 == 0o600
    site.cloud.process.kill()
    site.cloud.folder.rename(site.cloud.folder.with_name("lost"))
    site.fairlead("restore", "--in", backup, "--dir", site.cloud.folder)
    site.start_cloud()
    site.wait_connected(NODE, 30)
    assert site.tokens()[left["id"]]["state"] == "revoked"
