"""The cluster is a real one: nodes, pods, Services, names."""
import http.server
import threading

import pytest

from kubelab import network


def test_all_nodes_are_ready_and_have_a_pod(cluster, pods, figures):
    found = {node["metadata"]["name"]: node for node in cluster.kubectl.get("nodes")["items"]}
    assert set(cluster.nodes) <= set(found)
    for number, name in enumerate(cluster.nodes):
        ready = {row["type"]: row["status"] for row in found[name]["status"]["conditions"]}["Ready"]
        pod = pods.run(f"web-{number}", "nginx", node=number, port=8080)
        assert (ready, pod.node) == ("True", name)
        assert "hello from nginx" in pods.fetch(f"http://{pod.ip}:8080/", node=number)
    version = found[cluster.nodes[0]]["status"]["nodeInfo"]
    figures.append(f"{len(cluster.nodes)} nodes Ready: {version['kubeletVersion']}, {version['containerRuntimeVersion']}")


def test_the_lab_has_no_other_nodes_than_its_edges(lab):
    assert [node["metadata"]["name"] for node in lab.kubectl.get("nodes")["items"]] == list(lab.settings.edges)


@pytest.mark.parametrize("node", [0, -1], ids=["first", "last"])
def test_a_service_answers_a_pod_by_address_and_by_name(pods, node):
    pods.serve("web", "nginx", 8080, node=node)
    hosts = [pods.cluster_ip("web"), "web", f"web.{pods.namespace}", f"web.{pods.namespace}.svc.cluster.local"]
    said = pods.shell(f"for host in {' '.join(hosts)}; do timeout 20 wget -q -O- http://$host:8080/; done", node=node)
    assert said.splitlines() == ["hello from nginx"] * len(hosts)


def test_a_pod_reaches_itself_through_its_service(pods):
    pods.serve("web", "busybox", 8080, command=["httpd", "-f", "-p", "8080", "-h", "/www"])
    pods.run("both", "busybox", port=8080, command=["sh", "-c", "httpd -p 8080 -h /www; exec sleep 1000"])
    script = "httpd -p 8081 -h /www; timeout 20 wget -q -O- http://web:8080/ && timeout 20 wget -q -O- http://127.0.0.1:8081/"
    assert pods.shell(script) == "hello from busybox\nhello from busybox"


def test_names_that_are_not_there_are_known_not_to_be(pods):
    assert "NXDOMAIN" in pods.shell(f"nslookup nobody.{pods.namespace}.svc.cluster.local; true")


def test_the_api_server_answers_a_pod_by_name(pods):
    """401: it is there, speaks TLS under this name, and asks who this is."""
    said = pods.shell("timeout 20 wget -q -O- --no-check-certificate https://kubernetes.default.svc/readyz; true")
    assert "401 Unauthorized" in said


def test_pods_have_addresses_of_their_nodes_range(lab, pods):
    for number, edge in enumerate(lab.settings.edges):
        pod = pods.run(f"pod-{number}", "busybox", node=number, command=["sleep", "1000"])
        assert pod.ip.startswith(lab.settings.pods(edge).removesuffix("0/24"))


def test_a_service_in_the_cloud_answers_pods_and_both_clouds(lab, pods, request):
    """An HTTP server on cloud2, behind a Service: from an edge's pod, from an edge, from the cloud, from cloud2 itself."""
    with network.network(lab.settings, "cloud2").entered():
        server = http.server.ThreadingHTTPServer((lab.settings.address("cloud2"), 8000), http.server.SimpleHTTPRequestHandler)
    request.addfinalizer(server.server_close)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    request.addfinalizer(server.shutdown)
    pods.serve_from("far", lab.settings.address("cloud2"), 8000)
    url = f"http://far.{pods.namespace}.svc.cluster.local:8000/"
    assert "Directory listing" in pods.fetch(url)
    for machine in ("cloud", "cloud2"):
        assert "Directory listing" in lab.inside(machine, "curl", "-sS", "--noproxy", "*", "--max-time", "20", url).stdout
    by_address = f"http://{pods.cluster_ip('far')}:8000/"
    assert "Directory listing" in lab.inside(lab.nodes[0], "curl", "-sS", "--noproxy", "*", "--max-time", "20", by_address).stdout


def test_status_names_all_that_runs(lab):
    said = lab.command("status").stdout
    for machine in lab.settings.machines:
        assert f"{machine} " in said
    assert " down " not in said and "firewall drop" in said
