"""What people and machines are told."""
import json
import re

import netlab

from ways import NODE


def test_status_tells_of_each_node(to_edge):
    client, target = to_edge.pair()
    client.sendall(bytes(100_000))
    received = 0
    while received < 100_000:
        received += len(target.recv(1 << 16))

    site = to_edge.site
    netlab.until(lambda: site.nodes()[NODE]["bytes_out"] >= 100_000, 5, "bytes counted")
    node = site.nodes()[NODE]
    assert set(node) >= {"name", "connected", "since", "address", "rtt_ms", "loss", "bytes_in", "bytes_out", "flows"}
    assert node["connected"] is True
    assert node["flows"] == 1
    assert 0 < node["rtt_ms"] < 1000
    assert 0 <= node["loss"] <= 1
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", node["since"])
    if site.lab.namespaced:
        assert node["address"].startswith(site.lab.hosts["nat"].address + ":")


def test_status_for_people_has_the_same_nodes(linked):
    text = linked.fairlead("status", "--dir", linked.cloud.folder).stdout
    assert re.search(rf"^{NODE}\s", text, re.M), text


def test_status_of_a_cloud_that_is_not_running_says_so(site):
    result = site.fairlead("status", "--dir", site.cloud.folder, check=False)
    assert result.returncode > 0
    assert "running" in result.stderr, result.stderr


def test_metrics_are_prometheus_text(to_edge):
    client, target = to_edge.pair()
    client.sendall(b"x")
    assert target.recv(1) == b"x"
    for component in (to_edge.site.cloud, to_edge.site.edges[NODE]):
        status, text = component.admin("/metrics")
        assert status == 200
        names = set(re.findall(r"^# TYPE (fairlead_\w+) (?:counter|gauge|histogram)$", text, re.M))
        assert names, text[:1000]
        for line in text.splitlines():
            assert line.startswith("#") or re.fullmatch(r'fairlead_\w+(\{[^}]*\})? [-+0-9.eEInfNa]+', line), line
        assert component.metric("fairlead_flows_open") == 1
    assert to_edge.site.cloud.metric("fairlead_tcp_connections") == 1
    assert to_edge.site.cloud.metric("fairlead_sessions") == 1


def test_health_and_readiness(linked):
    for component in (linked.cloud, linked.edges[NODE]):
        assert component.admin("/healthz")[0] == 200
        assert component.admin("/readyz")[0] == 200


def test_an_edge_without_a_cloud_is_alive_but_not_ready(site):
    edge = site.edges[NODE]
    site.start_edge(NODE, connected=False)
    netlab.until(lambda: edge.admin("/healthz")[0] == 200, 10, "a healthy edge")
    assert edge.admin("/readyz")[0] == 503
    site.start_cloud()
    netlab.until(lambda: edge.admin("/readyz")[0] == 200, 10, "a ready edge")


def test_each_flow_is_one_line_of_json_in_the_access_log(to_edge):
    site = to_edge.site
    client, target = to_edge.pair()
    client.sendall(b"12345")
    assert target.recv(5) == b"12345"
    target.sendall(b"123")
    assert client.recv(3) == b"123"
    client.close()
    assert target.recv(1) == b""
    target.close()

    def entries():
        lines = [json.loads(line) for line in site.cloud.process.log_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("node") == NODE and line.get("bytes_in") == 5 and line.get("bytes_out") == 3]

    netlab.until(entries, 5, f"an access-log line of the flow in {site.cloud.process.log}")
    assert len(entries()) == 1


def test_version(site):
    assert re.match(r"fairlead \d+\.\d+\.\d+", site.fairlead("version").stdout)
