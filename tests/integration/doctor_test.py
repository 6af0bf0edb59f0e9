"""`fairlead doctor` on paths that are bad in a known way."""
import json
from pathlib import Path

import pytest

import netlab

from identity_test import sign
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


def examine(site, *words, status=0, before=()):
    """The findings by check, and what was said on standard error. `before`: what the command line begins with."""
    edge = site.edges[NODE]
    argv = [*before, site.binary, "doctor", "--dir", edge.folder, "--cloud", site.link_address, "-o", "json", *words]
    done = edge.host.run(argv, timeout=150, check=False)
    assert done.returncode == status, f"status {done.returncode}: {done.stdout}{done.stderr}"
    report = json.loads(done.stdout)
    assert report["role"] == "edge" and report["node"] == NODE
    for finding in report["findings"]:
        assert finding["summary"], finding
        assert finding["status"] not in ("warning", "problem") or (finding["meaning"] and finding["advice"]), finding
    return {finding["check"]: finding for finding in report["findings"]}, done.stderr


def only(*checks):
    return [word for check in checks for word in ("--check", check)]


def nat_rules(lab, text):
    netlab.namespace.tool(*lab.hosts["nat"].net.command(["nft", "-f", "-"]), stdin=text)


def test_of_a_good_path_nothing_is_wrong(linked):
    """While the edge runs: its session is left alone."""
    if not linked.lab.namespaced:
        pytest.skip(linked.lab.note)
    netlab.link.replace(linked.lab, "edge", "rtt=30ms")
    since = linked.nodes()[NODE]["since"]
    found, said = examine(linked)
    assert [f for f in found.values() if f["status"] != "ok"] == []
    assert len(found) == 12
    assert found["nat"]["measured"]["translated"] is True
    assert found["nat"]["measured"]["seen_addresses"][0].startswith(linked.lab.hosts["nat"].address + ":")
    assert 30 <= found["rtt"]["measured"]["min_ms"] < 45
    assert abs(found["clock"]["measured"]["skew_ms"]) <= found["clock"]["measured"]["uncertain_ms"]
    assert found["path-mtu"]["measured"]["mtu_up"] == found["path-mtu"]["measured"]["mtu_down"] == 1500
    for way in ("udp_up_mbit", "udp_down_mbit"):
        assert found["throughput"]["measured"][way] > 10, found["throughput"]
    assert "measures throughput" in said
    assert linked.nodes()[NODE]["since"] == since


def test_loss_and_a_narrow_path_are_found(cloud_only):
    netlab.link.replace(cloud_only.lab, "edge", "rtt=30ms loss=0.05 mtu=1300")
    found, _ = examine(cloud_only, *only("rtt", "loss", "path-mtu"))
    assert found["loss"]["status"] == "warning", found["loss"]
    for direction in ("loss_up", "loss_down"):
        assert 0.005 < found["loss"]["measured"][direction] < 0.1, found["loss"]
    assert found["rtt"]["measured"]["min_ms"] >= 30
    assert found["path-mtu"]["status"] == "warning", found["path-mtu"]
    assert 1296 <= found["path-mtu"]["measured"]["mtu_up"] <= 1300, found["path-mtu"]
    assert 1228 <= found["path-mtu"]["measured"]["mtu_down"] <= 1300, found["path-mtu"]


def test_which_direction_loses_is_told(cloud_only):
    netlab.link.replace(cloud_only.lab, "edge", "rtt=30ms in.loss=0.2")
    found, _ = examine(cloud_only, *only("loss"), status=1)
    measured = found["loss"]["measured"]
    assert found["loss"]["status"] == "problem"
    assert 0.1 < measured["loss_down"] < 0.32 and measured["loss_up"] == 0, measured
    assert "downlink" in found["loss"]["advice"]


def test_a_path_too_narrow_for_quic_is_told_from_one_that_is_blocked(cloud_only):
    netlab.link.replace(cloud_only.lab, "edge", "rtt=30ms mtu=1100")
    found, _ = examine(cloud_only, *only("udp", "path-mtu"), status=1)
    assert found["udp"]["status"] == "problem" and "too narrow" in found["udp"]["meaning"], found["udp"]
    assert found["path-mtu"]["status"] == "unknown"


