"""Certificates and CAs are replaced while flows go on, and nobody is locked out."""
import json
import subprocess
import threading
import time

import pytest

import netlab

from conftest import binary_of
from join_site import JoinSite
from ways import NODE, way_of

OTHER = "edge-b"
FOLLOW_SECONDS = 20


class Talk:
    """A flow in which a byte goes there and back, again and again, until it is ended."""

    def __init__(self, way):
        self._client, self._target = way.pair()
        self._over, self.turns, self.failure = False, 0, None
        self._thread = threading.Thread(target=self._talk)
        self._thread.start()

    def _talk(self):
        try:
            while not self._over:
                for sender, receiver in ((self._client, self._target), (self._target, self._client)):
                    sender.sendall(b"x")
                    assert receiver.recv(1) == b"x", "the flow ended"
                self.turns += 1
                time.sleep(0.02)
        except (OSError, AssertionError) as failure:
            self.failure = failure

    def end(self):
        self._over = True
        self._thread.join(20)
        self._client.close()
        self._target.close()
        assert self.failure is None, f"after {self.turns} turns: {self.failure}"
        return self.turns


@pytest.fixture
def site(lab, request):
    here = JoinSite(lab, binary_of(request))
    here.init("127.0.0.1")
    return here


def end_date(folder):
    return subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", folder / "edge.pem"], capture_output=True, text=True,
                          check=True).stdout


def ca(site, *words, check=True):
    return site.fairlead("ca", *words, "--dir", site.cloud.folder, check=check)


def ca_state(site):
    return json.loads(ca(site, "show", "-o", "json").stdout)


def stop(site, node):
    site.edges[node].process.stop()
    site.wait_gone(node, 10)


def test_a_certificate_is_renewed_again_and_again_and_no_flow_is_cut(site):
    site.cloud.configure("join:\n  certificateLifetime: 10s\n")
    site.start_cloud()
    edge = site.join(site.token(), NODE)
    key, first, since = (edge.folder / "edge-key.pem").read_bytes(), end_date(edge.folder), site.nodes()[NODE]["since"]
    talk = Talk(way_of(site, "cloud-to-edge"))
    netlab.until(lambda: sum("node.renew" in line for line in site.audit()) >= 4, 40, "four renewals")
    assert site.nodes()[NODE]["since"] == since, "one session all the time"
    assert talk.end() > 100
    assert end_date(edge.folder) != first
    assert (edge.folder / "edge-key.pem").read_bytes() == key, "the key stays where it was made"
    edge.process.kill()
    site.start_edge(NODE)  # by what is on disk


def test_a_ca_is_replaced_and_no_flow_is_cut(site):
    site.start_cloud()
    edge = site.join(site.token(), NODE)
    talk = Talk(way_of(site, "cloud-to-edge"))
    before = ca_state(site)
    assert (before["rotation"], len(before["authorities"])) == (False, 1)
    refused = ca(site, "finish", check=False)
    assert refused.returncode == 1 and "no rotation is under way" in refused.stderr

    ca(site, "rotate")
    again = ca(site, "rotate", check=False)
    assert again.returncode == 1 and "a rotation is under way" in again.stderr
    netlab.until(lambda: ca_state(site)["missing"] == [], FOLLOW_SECONDS, "the edge to follow")
    during = ca_state(site)
    assert [each["signs"] for each in during["authorities"]] == [True, False]
    assert [each["issuedCloud"] for each in during["authorities"]] == [False, True]
    ca(site, "finish")
    bundle = (site.cloud.folder / "ca.pem").read_text()
    assert bundle.count("BEGIN CERTIFICATE") == 1
    netlab.until(lambda: (edge.folder / "ca.pem").read_text() == bundle, FOLLOW_SECONDS, "the edge to give up the old CA")
    seen = talk.turns
    netlab.until(lambda: talk.turns > seen + 20 or talk.failure, 10, "the flow to go on")
    talk.end()

    edge.process.kill()
    site.start_edge(NODE)
    site.cloud.process.stop()
    site.start_cloud()
    site.wait_connected(NODE)
    token = site.token()
    assert token["caPin"] == ca_state(site)["authorities"][0]["pin"] != before["authorities"][0]["pin"]
    site.join(token, OTHER)


