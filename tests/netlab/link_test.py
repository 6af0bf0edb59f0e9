"""The emulated link does to packets what it was asked to, and nothing else."""
import contextlib
import hashlib
import json
import os
import socket
import struct
import threading

import pytest

import netlab

PORT = 9000
UDP_SEGMENT = 103  # linux/udp.h
NUMBERED = struct.Struct("!I")


class Ends:
    """A datagram socket on the edge and one in the cloud, which knows where the edge's last datagram came from."""

    def __init__(self, lab, link):
        self.lab, self.link = lab, link
        with lab.edge.entered():
            self.edge = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with lab.cloud.entered():
            self.cloud = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.cloud.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.cloud.bind((lab.cloud.address, PORT))
        self.edge.settimeout(2)
        self.to_cloud = (lab.cloud.address, PORT)
        self.seen_from = None

    def ask(self, payload=b"there?", patience=2):
        """Seconds that a datagram and its answer took; None if there was no answer."""
        clock = netlab.Clock()
        self.edge.sendto(payload, self.to_cloud)
        self.cloud.settimeout(patience)
        try:
            _, self.seen_from = self.cloud.recvfrom(2048)
            self.cloud.sendto(b"yes", self.seen_from)
            self.edge.recv(100)
        except TimeoutError:
            return None
        return clock.seconds

    def send_numbered(self, count, size=100):
        """Numbers of the datagrams that arrived, in the order in which they did."""
        before = self.link.counters()["out"]
        arrived = []

        def receive():
            with contextlib.suppress(TimeoutError):
                while True:
                    arrived.append(NUMBERED.unpack_from(self.cloud.recv(2048))[0])

        self.cloud.settimeout(0.5)
        receiver = threading.Thread(target=receive)
        receiver.start()
        for number in range(count):
            self.edge.sendto(NUMBERED.pack(number) + bytes(size - 4), self.to_cloud)
            if number % 50 == 49:  # no faster than it is carried: what is lost is lost by the link, not by a full socket
                netlab.until(lambda: self.link.counters()["out"]["sent"] - before["sent"] > number, 5, "datagrams carried")
        receiver.join()
        return arrived


@pytest.fixture
def ends(tmp_path):
    with netlab.behind_nat(tmp_path / "logs") as lab:
        if not lab.namespaced:
            pytest.skip(lab.note)
        ends = Ends(lab, netlab.link.replace(lab, "edge"))
        ends.ask()  # from here on both ends know each other
        yield ends


def test_a_perfect_link_changes_nothing(ends):
    assert ends.send_numbered(500) == list(range(500))
    assert ends.ask() < 0.02


def test_half_of_the_round_trip_is_added_each_way(ends):
    ends.link.say("rtt=60ms")
    fastest = min(ends.ask() for _ in range(5))
    assert 0.06 <= fastest < 0.068
    ends.link.say("rtt=0ms out.rtt=40ms")
    assert 0.02 <= min(ends.ask() for _ in range(5)) < 0.028


def test_jitter_varies_the_delay_and_keeps_the_order(ends):
    ends.link.say("rtt=10ms jitter=20ms")
    taken = [ends.ask() for _ in range(20)]
    assert min(taken) >= 0.01 and max(taken) - min(taken) > 0.005 and max(taken) < 0.1
    assert ends.send_numbered(300) == list(range(300))


def test_the_share_that_is_lost_is_what_was_asked_for(ends):
    ends.link.say("out.loss=0.2")
    arrived = ends.send_numbered(3000)
    out = ends.link.counters()["out"]
    assert 0.17 < out["lost"] / out["sent"] < 0.23  # four standard deviations
    assert len(arrived) == 3000 - out["lost"] and arrived == sorted(arrived)


def test_lost_in_bursts(ends):
    ends.link.say("burst.enter=0.01 burst.leave=0.1")
    arrived = ends.send_numbered(3000)
    gaps = [after - before - 1 for before, after in zip(arrived, arrived[1:]) if after - before > 1]
    assert sum(gaps) / len(gaps) > 4, f"bursts of {gaps}"  # 10 on average; independent losses of this share: 1.1