def test_a_slow_path_is_measured(cloud_only):
    netlab.link.replace(cloud_only.lab, "edge", "rtt=400ms rate=4M queue=200")
    found, _ = examine(cloud_only, *only("rtt", "loss", "throughput"))
    assert found["rtt"]["status"] == "warning" and 400 <= found["rtt"]["measured"]["median_ms"] < 500, found["rtt"]
    assert found["loss"]["status"] == "ok", found["loss"]
    for way in ("udp_up_mbit", "udp_down_mbit"):  # a packet lost twice holds back a second's worth and more of what is counted
        assert 0.4 < found["throughput"]["measured"][way] < 4.2, found["throughput"]


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


@pytest.mark.parametrize("seconds, says", [(7200, "ahead of"), (-7200, "behind")])
def test_a_clock_that_is_wrong_is_found(cloud_only, seconds, says):
    found, _ = examine(cloud_only, *only("clock"), status=1, before=netlab.clock.ahead(cloud_only.lab, seconds))
    clock = found["clock"]
    assert clock["status"] == "problem" and says in clock["summary"], clock
    assert abs(clock["measured"]["skew_ms"] - seconds * 1000) < 1000, clock


def test_a_clock_that_makes_certificates_wrong_is_told_from_wrong_certificates(cloud_only):
    years = 3 * 365 * 86400
    found, _ = examine(cloud_only, *only("certificate", "identity", "clock"), status=1, before=netlab.clock.ahead(cloud_only.lab, years))
    assert found["certificate"]["status"] == "problem" and "expired" in found["certificate"]["summary"]
    assert found["identity"]["status"] == "problem" and "clock" in found["identity"]["advice"], found["identity"]
    assert abs(found["clock"]["measured"]["skew_ms"] - years * 1000) < 1000, found["clock"]


def test_an_expired_certificate_is_found_on_both_sides(cloud_only):
    sign(cloud_only, NODE, -30, -1)
    found, _ = examine(cloud_only, *only("certificate", "identity", "clock"), status=1)
    assert found["certificate"]["status"] == "problem" and "expired" in found["certificate"]["summary"], found["certificate"]
    assert found["identity"]["measured"]["refused_by"] == "cloud", found["identity"]
    assert "expired" in found["identity"]["summary"]


def test_small_socket_buffers_are_told(cloud_only):
    """As a service without CAP_NET_ADMIN has them on a stock host."""
    found, _ = examine(cloud_only, *only("socket-buffers"), before=["setpriv", "--bounding-set", "-net_admin"])
    buffers = found["socket-buffers"]
    stock = int((Path("/proc/sys/net/core/rmem_max")).read_text()) < 1 << 20
    assert buffers["status"] == ("warning" if stock else "ok"), buffers
    assert not stock or "net.core.rmem_max" in buffers["advice"]


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
    def says(node, sentence):
        done = linked.fairlead("doctor", "--dir", linked.cloud.folder, "--node", node, check=False)
        assert done.returncode == 1 and sentence in done.stdout, done.stdout

    linked.edges[NODE].process.kill()
    linked.wait_gone(NODE, 15)
    says(NODE, "suspect, connected since")
    says(NODE, "the node has not examined itself")
    linked.start_edge(NODE)
    linked.edges[NODE].process.stop()
    linked.wait_gone(NODE, 15)
    says(NODE, "is gone since")
    says("nobody", "has never connected")


def test_usage_and_folders_that_are_none(site):
    for words, status in ((["--dir", site.cloud.folder, "--check", "weather"], 2), (["--dir", site.lab.folder / "none"], 2),
                          (["--dir", site.cloud.folder, "--node", NODE], 3)):
        done = site.fairlead("doctor", *words, check=False)
        assert done.returncode == status, done.stderr
        assert done.stderr.startswith("fairlead: ")
