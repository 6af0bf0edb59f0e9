"""Where UDP does not get through: the link goes over TCP, by a proxy if need be, and back to QUIC; no flow is cut."""
import threading
import time

import pytest

import netlab
from netlab.connect_proxy import ConnectProxy
from netlab.lab import NAT_LAN
from netlab.site import LINK_PORT
from ways import NODE, Greeter, Stream, way_of

ANSWER_SECONDS = 3  # until a new connection is answered
BACK_SECONDS = 15  # until new flows take QUIC again
LINK = "rtt=50ms rate=100M queue=400"


@pytest.fixture
def lab(lab):
    if not lab.namespaced:
        pytest.skip(lab.note)
    netlab.link.replace(lab, "edge", LINK)
    return lab


def transport(site):
    return site.nodes().get(NODE, {}).get("transport")


def carriers(component, transport):
    lines = component.admin("/metrics")[1].splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f'fairlead_carriers{{transport="{transport}"'))


class Asking(threading.Thread):
    """A new connection each 50 ms, whether or not the ones before were answered."""

    def __init__(self, way, text):
        super().__init__(daemon=True)
        self._way, self._text, self._over, self._answered = way, text, threading.Event(), []

    def run(self):
        while not self._over.wait(0.05):
            threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self):
        asked = time.monotonic()
        try:
            with self._way.connect(timeout=BACK_SECONDS) as client:
                if client.recv(100) == self._text:
                    self._answered.append((asked, time.monotonic()))
        except OSError:
            pass  # the next one asks again

    def wait_answer(self, since, seconds):
        """Until `seconds` after `since`, for an answer to what was asked since then."""
        def answered():
            return any(asked >= since and done < since + seconds for asked, done in list(self._answered))
        netlab.until(answered, since + seconds - time.monotonic(), "an answer")

    def end(self):
        self._over.set()
        self.join()


def wait_on_quic(site):
    netlab.until(lambda: transport(site) == "quic", BACK_SECONDS, "new flows on QUIC again")


def test_udp_is_blocked_from_the_start_and_let_through_later(lab, site):
    site.start_cloud()
    lab.block(LINK_PORT)
    edge = site.edges[NODE]
    started = site.start_edge(NODE, connected=False).started
    way = way_of(site, "cloud-to-edge")
    Greeter(lab.edge, way.port, b"hello")
    asking = Asking(way, b"hello")
    asking.start()
    asking.wait_answer(started, ANSWER_SECONDS)
    asking.end()
    assert transport(site) == "h2"
    assert "h2" in site.fairlead("status", "--dir", edge.folder).stdout
    for side in (site.cloud, edge):
        assert (carriers(side, "h2"), carriers(side, "quic")) == (1, 0)
        assert side.metric("fairlead_fallbacks_total") == 1

    over_tcp = Stream(way_of(site, "edge-to-cloud"))
    over_tcp.wait_moving()
    lab.unblock()
    wait_on_quic(site)
    over_tcp.wait_moving()
    assert way.greeting() == b"hello"
    assert (carriers(edge, "quic"), carriers(edge, "h2")) == (1, 1), "the download goes on where it began"
    over_tcp.end()
    netlab.until(lambda: carriers(edge, "h2") == 0, 10, "the carrier over TCP ends with its last flow")
    assert way.greeting() == b"hello"


def test_udp_is_blocked_in_mid_download_and_let_through_again(to_edge):
    site, lab = to_edge.site, to_edge.site.lab
    assert transport(site) == "quic"
    over_quic = Stream(to_edge, patience=60)
    over_quic.wait_moving()
    Greeter(lab.edge, to_edge.port, b"hello")
    asking = Asking(to_edge, b"hello")
    asking.start()
    lab.block(LINK_PORT)
    blocked = time.monotonic()
    asking.wait_answer(blocked, ANSWER_SECONDS)
    asking.end()
    assert transport(site) == "h2"
    over_tcp = Stream(way_of(site, "edge-to-cloud"))
    over_tcp.wait_moving()

    lab.unblock()
    wait_on_quic(site)
    assert to_edge.greeting() == b"hello"
    over_tcp.wait_moving()
    over_quic.wait_moving(BACK_SECONDS)
    over_tcp.end()
    over_quic.end()


def only_by_proxy(lab, credentials=None):
    """A network of which only a proxy leads out."""
    lab.block(LINK_PORT)
    lab.block(LINK_PORT, "tcp")
    return ConnectProxy(lab.hosts["nat"], NAT_LAN, credentials=credentials)


def greets(site):
    way = way_of(site, "cloud-to-edge")
    Greeter(site.lab.edge, way.port, b"hello")
    return way.greeting() == b"hello"


def test_a_proxy_of_the_environment_leads_to_the_cloud(lab, site):
    proxy = only_by_proxy(lab)
    site.start_cloud()
    site.start_edge(NODE, env={"HTTPS_PROXY": proxy.url, "NO_PROXY": "", "no_proxy": ""})
    assert proxy.asked == [site.link_address]
    assert transport(site) == "h2"
    assert greets(site)


def test_a_proxy_gets_the_password_of_the_configuration_and_nobody_else_does(lab, site):
    proxy = only_by_proxy(lab, "ann:s3cret@x")
    edge = site.edges[NODE]
    site.start_cloud()
    edge.configure(f"link: {{proxy: \"{proxy.url.replace('//', '//ann:wrong@')}\"}}\n")
    site.start_edge(NODE, connected=False)
    edge.process.wait_for_log("wants another user and password (407)", 10)
    assert "407" in site.fairlead("status", "--dir", edge.folder, "-o", "json").stdout
    edge.process.stop()

    edge.configure(f"link: {{proxy: \"{proxy.url.replace('//', '//ann:s3cret%40x@')}\"}}\n")
    site.start_edge(NODE)
    assert greets(site)
    assert "s3cret" not in edge.process.log_text() and "wrong" not in edge.process.log_text()
