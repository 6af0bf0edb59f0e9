"""Fairlead in the lab: what the cloud could not reach, it reaches through Fairlead."""
import pytest

from netlab import manifests

ENTRANCE = 18080


@pytest.fixture
def web(pods):
    return pods.run("web", "nginx", port=8080)


def test_the_cloud_reaches_a_pod_behind_nat(fairlead, web):
    fairlead.start(web.node)
    fairlead.cloud.rules("web", manifests.to_node("web", ENTRANCE, web.node, 8080, web.ip))
    fairlead.cloud.host.wait_listening(ENTRANCE)
    assert fairlead.fetch(ENTRANCE) == "hello from nginx"


def test_also_over_a_bad_link_that_changes_its_mapping(fairlead, web, link):
    link.say("rtt=50ms loss=0.02")
    fairlead.start(web.node)
    fairlead.cloud.rules("web", manifests.to_node("web", ENTRANCE, web.node, 8080, web.ip))
    fairlead.cloud.host.wait_listening(ENTRANCE)
    assert fairlead.fetch(ENTRANCE) == "hello from nginx"
    before = fairlead.nodes()[web.node]["address"]
    link.rebind()
    assert fairlead.fetch(ENTRANCE) == "hello from nginx"
    assert fairlead.nodes()[web.node]["address"] != before
