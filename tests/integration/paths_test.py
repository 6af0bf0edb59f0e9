"""Addresses and interfaces that change under an edge while a download runs: the next request is quick, and nothing is cut."""
import hashlib
import json
import threading
import time

import pytest

import netlab
from netlab import http_client, http_rules, origin
from ways import NODE

SIZE = 24 << 20
SOON = 0.3  # seconds; the round trip is 50 ms
FARTHER = 0.5  # by another way, whose round trip is 80 ms
SILENT = 1.5  # where nobody tells: it is the silence that is noticed
LINK = "rtt=50ms rate=100M queue=400"


class Download:
    """A GET of SIZE bytes, and whether they were the right ones."""

    def __init__(self, entrance, url):
        self._client = http_client.Client(entrance, 18080, timeout=60)
        self.received, self._digest, self.failure = 0, hashlib.sha256(), None
        self._thread = threading.Thread(target=self._run, args=(url,), daemon=True)
        self._thread.start()
        netlab.until(lambda: self.received > SIZE / 8 or self.failure, 20, "the download runs")

    def _run(self, url):
        try:
            self._client.begin("GET", url)
            answer = self._client.head()
            while piece := self._client.piece(answer):
                self.received += len(piece)
                self._digest.update(piece)
        except Exception as error:  # told by finish()
            self.failure = error

    def finish(self, seconds=60):
        self._thread.join(seconds)
        assert not self._thread.is_alive() and self.failure is None, (self.received, self.failure)
        assert self._digest.hexdigest() == origin.sha256_of(SIZE)

    @property
    def running(self):
        return self._thread.is_alive()


class Path:
    """A cloud and an edge with a service; users of the service are in the cloud."""

    def __init__(self, site):
        self.site, self.cloud, self.edge = site, site.cloud, site.edges[NODE]
        origin.serve(self.edge.host, 8080)
        self.cloud.rules("web", http_rules.text(http_rules.gateway("web", http_rules.listener(18080)), http_rules.backend("web", NODE, 8080),
                                                http_rules.route("web", http_rules.rule("web"))))
        self.cloud.host.wait_listening(18080)
        self.get()

    def get(self):
        """Seconds that a small GET takes, on a connection of its own."""
        begun = time.monotonic()
        with http_client.Client(self.cloud.host, 18080) as client:
            assert client.get("/").status == 200
        return time.monotonic() - begun

    def download(self):
        return Download(self.cloud.host, f"/bytes/{SIZE}")

    def status(self):
        return json.loads(self.edge.admin("/v1/status")[1])["cloud"]

    def in_use(self):
        return [uplink["device"] for uplink in self.status()["uplinks"] if uplink["in_use"]]

    def seen(self):
        return self.site.nodes()[NODE]["address"]

    def assert_one_session(self):
        assert self.cloud.metric("fairlead_sessions_accepted_total") == 1


@pytest.fixture
def path(site):
    if not site.lab.namespaced:
        pytest.skip(site.lab.note)
    link = netlab.link.replace(site.lab, "edge", LINK)  # first: a session that has known a shorter way takes 10 s to forget it
    site.start_cloud()
    site.start_edge(NODE)
    path = Path(site)
    path.link = link
    return path


def test_a_new_address_in_mid_download(path):
    download = path.download()
    path.link.new_address()
    took = path.get()
    assert download.running and took < SOON, took
    download.finish()
    assert sum(path.status()["moves"].values()) >= 1, path.status()
    path.assert_one_session()


def test_a_nat_that_forgets_in_mid_download(path):
    before = path.seen()
    download = path.download()
    path.link.rebind()
    took = path.get()
    assert download.running and took < SOON, took
    download.finish()
    assert path.seen() != before
    path.assert_one_session()


def test_the_cloud_learns_of_a_new_address_while_nothing_is_said(path):
    path.get()
    time.sleep(0.5)  # nothing is under way any more
    address = path.link.new_address()
    netlab.until(lambda: path.status()["local"] == address, 1, "the edge has moved")
    time.sleep(0.1)
    took = path.get()
    assert took < SOON, took


@pytest.fixture
def two(request, site):
    """An edge with two uplinks. With a parameter: they are links, the first the nearer one."""
    if not site.lab.namespaced:
        pytest.skip(site.lab.note)
    first, second = netlab.uplink.first(site.lab), netlab.uplink.add(site.lab)
    links = (first.link(LINK), second.link("rtt=80ms rate=50M")) if hasattr(request, "param") else ()
    site.edges[NODE].configure("link: {uplinks: [lan, wwan0], probeUplinks: 2s}\n")
    site.start_cloud()
    site.start_edge(NODE)
    path = Path(site)
    path.first, path.second, path.links = first, second, links
    netlab.until(lambda: all(uplink["alive"] for uplink in path.status()["uplinks"]), 10, "both are alive")
    return path


NEAR_AND_FAR = pytest.mark.parametrize("two", ["near-and-far"], indirect=True)


@NEAR_AND_FAR
def test_of_two_uplinks_one_is_taken_down_in_mid_download(two):
    assert two.in_use() == ["lan"]  # the nearer one
    download = two.download()
    two.first.set_up(False)
    took = two.get()
    assert download.running and took < FARTHER, took
    assert two.in_use() == ["wwan0"] and two.status()["moves"] == {"down": 1}
    download.finish()
    two.assert_one_session()


def test_of_two_uplinks_one_loses_its_carrier(two):
    [used] = two.in_use()
    (two.first if used == "lan" else two.second).set_carrier(False)
    assert two.get() < SILENT  # the kernel tells of a carrier once a second at most
    assert two.in_use() != [used]
    two.assert_one_session()


@NEAR_AND_FAR
def test_of_two_uplinks_one_falls_silent_in_mid_download(two):
    assert two.in_use() == ["lan"]
    download = two.download()
    two.links[0].down()
    took = two.get()
    assert download.running and took < SILENT, took
    assert two.in_use() == ["wwan0"]
    download.finish()
    assert two.cloud.metric("fairlead_sessions") == 1
    assert two.edge.metric("fairlead_edge_moves_total") >= 1
    two.assert_one_session()
