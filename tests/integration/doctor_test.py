"""`fairlead doctor` on paths that are bad in a known way."""
import json

import pytest

import netlab

from ways import NODE

BLOCK_UDP = """\
add table ip block
add chain ip block forward {{ type filter hook forward priority -1; }}
add rule ip block forward udp dport 8443 {verdict}
"""


@pytest.fixture
def cloud_only(site):
    """The cloud runs, and the edge does not: the doctor needs only its folder."""
    if not site.lab.namespaced:
        pytest.skip(site.lab.note)
    site.start_cloud()
    return site


def examine(site, *words, status=0, timeout=150):
    """The findings by check, and what was said on standard error."""
    edge = site.edges[NODE]
    argv = [site.binary, "doctor", "--dir", edge.folder, "--cloud", site.link_address, "-o", "json", *words]
    done = edge.host.run(argv, timeout=timeout, check=False)
    assert done.returncode == status, f"status {done.returncode}: {done.stdout}{done.stderr}"
    report = json.loads(done.stdout)
    assert report["role"] == "edge" and report["node"] == NODE
    return {finding["check"]: finding for finding in report["findings"]}, done.stderr


def only(*checks):
    return [word for check in checks for word in ("--check", check)]


def nat_rules(lab, text):
    netlab.namespace.tool(*lab.hosts["nat"].net.command(["nft", "-f", "-"]), stdin=text)


def test_a_good_path_has_no_problem(linked):
    """While the edge runs: its session is left alone."""
    since = linked.nodes()[NODE]["since"]
    found, said = examine(linked)
    assert [f for f in found.values() if f["status"] in ("problem", "unknown")] == []
    for check in ("certificate", "udp", "identity", "clock", "rtt", "loss", "nat"):
        assert found[check]["status"] == "ok", found[check]
    assert found["nat"]["measured"]["translated"] is linked.lab.namespaced
    assert found["throughput"]["measured"]["udp_down_mbit"] > 5
    assert "measures throughput" in said
    assert linked.nodes()[NODE]["since"] == since


def test_loss_and_a_narrow_path_are_found(cloud_only):
    netlab.link.replace(cloud_only.lab, "edge", "rtt=30ms loss=0.05 mtu=1400")
    found, _ = examine(cloud_only, *only("rtt", "loss", "path-mtu"))
    assert found["loss"]["status"] in ("warning", "problem")
    for direction in ("loss_up", "loss_down"):
        assert 0.005 < found["loss"]["measured"][direction] < 0.15, found["loss"]
    assert found["rtt"]["measured"]["min_ms"] >= 30
    assert 1390 <= found["path-mtu"]["measured"]["mtu_up"] <= 1400, found["path-mtu"]


@pytest.mark.parametrize("verdict, said", [("drop", "silence"), ("reject", "refused")])
def test_blocked_udp_is_told_from_refused(cloud_only, verdict, said):
    nat_rules(cloud_only.lab, BLOCK_UDP.format(verdict=verdict))
    found, _ = examine(cloud_only, status=1)
    udp = found["udp"]
    assert udp["status"] == "problem" and said in udp["summary"], udp
    assert udp["advice"]
    assert found["loss"]["status"] == "unknown"


def test_a_short_memory_of_the_nat_is_found(cloud_only):
    nat = cloud_only.lab.hosts["nat"].net
    for key in ("nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"):
        nat.sysctl(f"net.netfilter.{key}", 12)
    found, _ = examine(cloud_only, *only("nat"))
    measured = found["nat"]["measured"]
    assert measured["remembers_s"] == 10 and measured["forgets_after_s"] == 15, found["nat"]
    assert found["nat"]["status"] == "ok"
    cloud_only.edges[NODE].configure("link:\n  keepAlive: 20s\n")
    found, _ = examine(cloud_only, *only("nat"), status=1)
    assert found["nat"]["status"] == "problem" and "keepAlive" in found["nat"]["advice"], found["nat"]


def test_a_cloud_that_is_off_and_a_name_that_is_unknown(site):
    found, _ = examine(site, "--check", "udp", status=1)
    assert found["udp"]["status"] == "problem", found["udp"]
    folder = site.edges[NODE].folder
    done = site.lab.edge.run([site.binary, "doctor", "--dir", folder, "--cloud", "nobody.invalid:8443", *only("name-resolution")], check=False)
    assert done.returncode == 1
    assert "PROBLEM" in done.stdout and "do: " in done.stdout


def test_an_edge_that_was_revoked_hears_so(linked):
    linked.fairlead("cert", "revoke", "--dir", linked.cloud.folder, "--node", NODE)
    linked.wait_gone(NODE, 5)
    found, _ = examine(linked, *only("identity"), status=1)
    assert found["identity"]["measured"]["refused_by"] == "cloud", found["identity"]
    assert "revoked" in found["identity"]["summary"]


def test_the_cloud_has_a_node_examine_itself(linked):
    argv = ["doctor", "--dir", linked.cloud.folder, "--node", NODE, "-o", "json", *only("certificate", "loss", "clock")]
    report = json.loads(linked.fairlead(*argv).stdout)
    found = {finding["check"]: finding for finding in report["findings"]}
    assert report["role"] == "cloud" and report["node"] == NODE
    for check in ("session", "session-path", "session-certificate", "certificate", "loss", "clock"):
        assert found[check]["status"] == "ok", found
    assert found["session"]["measured"]["state"] == "live"
    assert "throughput" not in found


def test_the_cloud_tells_of_a_node_that_is_not_there(linked):
    linked.edges[NODE].process.kill()
    linked.wait_gone(NODE, 5)
    done = linked.fairlead("doctor", "--dir", linked.cloud.folder, "--node", NODE, check=False)
    assert done.returncode == 1 and "is gone since" in done.stdout, done.stdout
    done = linked.fairlead("doctor", "--dir", linked.cloud.folder, "--node", "nobody", check=False)
    assert done.returncode == 1 and "has never connected" in done.stdout, done.stdout


def test_usage_and_folders_that_are_none(site):
    for words, status in ((["--dir", site.cloud.folder, "--check", "weather"], 2), (["--dir", site.lab.folder / "none"], 2),
                          (["--dir", site.cloud.folder, "--node", NODE], 3)):
        done = site.fairlead("doctor", *words, check=False)
        assert done.returncode == status, done.stderr
        assert done.stderr.startswith("fairlead: ")
