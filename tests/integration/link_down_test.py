"""A link that is silent, as users and operators see it: requests fail at once or wait as the rule says, and status tells since when."""
import json
import threading
import time

import pytest

import netlab
from netlab import http_client, http_rules, manifests, origin
from http_site import problem
from ways import NODE, Greeter

AT_ONCE = 0.5   # seconds
KNOWN = 10      # by a keep-alive of 4 s and 2 s of silence
WEB, PATIENT, DB, PATIENT_DB = 18080, 18081, 18082, 18083


def tcp_policy(name, route, **spec):
    target = {"group": "gateway.networking.k8s.io", "kind": "TCPRoute", "name": route}
    return json.dumps({"apiVersion": "fairlead.dev/v1alpha1", "kind": "ConnectionPolicy", "metadata": {"name": name},
                       "spec": {"targetRefs": [target], **spec}})


class Outage:
    def __init__(self, site, link):
        self.site, self.link, self.cloud, self.edge = site, link, site.cloud, site.edges[NODE]

    def edge_status(self):
        return json.loads(self.edge.admin("/v1/status")[1])["cloud"]

    def begin(self):
        self.link.down()
        self.began = time.time()
        netlab.until(lambda: self.site.nodes()[NODE]["state"] == "suspect", KNOWN, "the cloud knows")
        netlab.until(lambda: self.edge_status()["state"] == "suspect", KNOWN, "the edge knows")

    def get(self, port):
        begun = time.monotonic()
        with http_client.Client(self.cloud.host, port, timeout=30) as client:
            answer = client.get("/")
        return answer, time.monotonic() - begun

    def greeting(self, port):
        try:
            with self.cloud.host.connect(port, timeout=30) as client:
                return client.recv(100)
        except ConnectionResetError:
            return b""


@pytest.fixture
def outage(site):
    if not site.lab.namespaced:
        pytest.skip(site.lab.note)
    site.start_cloud()
    site.start_edge(NODE)
    cloud, edge = site.cloud, site.edges[NODE]
    origin.serve(edge.host, 8080)
    Greeter(edge.host, 8090, b"hello")
    cloud.rules("web", http_rules.text(
        http_rules.gateway("web", http_rules.listener(WEB, name="web"), http_rules.listener(PATIENT, name="patient")),
        http_rules.backend("web", NODE, 8080),
        http_rules.route("web", http_rules.rule("web"), section="web"),
        http_rules.request_policy("patient", onLinkDown="Wait"),
        http_rules.route("patient", http_rules.rule("web", filters=[http_rules.policy_filter("patient")]), parent="web", section="patient")))
    cloud.rules("db", manifests.to_node("db", DB, NODE, 8090))
    cloud.rules("patient-db", manifests.to_node("patient-db", PATIENT_DB, NODE, 8090))
    cloud.rules("policy", tcp_policy("patient", "patient-db", onLinkDown="Wait", waitTimeout="20s"))
    for port in (WEB, PATIENT, DB, PATIENT_DB):
        cloud.host.wait_listening(port)
    return Outage(site, netlab.link.replace(site.lab, "edge", "rtt=20ms"))


def since(text):
    return time.mktime(time.strptime(text.split(".")[0], "%Y-%m-%dT%H:%M:%S")) - time.timezone


def test_while_the_link_is_silent_status_says_so_on_both_sides(outage):
    outage.begin()
    node, cloud = outage.site.nodes()[NODE], outage.edge_status()
    assert not node["connected"] and not cloud["connected"]
    for told in (node, cloud):
        assert abs(since(told["silent_since"]) - outage.began) < 6, (told["silent_since"], outage.began)
    shown = outage.site.fairlead("status", "--dir", outage.cloud.folder).stdout
    assert "suspect" in shown and node["silent_since"] in shown
    outage.link.up()
    netlab.until(lambda: outage.site.nodes()[NODE]["connected"] and outage.edge_status()["connected"], 30, "both are well again")
    assert "silent_since" not in outage.site.nodes()[NODE]
    assert outage.cloud.metric("fairlead_sessions_accepted_total") == 1


def test_what_comes_meanwhile_fails_at_once(outage):
    outage.begin()
    answer, took = outage.get(WEB)
    assert took < AT_ONCE
    problem(answer, 503, "node-unreachable", "destination_unavailable")
    begun = time.monotonic()
    assert outage.greeting(DB) == b""
    assert time.monotonic() - begun < AT_ONCE


def test_or_waits_if_its_rule_says_so(outage):
    outage.begin()
    answers = {}
    asking = [threading.Thread(target=lambda: answers.update(web=outage.get(PATIENT)[0].status)),
              threading.Thread(target=lambda: answers.update(db=outage.greeting(PATIENT_DB)))]
    for one in asking:
        one.start()
    time.sleep(1)
    assert not answers
    outage.link.up()
    for one in asking:
        one.join(30)
    assert answers == {"web": 200, "db": b"hello"}
