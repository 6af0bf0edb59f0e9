"""The problem that Fairlead solves, reproduced: an edge behind NAT is a node that works, and that nobody can look into."""
from concurrent.futures import ThreadPoolExecutor

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
    def refusal(words):
        with pytest.raises(Refused) as refused:
            lab.kubectl("-n", pods.namespace, *words, timeout=90)
        return refused.value.text

    asked = (["logs", "talker"], ["exec", "talker", "--", "hostname"])
    with ThreadPoolExecutor() as at_once:
        for words, said in zip(asked, at_once.map(refusal, asked)):
            assert f"dial tcp {lab.settings.address(talker.node)}:10250: i/o timeout" in said
            figures.append(f"without Fairlead, kubectl {words[0]}: {said}")


def test_a_firewall_that_refuses_is_said_at_once(lab, pods, talker, open_again):
    lab.firewall("reject")
    clock = netlab.Clock()
    with pytest.raises(Refused, match=r":10250: connect: connection refused"):
        lab.kubectl("-n", pods.namespace, "logs", "talker")
    assert clock.seconds < 10


def test_it_is_nothing_but_the_firewall(lab, pods, talker, open_again):
    lab.firewall("off")
    assert lab.kubectl("-n", pods.namespace, "logs", "talker") == "here I am\n"
    assert lab.kubectl("-n", pods.namespace, "exec", "talker", "--", "hostname") == "talker\n"
    assert lab.kubectl("-n", pods.namespace, "exec", "-i", "talker", "--", "cat", stdin="through and back") == "through and back"


def test_the_cloud_reaches_neither_node_nor_pod(lab, talker):
    for host, port in ((lab.settings.address(talker.node), 10250), (talker.ip, 8080)):
        curl = ["curl", "-sS", "--noproxy", "*", "--connect-timeout", "1", f"http://{host}:{port}/"]
        said = lab.command("netns", "cloud", *curl, check=False)
        assert said.returncode in (7, 28), said  # no way there; no answer