def test_an_edge_that_slept_through_a_new_ca_is_waited_for(site):
    site.start_cloud()
    for node in (NODE, OTHER):
        site.join(site.token(), node)
    stop(site, OTHER)
    ca(site, "rotate")
    netlab.until(lambda: ca_state(site)["missing"] == [OTHER], FOLLOW_SECONDS, "all but the sleeper to follow")
    refused = ca(site, "finish", check=False)
    assert refused.returncode == 1 and OTHER in refused.stderr
    site.start_edge(OTHER)
    netlab.until(lambda: ca_state(site)["missing"] == [], FOLLOW_SECONDS, "the sleeper to follow")
    ca(site, "finish")
    for node in (NODE, OTHER):
        stop(site, node)
        site.start_edge(node)


def test_an_edge_that_was_not_waited_for_is_told_and_joins_anew(site):
    site.start_cloud()
    site.join(site.token(), NODE)
    stop(site, NODE)
    def taken_up(times):
        netlab.until(lambda: site.cloud.process.log_text().count("took up changed certificates") >= times, 5, "the change taken up")

    ca(site, "rotate")
    taken_up(1)
    ca(site, "finish", "--force")
    taken_up(2)
    process = site.start_edge(NODE, connected=False)
    netlab.until(lambda: "CA" in process.log_text(), 10, "a sentence about the CA")
    assert not site.connected(NODE)
    process.stop()
    old = site.edges[NODE].folder
    old.rename(old.with_name("before"))
    site.join(site.token("--node", NODE), NODE)


def expire(site, node):
    """Stops an edge, and returns when its certificate has expired."""
    stop(site, node)
    expired = ["openssl", "x509", "-noout", "-checkend", "0", "-in", site.edges[node].folder / "edge.pem"]
    netlab.until(lambda: subprocess.run(expired, capture_output=True).returncode == 1, 15, "the certificate to expire")


def test_an_edge_that_was_off_when_its_certificate_expired_comes_back_if_the_cloud_allows_it(site):
    site.cloud.configure("join:\n  certificateLifetime: 10s\n  renewGrace: 1h\n")
    site.start_cloud()
    site.join(site.token(), NODE)
    expire(site, NODE)
    site.start_edge(NODE)
    assert any("node.renew-late" in line for line in site.audit())


def test_an_edge_whose_certificate_expired_is_told_what_to_do_on_both_sides(site):
    site.cloud.configure("join:\n  certificateLifetime: 10s\n")
    site.start_cloud()
    site.join(site.token(), NODE)
    expire(site, NODE)
    edge = site.start_edge(NODE, connected=False)
    edge.wait_for_log("TOO_LATE", 15)
    assert "fairlead token create --node NAME" in edge.log_text()
    netlab.until(lambda: any("join.refused | TOO_LATE" in line for line in site.audit()), 5, "a line in the audit log")
    assert not site.connected(NODE)
    assert "fairlead node renew-grace NAME" in edge.log_text()


def test_an_order_brings_one_node_back_whose_certificate_expired(site):
    """While the cloud runs; the default policy renews none."""
    site.cloud.configure("join:\n  certificateLifetime: 10s\n")
    site.start_cloud()
    site.join(site.token(), NODE)
    expire(site, NODE)
    site.start_edge(NODE, connected=False).wait_for_log("TOO_LATE", 15)
    said = site.fairlead("node", "renew-grace", NODE, "--dir", site.cloud.folder, "--for", "5m", "-o", "json", "--comment", "at sea").stdout
    assert json.loads(said)["renewGraceUntil"]
    site.edges[NODE].process.stop()
    site.start_edge(NODE)
    lines = site.audit()
    assert any("node.renew-grace | edge-a | until" in line and "at sea" in line for line in lines), lines
    assert any("node.renew-late | edge-a" in line for line in lines), lines
