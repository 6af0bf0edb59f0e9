"""Which edge an address of the cluster belongs to, as Fairlead learns it with an account of its own."""
import contextlib
import json

import netlab
import pytest

from doors import Doors
from managed import EGRESS, MODES, NODE_ADDRESS

both = pytest.mark.parametrize("managed_cluster", MODES, indirect=True)
only_egress = pytest.mark.parametrize("managed_cluster", [EGRESS], indirect=True)
only_node_address = pytest.mark.parametrize("managed_cluster", [NODE_ADDRESS], indirect=True)
ACCOUNT = "system:serviceaccount:kube-system:fairlead"


def _problems(managed):
    return json.loads(managed.site.fairlead("status", "--dir", managed.site.cloud.folder, "-o", "json").stdout)["rule_problems"]


def _may(managed, verb, resource, subresource=""):
    return managed.kubectl.raw("auth", "can-i", verb, resource, f"--subresource={subresource}", "-A", f"--as={ACCOUNT}")[1].strip() == b"yes"


@both
def test_the_rights_of_the_handbook_are_enough_and_few(managed):
    assert _problems(managed) == []
    assert managed.site.cloud.metric("fairlead_kube_watch_failing") == 0
    assert managed.site.cloud.metric("fairlead_kube_objects") > len(managed.nodes)
    assert _may(managed, "list", "pods") and _may(managed, "watch", "endpointslices.discovery.k8s.io")
    assert not any(_may(managed, *words) for words in (
        ("get", "secrets"), ("create", "pods", "exec"), ("get", "nodes", "proxy"), ("delete", "nodes"), ("update", "pods")))
    assert _may(managed, "patch", "nodes") == (managed.mode == NODE_ADDRESS)


@only_node_address
def test_a_node_says_fairleads_address_and_a_port_of_its_own(managed):
    for node in managed.nodes:
        found = managed.kubectl.get("node", node)
        addresses = {row["type"]: row["address"] for row in found["status"]["addresses"]}
        assert addresses == {"InternalIP": managed.inside_address, "Hostname": node}
        assert found["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] == managed.kubelet_port(node)
        assert not found["spec"].get("taints")


@only_node_address
def test_an_address_that_somebody_has_changed_is_written_again(managed, kube):
    node = managed.nodes[0]
    wrong = [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": node}]
    _set_addresses(managed, node, wrong)
    kube.until(lambda found: found["status"]["addresses"][0]["address"] == managed.inside_address, 20, "node", node)
    assert _problems(managed) == []


def _set_addresses(managed, node, addresses):
    managed.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", json.dumps({"status": {"addresses": addresses}}))


@only_egress
def test_a_pod_on_the_hosts_network_is_reached_at_its_nodes_address(managed, kube):
    pod = managed.pods.serve("at-the-host", "nginx", 8080, node=1, host_network=True)
    assert pod.ip == managed.settings.address(managed.nodes[1])
    at = f"/api/v1/namespaces/{managed.pods.namespace}"
    assert kube("get", "--raw", f"{at}/pods/at-the-host:8080/proxy/") == "hello from nginx\n"
    assert kube("get", "--raw", f"{at}/services/at-the-host:8080/proxy/") == "hello from nginx\n"
    assert kube("get", "--raw", f"/api/v1/nodes/{managed.nodes[1]}/proxy/healthz") == "ok"


@only_egress
def test_an_address_that_two_edges_have_is_refused_and_the_name_decides(managed, kube):
    """Until the second kubelet sets its own back."""
    doors, (first, second) = Doors(managed), managed.nodes[:2]
    address = managed.settings.address(first)
    rows = managed.kubectl.get("node", second)["status"]["addresses"]
    try:
        _set_addresses(managed, second, [{"type": "InternalIP", "address": address}, *(row for row in rows if row["type"] != "InternalIP")])
        status, sentence = netlab.until(lambda: (said := doors.ask(f"{address}:10250"))[0] != 200 and said, 5, "a refusal")
        assert status == 502 and first in sentence and second in sentence, sentence
        assert doors.ask(f"{first}:10250")[0] == doors.ask(f"{second}:10250")[0] == 200
        for node in (first, second):
            assert doors.get(node, "/healthz") == b"ok"
    finally:
        _set_addresses(managed, second, rows)
    netlab.until(lambda: doors.ask(f"{address}:10250")[0] == 200, 20, "the address leads to one edge again")


@only_egress
def test_without_its_rights_fairlead_says_so_and_guesses_nothing(managed, kube):
    doors, (node, *_), binding = Doors(managed), managed.nodes, managed.kubectl.get("clusterrolebinding", "fairlead")
    address = managed.settings.address(node)
    with _without(managed, binding):
        managed.restart_cloud()
        managed.site.wait_connected(node)
        said = netlab.until(lambda: [text for text in _problems(managed) if "pods" in text], 10, "a problem in the status")
        assert "forbidden" in said[0], said
        assert managed.site.cloud.metric("fairlead_kube_watch_failing") > 0
        status, sentence = doors.ask(f"{address}:10250")
        assert status == 503 and "not known yet" in sentence, sentence
        assert doors.ask(f"{node}:10250")[0] == 200
    netlab.until(lambda: doors.ask(f"{address}:10250")[0] == 200, 60, "all as before")
    assert _problems(managed) == []


@contextlib.contextmanager
def _without(managed, found):
    managed.kubectl("delete", "clusterrolebinding", found["metadata"]["name"])
    try:
        yield
    finally:
        found["metadata"] = {"name": found["metadata"]["name"]}
        managed.kubectl.apply(found)
