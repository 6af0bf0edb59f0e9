"""What an operator decides about nodes while they are connected; and a cloud that is made anew from its backup."""
import contextlib
import json
import subprocess
import tarfile
import time

import pytest

import netlab
from netlab import manifests
from netlab.site import LINK_PORT

from conftest import binary_of
from join_site import JoinSite
from ways import NODE, Greeter, Way, way_of

CUT_SECONDS = 1.0
STAYS_OUT_SECONDS = 4  # an edge tries several times in that
LABEL_SECONDS = 2
JOINS = 2000
RESTORED = 8
REFUSED_SECONDS = 5


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


def node(site, *words, check=True):
    return site.fairlead("node", *words, "--dir", site.cloud.folder, "-o", "json", check=check)


def listed(site):
    return {each["name"]: each for each in json.loads(node(site, "list").stdout)}


def test_a_revoked_node_is_cut_off_within_a_second_and_stays_out(site):
    edge = site.join(site.token(), NODE)
    assert listed(site)[NODE]["session"] == "live"
    node(site, "revoke", NODE, "--comment", "left on a train")
    begin = time.monotonic()
    edge.process.wait_for_log("has revoked your certificate", 10)
    took = time.monotonic() - begin
    print(f"cut after {took:.3f} s")
    assert took < CUT_SECONDS

    deadline = time.monotonic() + STAYS_OUT_SECONDS  # its ticket is of no use
    while time.monotonic() < deadline:
        assert not site.connected(NODE)
    edge.process.stop()
    edge.process = edge.host.start(NODE, [site.binary, "edge", "--dir", edge.folder])  # nor is a new handshake
    edge.process.wait_for_log("has revoked your certificate", 10)
    assert not site.connected(NODE)
    assert listed(site)[NODE]["standing"] == "revoked"
    assert any("node.revoke | edge-a | left on a train" in line for line in site.audit()), site.audit()

    node(site, "readmit", NODE)
    site.wait_connected(NODE, 90)


def test_a_forgotten_name_goes_to_another_key(site):
    edge = site.join(site.token(), NODE)
    before = site.keys()[NODE]
    node(site, "forget", NODE)
    edge.process.wait_for_log("has revoked your certificate", 10)
    edge.process.stop()
    edge.folder.rename(edge.folder.with_name("before"))
    site.join(site.token(), NODE)
    assert site.keys()[NODE] not in (before, "")
    assert listed(site)[NODE]["standing"] == "good"


def test_labels_of_the_cloud_go_before_the_edges(site):
    site.join(site.token(), NODE)
    made = json.loads(node(site, "label", NODE, "site=berlin", "example.com/rack=7").stdout)
    assert made["labels"] == {"site": "berlin", "example.com/rack": "7"}
    netlab.until(lambda: listed(site)[NODE]["live"]["labels"].get("site") == "berlin", 5, "the label in force")
    node(site, "label", NODE, "site-")
    netlab.until(lambda: "site" not in listed(site)[NODE]["live"]["labels"], 5, "the label gone")


def test_a_name_that_never_was_is_a_mistake(site):
    for words in (("show",), ("revoke",), ("forget",), ("label", "a=b")):
        result = node(site, words[0], "edge-x", *words[1:], check=False)
        assert result.returncode == 1 and "no node edge-x has ever joined" in result.stderr, result.stderr


def test_a_cloud_comes_back_from_its_backup(site):
    """Taken while it runs; nodes that were in it go on without joining anew."""
    site.join(site.token(), NODE)
    left = site.token()
    backup = site.lab.folder / "backup.tar"
    site.fairlead("backup", "--dir", site.cloud.folder, "--out", backup)
    assert backup.stat().st_mode & 0o777 == 0o600
    site.cloud.process.kill()
    site.cloud.folder.rename(site.cloud.folder.with_name("lost"))
    site.fairlead("restore", "--in", backup, "--dir", site.cloud.folder)
    site.start_cloud()
    site.wait_connected(NODE, 30)
    assert site.tokens()[left["id"]]["state"] == "revoked"


def test_a_node_that_joined_after_the_backup_is_known_as_soon_as_it_connects(site):
    """Nobody else gets its name, and a new CA waits for it."""
    backup = site.lab.folder / "backup.tar"
    site.fairlead("backup", "--dir", site.cloud.folder, "--out", backup)
    site.join(site.token(), NODE)
    key = site.keys()[NODE]
    site.cloud.process.kill()
    site.cloud.folder.rename(site.cloud.folder.with_name("lost"))
    site.fairlead("restore", "--in", backup, "--dir", site.cloud.folder)
    assert NODE not in listed(site)
    site.start_cloud()
    site.wait_connected(NODE, 30)
    netlab.until(lambda: site.keys().get(NODE) == key, 5, "the node's name to be bound to its key")
    assert any(f"node {NODE} | " in line and "node.adopt | edge-a" in line for line in site.audit()), site.audit()
    assert "NAME_TAKEN" in site.refused(site.join_words(site.token(), NODE, site.lab.folder / "thief"))


