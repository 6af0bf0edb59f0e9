"""SIGHUP and what else a running component takes up; the exit status that each command ends with."""
import json
import signal
import socket

import netlab

from ways import NODE, Greeter, way_of


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def one_flow(way):
    client, target = way.pair()
    client.sendall(b"12345")
    assert target.recv(100) == b"12345"
    for end in (client, target):
        end.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b"" and target.recv(1) == b""
    client.close()
    target.close()


def test_sighup_opens_the_access_log_anew(site):
    log = site.cloud.folder / "access.log"
    site.cloud.configure(f"accessLog: {log}\n")
    site.start_cloud()
    site.start_edge(NODE)
    way = way_of(site, "cloud-to-edge")
    one_flow(way)
    netlab.until(lambda: rows(log), 5, "a line in the access log")

    rotated = log.rename(log.with_suffix(".1"))
    before = len(rows(rotated))
    site.cloud.process.signal(signal.SIGHUP)
    netlab.until(log.exists, 5, "a new access log")
    one_flow(way)
    netlab.until(lambda: rows(log), 5, "a line in the new access log")
    assert rows(log)[-1]["bytes_in"] == 5
    assert len(rows(rotated)) == before


def test_a_broken_configuration_at_sighup_is_reported_and_changes_nothing(to_edge):
    cloud = to_edge.site.cloud
    cloud.configure("drain: 2s\nloopz: 2\n")
    cloud.process.signal(signal.SIGHUP)
    cloud.process.wait_for_log("config.yaml:2", 5)
    one_flow(to_edge)


def test_egress_allow_of_an_edge_changes_with_sighup(to_edge):
    Greeter(to_edge.service.host, to_edge.port, b"reached")
    assert to_edge.greeting() == b"reached"
    edge = to_edge.site.edges[NODE]
    edge.configure("egress: {allow: [192.0.2.0/24]}\n")
    edge.process.signal(signal.SIGHUP)
    netlab.until(lambda: to_edge.greeting() == b"", 5, "the target refused")
    edge.configure("")
    edge.process.signal(signal.SIGHUP)
    netlab.until(lambda: to_edge.greeting() == b"reached", 5, "the target reached again")


def test_a_second_signal_ends_at_once(site):
    site.cloud.configure("drain: 1m\n")
    site.start_cloud()
    site.start_edge(NODE)
    _client, _target = way_of(site, "cloud-to-edge").pair()
    process = site.cloud.process
    process.signal(signal.SIGTERM)
    process.wait_for_log("drains", 5)
    process.signal(signal.SIGINT)
    assert process.wait(3) == 0


def test_a_renewed_certificate_is_shown_to_the_next_edge_and_sessions_stay(linked):
    """The edge reaches the cloud by another name after the certificate got it."""
    cloud, edge = linked.cloud, linked.edges[NODE]
    since = linked.nodes()[NODE]["since"]
    linked.fairlead("cert", "renew", "--dir", cloud.folder, "--name", linked.lab.cloud.address, "--name", "cloud.example")
    cloud.process.wait_for_log("took up changed certificates", 5)
    assert linked.nodes()[NODE]["since"] == since
    assert "cloud.example" in linked.fairlead("cert", "show", "--dir", cloud.folder).stdout

    edge.process.signal(signal.SIGTERM)
    assert edge.process.wait(5) == 0
    linked.start_edge(NODE)


def test_revoke_ends_a_session_within_two_seconds(linked):
    linked.fairlead("cert", "revoke", "--dir", linked.cloud.folder, "--node", NODE, "--comment", "left on a train")
    linked.wait_gone(NODE, 2)
    assert f"node {NODE}" in (linked.cloud.folder / "revoked").read_text()


def test_exit_status_tells_what_kind_of_failure_it_was(site):
    def status(*words):
        return site.fairlead(*words, check=False).returncode

    folder = site.cloud.folder
    assert status("help") == 0
    assert status("version", "-o", "json") == 0
    assert status("init", "--dir", folder) == 1                      # it is there
    assert status("cert", "show", site.lab.folder / "nowhere") == 1
    assert status("statsu") == 2
    assert status("cloud", "--dir", site.lab.folder / "nowhere") == 2
    assert status("edge", "--dir", site.edges[NODE].folder) == 2      # which cloud?
    assert status("status", "--dir", folder) == 3                     # nothing runs there
    text = site.fairlead("help", "exit-codes").stdout
    for number in range(4):
        assert f"\n  {number}  " in text


def test_a_port_that_is_taken_is_named(site):
    site.start_cloud()
    other = site.lab.folder / "other"
    site.fairlead("init", "--dir", other, "--name", "127.0.0.1")
    (other / "config.yaml").write_text(f"admin: {{listen: 127.0.0.1:{site.lab.port(19443)}}}\n")
    with site.cloud.host.listen(site.lab.port(19443), "127.0.0.1"):
        address = f"127.0.0.1:{site.lab.port(18444)}"
        result = site.fairlead("cloud", "--dir", other, "--listen", address, check=False)
    assert result.returncode == 2
    assert str(site.lab.port(19443)) in result.stderr + result.stdout