def test_reordered_and_duplicated(ends):
    ends.link.say("reorder=0.05 duplicate=0.05")
    arrived = ends.send_numbered(1000)
    out = ends.link.counters()["out"]
    assert 20 < out["reordered"] < 90 and 20 < out["duplicated"] < 90
    assert len(arrived) == 1000 + out["duplicated"] and set(arrived) == set(range(1000))
    assert arrived != sorted(arrived)


def test_rate_and_queue_bound_what_gets_through(ends):
    ends.link.say("rate=8M queue=20")
    clock = netlab.Clock()
    arrived = ends.send_numbered(2000, size=1000)
    seconds = clock.seconds - 0.5  # how long the receiver waits for more
    out = ends.link.counters()["out"]
    assert out["queue_full"] > 0 and out["longest_queue"] == 21 and len(arrived) == 2000 - out["queue_full"]
    assert len(arrived) * 1028 * 8 / seconds < 8.5e6
    ends.link.say("queue=1000")
    assert ends.send_numbered(50, size=1000) == list(range(50))


def test_larger_packets_than_the_mtu_are_dropped_without_a_word(ends):
    ends.link.say("mtu=1228")
    assert ends.ask(bytes(1200)) is not None
    assert ends.ask(bytes(1201), patience=0.3) is None
    assert ends.link.counters()["out"]["too_large"] == 1


def test_down_and_up(ends):
    assert ends.ask() is not None
    ends.link.down()
    assert ends.ask(patience=0.3) is None
    ends.link.up()
    assert ends.ask() is not None


def test_a_rebind_gives_another_port_and_the_old_one_leads_nowhere(ends):
    ends.ask()
    before = ends.seen_from
    ends.link.rebind()
    ends.cloud.sendto(b"to the old port", before)
    assert ends.ask() is not None  # the answer to this one, not what went to the old port
    assert ends.seen_from[0] == before[0] and ends.seen_from[1] != before[1]


def test_a_new_address_takes_the_place_of_the_old_one(ends):
    ends.ask()
    before = ends.seen_from
    with ends.lab.edge.entered():
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((ends.lab.edge.address, 0))
    new = ends.link.new_address()
    assert new != ends.lab.edge.address and [str(address.ip) for address in ends.link.addresses()] == [new]
    assert ends.ask() is not None and ends.seen_from != before
    with contextlib.suppress(OSError):
        bound.sendto(b"from the old address", ends.to_cloud)
    ends.cloud.settimeout(0.3)
    with pytest.raises(TimeoutError):
        ends.cloud.recv(100)
    assert ends.link.new_address() != new and ends.ask() is not None


def test_each_segment_that_a_kernel_sends_at_once_is_a_packet_of_its_own(ends):
    before = ends.link.counters()["out"]["sent"]
    ends.edge.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
    ends.edge.sendto(bytes(10_000), ends.to_cloud)
    ends.cloud.settimeout(2)
    assert [len(ends.cloud.recv(65536)) for _ in range(10)] == [1000] * 10
    assert ends.link.counters()["out"]["sent"] - before == 10


@pytest.mark.parametrize("words", ["", "rtt=10ms loss=0.01", "rate=200M rtt=20ms queue=200"])
def test_tcp_gets_whole_through_it_both_ways(ends, words):
    payload = os.urandom(1 << 20) * 4
    ends.link.say(words)
    for sender, receiver in ((ends.lab.edge, ends.lab.cloud), (ends.lab.cloud, ends.lab.edge)):
        listener = ends.lab.cloud.listen(0, ends.lab.cloud.address)
        dialled = ends.lab.edge.connect(listener.getsockname()[1], ends.lab.cloud.address)
        accepted, _ = listener.accept()
        source, sink = (dialled, accepted) if sender is ends.lab.edge else (accepted, dialled)
        sink.settimeout(20)
        threading.Thread(target=lambda: (source.sendall(payload), source.shutdown(socket.SHUT_WR))).start()
        digest = hashlib.sha256()
        while piece := sink.recv(1 << 16):
            digest.update(piece)
        assert digest.digest() == hashlib.sha256(payload).digest()
        source.close()
        sink.close()