def test_a_replica_with_another_ca_does_not_start(site):
    """It has the secret of the running cloud, or a link to it, and a CA of its own."""
    replica = site.lab.folder / "replica"
    site.fairlead("init", "--dir", replica, "--name", "127.0.0.1")
    own, shared = replica / "secret.key", site.cloud.folder / "secret.key"
    own.unlink()
    own.symlink_to(shared)

    def start():
        listen = f"127.0.0.1:{site.lab.port(18443)}"
        try:
            ended = site.lab.cloud.run([site.binary, "cloud", "--dir", replica, "--listen", listen], timeout=REFUSED_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return ""
        return ended.stderr

    assert "replicas have the same CAs" in start()
    for name in ("ca.pem", "ca-key.pem", "cloud.pem", "cloud-key.pem"):
        (replica / name).write_bytes((site.cloud.folder / name).read_bytes())
    assert start() == ""
    site.fairlead("ca", "rotate", "--dir", site.cloud.folder)
    assert own.is_symlink() and shared.stat().st_mode & 0o777 == 0o600
    assert "replicas have the same CAs" in start()
    (replica / "ca.pem").write_bytes((site.cloud.folder / "ca.pem").read_bytes())
    assert start() == ""


def test_a_running_flow_of_a_revoked_node_is_cut(site):
    """Also when the node does not hear of it, and goes on from another address once it can send again."""
    edge = site.join(site.token(), NODE)
    if not site.lab.namespaced:
        pytest.skip(site.lab.note)
    client, target = way_of(site, "cloud-to-edge").pair()
    link = netlab.link.replace(site.lab, "edge", "rtt=10ms")
    client.sendall(b"before")
    assert target.recv(100) == b"before"
    link.down()
    node(site, "revoke", NODE)
    begin = time.monotonic()
    with contextlib.suppress(ConnectionResetError):
        assert client.recv(100) == b""
    took = time.monotonic() - begin
    print(f"flow cut {took:.3f} s after the order")
    assert took < CUT_SECONDS
    link.rebind()
    link.up()
    target.sendall(b"from elsewhere")  # over the session that the edge still believes in
    edge.process.wait_for_log("has revoked your certificate", 40)
    assert not site.connected(NODE)
    assert site.cloud.metric("fairlead_sessions") == 0


def test_a_label_decides_where_connections_go(site):
    """As soon as it is set, and no longer than it is."""
    site.join(site.token(), NODE)
    entrance, port = site.lab.port(18080), site.lab.port(8080)
    Greeter(site.lab.edge, port, b"berlin")
    site.cloud.rules("web", manifests.entrance("web", entrance, "{nodeSelector: {site: berlin}}", port))
    site.lab.cloud.wait_listening(entrance)
    way = Way(site, site.cloud, site.edges[NODE], entrance, port)
    assert way.greeting() == b""
    for change, greeting in (("site=berlin", b"berlin"), ("site=paris", b""), ("site=berlin", b"berlin"), ("site-", b"")):
        begin = time.monotonic()
        node(site, "label", NODE, change)
        netlab.until(lambda: way.greeting() == greeting, LABEL_SECONDS, f"{change} in force")
        print(f"{change} in force after {time.monotonic() - begin:.2f} s")


def test_a_backup_under_joins_has_all_that_were_in_before_it(site, load):
    """Nothing that was acknowledged is missing, nothing is half there, and joins are not held up."""
    site.join(site.token(), NODE)
    token = site.token("--uses", str(JOINS))
    told, backups = site.lab.folder / "told", []
    with told.open("w") as out:
        joins = subprocess.Popen(site.lab.cloud.command([load, f"127.0.0.1:{LINK_PORT}", token["caPin"], "good", JOINS, token["token"], 8]),
                                 stdout=out)
    while joins.poll() is None:
        acknowledged = [line.strip().split(maxsplit=1) for line in told.read_text().splitlines(keepends=True) if line.endswith("\n")]
        backups.append((site.lab.folder / f"{len(backups)}.tar", dict(acknowledged)))
        site.fairlead("backup", "--dir", site.cloud.folder, "--out", backups[-1][0])
    assert joins.wait(10) == 0
    keys = site.keys()
    assert len(keys) == JOINS + 1
    original, counts = site.cloud.folder, []
    for archive, before in backups[:: max(1, len(backups) // RESTORED)]:
        site.cloud.folder = archive.with_suffix("")
        site.fairlead("restore", "--in", archive, "--dir", site.cloud.folder)
        restored = site.keys()
        assert before.items() <= restored.items() <= keys.items()
        used = JOINS - site.tokens()[token["id"]]["usesLeft"]
        assert used == len(restored) - 1, "a name without what it was joined with, or the other way round"
        counts.append(used)
    print(f"{len(backups)} backups; some restored, with {counts} of {JOINS} joins")
    assert any(0 < used < JOINS for used in counts), "no backup was taken while edges joined"
    site.cloud.process.kill()
    original.rename(original.with_name("lost"))
    site.cloud.folder.rename(original)
    site.cloud.folder = original
    site.start_cloud()
    site.wait_connected(NODE, 30)


def test_what_is_no_backup_makes_no_folder(site):
    site.fairlead("backup", "--dir", site.cloud.folder, "--out", site.lab.folder / "good.tar")
    whole = (site.lab.folder / "good.tar").read_bytes()
    with tarfile.open(site.lab.folder / "foreign.tar", "w", format=tarfile.USTAR_FORMAT) as foreign:
        foreign.add(__file__, "../outside")
    files = {"empty.tar": b"", "half.tar": whole[: len(whole) // 2], "long.tar": whole + b"x", "other.tar": b"no tar\n" * 1000,
             "changed.tar": whole.replace(b"BEGIN", b"BEGAN", 1), "foreign.tar": (site.lab.folder / "foreign.tar").read_bytes()}
    for name, content in files.items():
        (site.lab.folder / name).write_bytes(content)
        result = site.fairlead("restore", "--in", site.lab.folder / name, "--dir", site.lab.folder / "made", check=False)
        print(result.stderr.strip())
        assert result.returncode == 1 and "archive" in result.stderr, f"{name}: {result.stderr}"
        assert not (site.lab.folder / "made").exists() and not (site.lab.folder / "outside").exists()
    result = site.fairlead("restore", "--in", site.lab.folder / "good.tar", "--dir", site.cloud.folder, check=False)
    assert result.returncode == 1 and "exists" in result.stderr, result.stderr
