"""An edge becomes a node with one line; whoever may not is told why, on both sides; floods and kills change nothing of that."""
import json
import os
import random
import shlex
import subprocess
import time

import pytest

import netlab
from netlab import proc
from netlab.site import LINK_PORT, Component

from conftest import binary_of
from join_site import JoinSite

JOIN_SECONDS = 10
KILLS = int(os.environ.get("FAIRLEAD_KILLS", "200"))
TRIES_OF_A_SOURCE, SECONDS_PER_TRY = 30, 2  # enrol/try_limiter.h
FLOOD = int(os.environ.get("FAIRLEAD_FLOOD", "10000"))
CLOUD_MEMORY = 150 << 20  # resident, with a flood of joins under way


@pytest.fixture
def site(lab, request):
    here = JoinSite(lab, binary_of(request))
    here.init("127.0.0.1")
    here.start_cloud()
    return here


@pytest.fixture
def load(request):
    program = binary_of(request).parent / "join_load"
    if not program.exists():
        pytest.skip(f"{program} is not there: build the target join_load")
    return program


def test_one_line_makes_a_node(site):
    """As it is printed, in a shell; later starts need neither token nor pin."""
    made = site.fairlead("token", "create", "--dir", site.cloud.folder, "--node", "edge-a", "--address", site.link_address).stdout
    assert made.count("\n") == 1, made
    words = shlex.split(made)
    assert words[:2] == ["fairlead", "edge"]
    folder = site.lab.folder / "edge-a"
    words[words.index("--dir") + 1] = folder
    edge = site.edges["edge-a"] = Component(site, "edge-a", site.lab.edge, folder)
    edge.process = edge.host.start("edge-a", [site.binary, *words[1:]])
    site.wait_connected("edge-a")
    assert (folder / "edge-key.pem").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not list(site.lab.folder.glob(".*joining")), "nothing is left beside the folder"

    edge.process.stop()
    edge.start()
    site.wait_connected("edge-a")
    edge.process.stop()
    edge.process = edge.host.start("edge-a", [site.binary, *words[1:]])  # the same line again: a unit file need not be changed
    site.wait_connected("edge-a")


def test_the_token_may_come_from_a_file_or_the_environment_and_the_name_from_the_host(site):
    token = site.token("--uses", "2")
    file = site.lab.folder / "token"
    file.write_text(token["token"] + "\n")
    file.chmod(0o600)
    common = ["--join", token["join"], "--ca-pin", token["caPin"]]
    host_name = os.uname().nodename.lower()
    for node, words, env in (("by-file", ["--token-file", file, "--node", "by-file"], {}), (host_name, [], {"FAIRLEAD_JOIN_TOKEN": token["token"]})):
        edge = site.edges[node] = Component(site, node, site.lab.edge, site.lab.folder / node)
        edge.process = edge.host.start(node, [site.binary, "edge", "--dir", edge.folder, *common, *words], env=env)
        site.wait_connected(node)


def test_an_edge_waits_for_a_cloud_that_is_not_there_yet(site):
    token = site.token()
    site.cloud.process.stop()
    edge = site.edges["edge-a"] = Component(site, "edge-a", site.lab.edge, site.lab.folder / "edge-a")
    edge.process = edge.host.start("edge-a", [site.binary, *site.join_words(token, "edge-a", edge.folder)])
    edge.process.wait_for_log("cannot join the cloud", 30)
    site.start_cloud()
    site.wait_connected("edge-a", 30)


def test_an_edge_that_is_killed_at_any_moment_of_its_join_goes_on_with_its_key(site):
    """A single use is enough, however often it is killed: the key is on disk before the token is sent."""
    for round in range(20):
        token, node, folder = site.token(), f"edge-{round}", site.lab.folder / f"edge-{round}"
        for _ in range(3):
            edge = site.lab.edge.start(node, [site.binary, *site.join_words(token, node, folder)])
            time.sleep(random.random() * 0.06)
            edge.kill()
            assert not folder.exists() or (folder / "config.yaml").exists(), "a folder comes complete or not at all"
        edge = site.edges[node] = Component(site, node, site.lab.edge, folder)
        edge.process = edge.host.start(node, [site.binary, *site.join_words(token, node, folder)])
        site.wait_connected(node)
        edge.process.stop()