def test_a_connection_that_was_there_before_stays(tmp_path):
    with netlab.behind_nat(tmp_path / "logs") as lab:
        if not lab.namespaced:
            pytest.skip(lab.note)
        listener = lab.cloud.listen(PORT, lab.cloud.address)
        dialled = lab.edge.connect(PORT, lab.cloud.address)
        accepted, _ = listener.accept()
        link = netlab.link.replace(lab, "edge", "rtt=20ms")
        dialled.sendall(b"still")
        accepted.settimeout(5)
        assert accepted.recv(10) == b"still" and link.counters()["out"]["sent"] > 0


def test_the_queue_is_bounded_in_bytes_too(ends):
    ends.link.say("rate=8M queue_bytes=20k")
    arrived = ends.send_numbered(500, size=1000)
    out = ends.link.counters()["out"]
    assert 0 < out["queue_full"] and out["longest_queue"] == 19 and len(arrived) == 500 - out["queue_full"]  # 19 of 1028 bytes


def test_what_was_corrupted_does_not_arrive(ends):
    ends.link.say("corrupt=0.2")
    arrived = ends.send_numbered(1000)
    assert 140 < ends.link.counters()["out"]["corrupted"] == 1000 - len(arrived) < 260


def test_a_queue_marks_what_can_be_marked(ends):
    ends.cloud.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    ends.cloud.settimeout(2)
    ends.link.say("rate=8M mark_at=3")

    def marks(tos):
        ends.edge.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        for _ in range(10):
            ends.edge.sendto(bytes(1000), ends.to_cloud)
        return [ends.cloud.recvmsg(2048, 100)[1][0][2][0] for _ in range(10)]

    assert marks(2)[0] == 2 and marks(2)[-1] == 3
    assert marks(0) == [0] * 10
    assert ends.link.counters()["out"]["marked"] >= 2


def test_a_scenario_of_the_simulator_plays_for_real(ends):
    """src/sim/scenario_test.cpp says the same in virtual time."""
    ends.ask()
    lines = netlab.link.steps(netlab.link.scenario("bridge"))
    assert [at for at, _ in lines] == [0, 1, 2, 3, 4, 5, 6, 7]
    answers, seen = [], []
    for _, words in lines[:-1]:
        ends.link.act(words)
        answers.append(ends.ask(patience=0.3))
        seen.append(ends.seen_from)
    good, down, slower, rebound, moved, deaf, perfect = answers
    assert 0.04 <= good < 0.08 and down is None and slower >= 0.08 and deaf is None and perfect < 0.04
    assert rebound is not None and seen[3] != seen[2]
    assert moved is not None and str(ends.link.addresses()[0].ip) != ends.lab.edge.address


def test_a_scenario_takes_its_time(ends):
    clock = netlab.Clock()
    ends.link.play("0s rtt=10ms\n200ms down\n400ms up # and back\n500ms")
    assert 0.5 <= clock.seconds < 2 and ends.ask() >= 0.01


@pytest.mark.parametrize(("text", "named"), [("soon down", "line 1.*soon"), ("2s down\n\n1s up", "line 3.*1s"), ("0s rtt=5parsecs", "5parsecs")])
def test_wrong_lines_of_a_scenario_are_named(ends, text, named):
    with pytest.raises(ValueError, match=named):
        ends.link.play(text)


def test_wrong_words_are_named_and_change_nothing(ends):
    for words, named in (("loss=0.5 speed=3", "speed"), ("rtt=5parsecs", "5parsecs"), ("loss=0.5 sideways", "sideways"), ("loss=-1", "-1")):
        with pytest.raises(ValueError, match=named):
            ends.link.say(words)
    assert ends.send_numbered(100) == list(range(100))


def test_the_same_seed_loses_the_same_packets(tmp_path):
    def lost(seed):
        with netlab.behind_nat(tmp_path / "logs") as lab:
            if not lab.namespaced:
                pytest.skip(lab.note)
            ends = Ends(lab, netlab.link.replace(lab, "edge", seed=seed))
            ends.ask()
            ends.link.say("loss=0.3")
            return ends.send_numbered(200)

    assert lost(7) == lost(7) != lost(8)


def test_counters_are_left_in_the_log(tmp_path):
    with netlab.behind_nat(tmp_path / "logs") as lab:
        if not lab.namespaced:
            pytest.skip(lab.note)
        ends = Ends(lab, netlab.link.replace(lab, "edge"))
        ends.ask()
    assert json.loads((tmp_path / "logs/link-edge.log").read_text().splitlines()[-1])["out"]["delivered"] >= 1
