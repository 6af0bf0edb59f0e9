"""A lab whose edge and API server meet only through a tunnel; here a stand-in for one."""
import json

import pytest

from kubelab import network
from pods import Pods
from stand_in import Tunnel
from watched import Refused


def test_nodes_join_and_are_reached_through_a_tunnel_only(other_lab, tmp_path, figures):
    other, door = other_lab, tmp_path / "connect.sock"
    egress = tmp_path / "egress.json"
    egress.write_text(json.dumps({
        "apiVersion": "apiserver.k8s.io/v1beta1", "kind": "EgressSelectorConfiguration", "egressSelections": [{
            "name": "cluster", "connection": {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(door)}}}}]}))
    other.command("up", "--server", "https://127.0.0.1:7443", "--egress", str(egress))
    assert "edge1" not in [node["metadata"]["name"] for node in other.kubectl.get("nodes")["items"]]

    tunnel = Tunnel(network.network(other.settings, "edge1"))
    tunnel.relay(7443, (other.settings.address("cloud"), 6443))
    figures.append("through a tunnel at 127.0.0.1:7443: " + other.command("wait").stdout.strip().removeprefix("kubelab: "))
    pods = Pods(other)
    pods.run("talker", "busybox", command=["sh", "-c", "echo here I am; exec sleep 1000"])
    with pytest.raises(Refused, match="connect.sock: connect: no such file"):
        other.kubectl("-n", pods.namespace, "logs", "talker")

    tunnel.connect(str(door))
    assert other.kubectl("-n", pods.namespace, "logs", "talker") == "here I am\n"
    assert other.kubectl("-n", pods.namespace, "exec", "-i", "talker", "--", "cat", stdin="there and back") == "there and back"
    assert set(tunnel.connects) == {f"{other.settings.address('edge1')}:10250"}
    tunnel.close()