def refusals(site):
    """(words of the edge, code, a part of the sentence at the edge, in the cloud's log and in its audit log)."""
    free = lambda: site.lab.folder / f"refused-{random.getrandbits(32):x}"
    other = site.lab.folder / "other"
    site.fairlead("init", "--dir", other, "--name", site.lab.cloud.address)
    foreign = json.loads(site.fairlead("token", "create", "--dir", other, "-o", "json").stdout)
    good = site.token()

    expired = site.token("--ttl", "1s")
    revoked = site.token()
    site.fairlead("token", "revoke", revoked["id"], "--dir", site.cloud.folder)
    spent = site.token()
    site.join(spent, "edge-a")
    named = site.token("--node", "edge-n")
    with open(site.cloud.folder / "revoked", "a") as file:
        file.write("node edge-r\n")
    time.sleep(2)  # until the short token is over, and the list is taken up

    yield site.join_words({**good, "token": foreign["token"]}, "x", free()), "UNKNOWN_TOKEN", "has not given out such a token"
    yield site.join_words(expired, "x", free()), "EXPIRED_TOKEN", "expired at"
    yield site.join_words(revoked, "x", free()), "REVOKED_TOKEN", "was revoked"
    yield site.join_words(spent, "x", free()), "SPENT_TOKEN", "was used up"
    yield site.join_words(named, "x", free()), "WRONG_NAME", "is for node edge-n, not for x"
    yield site.join_words(good, "edge-a", free()), "NAME_TAKEN", "belongs to a node with another key"
    yield site.join_words(good, "edge-r", free()), "REVOKED_NODE", "was revoked"
    yield site.join_words({**good, "caPin": foreign["caPin"]}, "x", free()), "WRONG_PIN", "is not the one of the pin"


def test_each_refusal_is_told_on_both_sides_and_kept(site):
    for words, code, sentence in refusals(site):
        at_edge = site.refused(words)
        assert code in at_edge and sentence in at_edge, at_edge
        assert "`fairlead" in at_edge or "--" in at_edge or "operator" in at_edge, f"no mend: {at_edge}"
        site.cloud.process.wait_for_log(f"{code}: ", JOIN_SECONDS)
        assert sentence in site.cloud.process.log_text()
        netlab.until(lambda: any(f"join.refused | {code} | " in line for line in site.audit()), JOIN_SECONDS, f"{code} in the audit log")
        assert not words[2].exists(), "a folder comes complete or not at all"
        for secret in (words[-1], words[-1].rsplit(".", 1)[1]):
            assert secret not in at_edge + site.cloud.process.log_text() + "".join(site.audit())


def test_a_cloud_without_the_key_of_its_ca_lets_nobody_join(site):
    token = site.token()
    (site.cloud.folder / "ca-key.pem").rename(site.lab.folder / "kept-elsewhere.pem")
    site.cloud.process.stop()
    site.start_cloud()
    at_edge = site.refused(site.join_words(token, "x", site.lab.folder / "x"))
    assert "NO_AUTHORITY" in at_edge and "ca-key.pem" in at_edge, at_edge


def test_a_command_line_that_lacks_something_is_refused_before_anything_is_tried(site):
    token = site.token()
    folder = site.lab.folder / "x"
    for words, sentence in ((["--join", token["join"]], "needs a token"), (["--join", token["join"], "--token", token["token"]], "--ca-pin"),
                            (["--join", token["join"], "--token", "fl1.nonsense"], "this is no token"), (["--token", token["token"]], "--join")):
        result = site.fairlead("edge", "--dir", folder, *words, check=False)
        assert result.returncode == 2 and sentence in result.stderr, result.stderr
        assert "fl1.nonsense" not in result.stderr


