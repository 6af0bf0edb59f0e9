"""The problem that Fairlead solves, reproduced: an edge behind NAT is a node that works, and that nobody can look into."""
import netlab
import pytest

from watched import Refused


@pytest.fixture
def open_again(lab):
    """The firewall as it was, whatever the test does to it."""
    yield
    lab.firewall("drop")


@pytest.fixture
def talker(pods):
    return pods.run("talker", "busybox", command=["sh", "-c", "echo here I am; exec httpd -f -p 8080 -h /www"], port=8080)


def test_without_fairlead_logs_and_exec_time_out(lab, pods, talker, figures):
    address = lab.settings.address(talker.node)
    for words in (["logs", "talker"], ["exec", "talker", "--", "hostname"]):
        with pytest.raises(Refused) as refused:
            lab.kubectl(*words, "-n", pods.namespace, timeout=90)
        assert f"dial tcp {address}:10250: i/o timeout" in refused.value.text
        figures.append(f"without Fairlead, kubectl {words[0]}: {refused.value.text}")


def test_a_firewall_that_refuses_is_said_at_once(lab, pods, talker, open_again):
    lab.firewall("reject")
    clock = netlab.Clock()
    with pytest.raises(Refused, match=r":10250: connect: connection refused"):
        lab.kubectl("logs", "talker", "-n", pods.namespace)
    assert clock.seconds < 10


def test_it_is_nothing_but_the_firewall(lab, pods, talker, open_again):
    lab.firewall("off")
    assert lab.kubectl("logs", "talker", "-n", pods.namespace) == "here I am\n"
    assert lab.kubectl("exec", "talker", "-n", pods.namespace, "--", "hostname") == "talker\n"
    assert lab.kubectl("exec", "-i", "talker", "-n", pods.namespace, "--", "cat", stdin="through and back") == "through and back"
    lab.firewall("drop")
    with pytest.raises(Refused, match="i/o timeout"):  # not by a connection that was left open
        lab.kubectl("logs", "talker", "-n", pods.namespace, timeout=90)


def test_the_cloud_reaches_neither_node_nor_pod(lab, talker):
    for host, port in ((lab.settings.address(talker.node), 10250), (talker.ip, 8080)):
        said = lab.command("netns", "cloud", "curl", "-sS", "--noproxy", "*", "--connect-timeout", "1", f"http://{host}:{port}/", check=False)
        assert said.returncode and "time" in said.stderr.lower()
