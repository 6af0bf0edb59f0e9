"""Rules: in force within a second, refused when bad, and the edge decides what it dials."""
import threading

import pytest

import netlab
from netlab import lab as lab_module, manifests

from ways import NODE

RELOAD_SECONDS = 1


class Greeter:
    """Says its text to each connection on a port, and closes it."""

    def __init__(self, host, port, text):
        self._listener, self._text = host.listen(port), text
        threading.Thread(target=self._greet, daemon=True).start()

    def _greet(self):
        while True:
            connection, _ = self._listener.accept()
            connection.sendall(self._text)
            connection.close()


def greeting(way):
    """What the target behind an entrance says, b"" when it cannot be reached."""
    with way.connect(timeout=5) as client:
        try:
            return client.recv(100)
        except ConnectionResetError:
            return b""


def test_a_changed_rule_is_in_force_within_a_second_and_flows_stay(to_edge):
    old_client, old_target = to_edge.pair()
    Greeter(to_edge.service.host, 8081, b"new")
    to_edge.site.cloud.rules("web", manifests.to_node("web", to_edge.entrance, NODE, 8081))
    netlab.until(lambda: greeting(to_edge) == b"new", RELOAD_SECONDS, "the new rule in force")
    old_client.sendall(b"still here?")
    assert old_target.recv(100) == b"still here?"
    old_target.sendall(b"yes")
    assert old_client.recv(100) == b"yes"


def test_a_new_entrance_opens_and_a_removed_one_closes_within_a_second(linked):
    host = linked.cloud.host
    linked.cloud.rules("more", manifests.to_node("more", 18085, NODE, 8085))
    host.wait_listening(18085, seconds=RELOAD_SECONDS)

    (linked.cloud.routes / "more.yaml").unlink()
    netlab.until(lambda: not host.listening(18085), RELOAD_SECONDS, "the entrance closed")


def test_a_bad_manifest_is_refused_with_file_and_line_and_the_last_good_rules_stay(to_edge):
    site = to_edge.site
    Greeter(to_edge.service.host, to_edge.port, b"last good")
    site.cloud.rules("web", "\n\n" + manifests.to_node("web", to_edge.entrance, NODE, 8080).replace("protocol: TCP", "protokol: TCP"))
    site.cloud.process.wait_for_log("web.yaml:8", RELOAD_SECONDS + 1)
    assert "protokol" in site.cloud.process.log_text()
    assert greeting(to_edge) == b"last good"


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


def test_the_edge_refuses_to_dial_what_its_configuration_does_not_allow(site):
    """The cloud's rule alone is not enough: egress.allow of the edge is checked where it is dialled."""
    edge = site.edges[NODE]
    edge.configure("egress: {allow: [127.0.0.1/32]}\n")
    denied_listener = edge.host.listen(8080, "127.0.0.2")
    Greeter(edge.host, 8081, b"allowed")
    site.start_cloud()
    site.start_edge(NODE)
    site.cloud.rules("denied", manifests.to_node("denied", 18080, NODE, 8080, target_address="127.0.0.2"))
    site.cloud.rules("allowed", manifests.to_node("allowed", 18081, NODE, 8081))
    for port in (18080, 18081):
        site.cloud.host.wait_listening(port)

    assert site.cloud.host.connect(18081).recv(100) == b"allowed"

    with pytest.raises(ConnectionResetError):
        site.cloud.host.connect(18080, timeout=5).recv(1)
    denied_listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        denied_listener.accept()
    edge.process.wait_for_log("FORBIDDEN", 5)


def test_the_edge_may_not_dial_its_lan_by_default(linked):
    if not linked.lab.namespaced:
        pytest.skip(linked.lab.note)
    router = lab_module.NAT_LAN  # the edge's own addresses are this node; the router's is not
    linked.cloud.rules("lan", manifests.to_node("lan", 18080, NODE, 8080, target_address=router))
    linked.cloud.host.wait_listening(18080)
    with pytest.raises(ConnectionResetError):
        linked.cloud.host.connect(18080, timeout=5).recv(1)
    linked.edges[NODE].process.wait_for_log("FORBIDDEN", 5)