def test_a_token_for_a_name_replaces_a_lost_machine_and_its_key_is_out(site):
    lost = site.join(site.token(), "edge-a")
    again = Component(site, "edge-a", site.lab.edge, site.lab.folder / "edge-a-anew")
    again.process = again.host.start("edge-a-anew", [site.binary, *site.join_words(site.token("--node", "edge-a"), "edge-a", again.folder)])
    lost.process.wait_for_log("revoked", JOIN_SECONDS)
    netlab.until(lambda: site.connected("edge-a") and site.edge_connected(again), JOIN_SECONDS, "the new machine is connected")
    lost.process.stop()


def test_a_flood_of_bad_joins_costs_bounded_memory_and_others_join_meanwhile(site, load):
    """From many sources, so that many of them are looked at; the good edge comes from elsewhere."""
    pin = site.token()["caPin"]
    sources = max(1, FLOOD // 80)  # more tries a source than its limit, also if they take a minute
    before = sum(proc.cpu_seconds([site.cloud.process.pid]))
    began = time.monotonic()
    flood = subprocess.Popen(site.lab.cloud.command([load, f"127.0.0.1:{LINK_PORT}", pin, "bad", FLOOD, sources, 32]), stdout=subprocess.PIPE,
                             text=True)
    joins = []
    while flood.poll() is None:
        start = time.monotonic()
        site.join(site.token(), f"good-{len(joins)}").process.stop()
        joins.append(time.monotonic() - start)
    seconds = time.monotonic() - began
    ended = {how: int(count) for how, count in (line.split() for line in flood.stdout)}
    cpu = sum(proc.cpu_seconds([site.cloud.process.pid])) - before
    memory = proc.peak_rss_bytes([site.cloud.process.pid])
    print(f"{ended} in {seconds:.1f} s, {cpu / FLOOD * 1000:.2f} ms of the cloud's CPU each, {memory >> 20} MiB, {len(joins)} good joins,"
          f" the slowest in {max(joins):.2f} s")
    assert sum(ended.values()) == FLOOD
    assert set(ended) <= {"UNKNOWN_TOKEN", "TOO_MANY_TRIES", "OVERLOADED"}, ended
    assert 0 < ended["UNKNOWN_TOKEN"] <= sources * (TRIES_OF_A_SOURCE + seconds / SECONDS_PER_TRY + 1), ended
    assert ended.get("TOO_MANY_TRIES", 0) > 0, ended
    assert memory < CLOUD_MEMORY
    assert max(joins) < JOIN_SECONDS
    refused = [line for line in site.audit() if "join.refused" in line]
    assert 0 < len(refused) <= FLOOD


def test_a_cloud_that_is_killed_at_any_moment_loses_no_join_and_spends_nothing_twice(site, load):
    """The token has exactly as many uses as edges join with it: one spent twice would keep the last edge out."""
    joins = 10 * KILLS
    token = site.token("--uses", str(joins), "--ttl", "2h")
    edges = subprocess.Popen(site.lab.cloud.command([load, f"127.0.0.1:{LINK_PORT}", token["caPin"], "good", joins, token["token"], 16]),
                             stdout=subprocess.PIPE, text=True)
    kills, told = 0, []
    while kills < KILLS and (line := edges.stdout.readline()):  # one is in: others are on their way
        told.append(line)
        time.sleep(random.random() * 0.03)
        site.cloud.process.kill()
        kills += 1
        site.start_cloud()
    told += edges.stdout.read().splitlines()
    assert edges.wait(10) == 0
    acknowledged = dict(line.split(maxsplit=1) for line in map(str.strip, told))
    print(f"{kills} kills, {len(acknowledged)} joins, repeats: {sum('again: its answer was lost' in line for line in site.audit())}")
    assert kills >= KILLS / 2
    assert len(acknowledged) == joins
    assert acknowledged == site.keys(), "each name is bound to the key that was told so"
    assert site.tokens()[token["id"]]["usesLeft"] == 0
