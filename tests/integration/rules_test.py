"""Rules: in force within a second, refused when bad, and the edge decides what it dials."""
import pytest

import netlab
from netlab import lab as lab_module, manifests

from ways import NODE, Greeter

RELOAD_SECONDS = 1


def test_a_changed_rule_is_in_force_within_a_second_and_flows_stay(to_edge):
    old_client, old_target = to_edge.pair()
    new_port = to_edge.site.lab.port(8081)
    Greeter(to_edge.service.host, new_port, b"new")
    to_edge.site.cloud.rules("web", manifests.to_node("web", to_edge.entrance, NODE, new_port))
    netlab.until(lambda: to_edge.greeting() == b"new", RELOAD_SECONDS, "the new rule in force")
    old_client.sendall(b"still here?")
    assert old_target.recv(100) == b"still here?"
    old_target.sendall(b"yes")
    assert old_client.recv(100) == b"yes"


def test_a_new_entrance_opens_and_a_removed_one_closes_within_a_second(linked):
    host, entrance = linked.cloud.host, linked.lab.port(18085)
    linked.cloud.rules("more", manifests.to_node("more", entrance, NODE, 8085))
    host.wait_listening(entrance, seconds=RELOAD_SECONDS)

    (linked.cloud.routes / "more.yaml").unlink()
    netlab.until(lambda: not host.listening(entrance), RELOAD_SECONDS, "the entrance closed")


def test_a_bad_manifest_is_refused_with_file_and_line_and_the_last_good_rules_stay(to_edge):
    site = to_edge.site
    Greeter(to_edge.service.host, to_edge.port, b"last good")
    site.cloud.rules("web", "\n\n" + manifests.to_node("web", to_edge.entrance, NODE, to_edge.port).replace("protocol: TCP", "protokol: TCP"))
    site.cloud.process.wait_for_log("web.yaml:8", RELOAD_SECONDS + 1)
    assert "protokol" in site.cloud.process.log_text()
    assert to_edge.greeting() == b"last good"


@pytest.mark.parametrize("good", [True, False])
def test_validate_says_what_is_wrong_and_where(site, good):
    text = manifests.to_node("web", 18080, NODE, 8080)
    path = site.lab.folder / "rules.yaml"
    path.write_text(text if good else text.replace("port: 18080", "port: 180800"))
    result = site.fairlead("validate", "-f", path, check=False)
    assert (result.returncode == 0) == good, result.stderr + result.stdout
    if not good:
        said = result.stderr + result.stdout
        assert "rules.yaml:6" in said and "port" in said and "180800" in said, said


@pytest.mark.parametrize("dialler", ["edge", "cloud"])
def test_a_side_does_not_dial_what_its_own_configuration_does_not_allow(site, dialler):
    """The rule of the other side alone is not enough: egress.allow is checked where it is dialled."""
    edge, port = site.edges[NODE], site.lab.port
    here, there = (edge, site.cloud) if dialler == "edge" else (site.cloud, edge)
    here.configure("egress: {allow: [127.0.0.1/32]}\n")
    denied_listener = here.host.listen(port(8080), "127.0.0.2")
    Greeter(here.host, port(8081), b"allowed")
    site.start_cloud()
    site.start_edge(NODE)
    for name, entrance, target, address in (("denied", port(18080), port(8080), "127.0.0.2"), ("allowed", port(18081), port(8081), "127.0.0.1")):
        there.rules(name, manifests.to_node(name, entrance, NODE, target, address) if dialler == "edge" else
                    manifests.to_cloud(name, entrance, target, address))
        there.host.wait_listening(entrance)

    assert there.host.connect(port(18081)).recv(100) == b"allowed"
    with pytest.raises(ConnectionResetError):
        there.host.connect(port(18080), timeout=5).recv(1)
    denied_listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        denied_listener.accept()
    here.process.wait_for_log("FORBIDDEN", 5)


def test_the_edge_may_not_dial_its_lan_by_default(linked):
    if not linked.lab.namespaced:
        pytest.skip(linked.lab.note)
    router = lab_module.NAT_LAN  # the edge's own addresses are this node; the router's is not
    linked.cloud.rules("lan", manifests.to_node("lan", 18080, NODE, 8080, target_address=router))
    linked.cloud.host.wait_listening(18080)
    with pytest.raises(ConnectionResetError):
        linked.cloud.host.connect(18080, timeout=5).recv(1)
    linked.edges[NODE].process.wait_for_log("FORBIDDEN", 5)
