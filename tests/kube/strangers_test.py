"""What comes to the CONNECT listener and is no dial of an API server: refused, written down once, and nothing is dialled for it."""
import contextlib
import ssl

import netlab
import pytest
from netlab.namespace import tool

from doors import Doors, spoken_to
from managed import EGRESS

pytestmark = pytest.mark.parametrize("managed_cluster", [EGRESS], indirect=True)
PORT = 9999
METADATA = "169.254.169.254"
LISTEN_PORT = 8132  # of kube.connect.listen in the handbook
STRAY = {
    "an HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", (400, 405, 505)),
    "a GET": (b"GET http://169.254.169.254/latest/meta-data HTTP/1.1\r\nHost: x\r\n\r\n", (405,)),
    "no port": (b"CONNECT edge1 HTTP/1.1\r\n\r\n", (400,)),
    "no HTTP": (b"\x16\x03\x01\x00\xf0\x01\x00\x00\xec\x03\x03" + bytes(240), (400,)),
    "2 MiB of head": (b"CONNECT edge1:10250 HTTP/1.1\r\nX: " + b"x" * (2 << 20), (431,)),
    "a target of 2 MiB": (b"CONNECT " + b"x" * (2 << 20), (414, 431)),
}


@pytest.fixture
def doors(managed, box):
    return Doors(managed)


@pytest.fixture
def lines(managed):
    """Lines of the cloud's access log about the UNIX socket and its TCP twin since the test began."""
    began = len(managed.access_log("cloud"))
    return lambda: [line for line in managed.access_log("cloud")[began:] if line.get("door") == "connect"]


@pytest.fixture
def metadata_service(managed):
    """Something that listens in the cloud at the address of metadata services, at every address, and at loopback's: nobody must come."""
    cloud = managed.lab.cloud
    tool(*cloud.command(["ip", "address", "add", f"{METADATA}/32", "dev", "lo"]))
    listener = cloud.listen(PORT, "0.0.0.0")
    listener.setblocking(False)
    yield listener
    with contextlib.suppress(BlockingIOError):
        listener.accept()
        pytest.fail("somebody was dialled")
    listener.close()
    tool(*cloud.command(["ip", "address", "del", f"{METADATA}/32", "dev", "lo"]))


def _the_one(lines, having):
    """The only line about this."""
    [line] = netlab.until(lambda: [line for line in lines() if having(line)], 15, "a line of the access log")
    return line


@pytest.mark.parametrize("what", STRAY)
def test_stray_input_is_refused_and_written_down_once(doors, lines, what):
    data, statuses = STRAY[what]
    said = doors.say(data)
    assert said.startswith(b"HTTP/1.1 ") and int(said.split()[1]) in statuses, said[:200]
    line = _the_one(lines, lambda line: line["asked"] == "")
    assert (line["refused"], line["target"], line["status"]) == (True, "", int(said.split()[1]))


@pytest.mark.parametrize("host", [METADATA, "localhost", "127.0.0.1", "[::1]", "0.0.0.0"])
def test_this_machine_and_metadata_services_are_not_dialled(doors, lines, metadata_service, host):
    status, sentence = doors.ask(f"{host}:{PORT}")
    assert status in (403, 502), sentence
    line = _the_one(lines, lambda line: line["asked"] == f"{host}:{PORT}")
    assert line["refused"] and line["status"] == status and line["message"]


def test_an_edge_does_not_get_through_the_listener_for_api_servers(managed, lines):
    """Whoever has no certificate of kube.connect.clientCA; not even one of the cluster's."""
    edge, pki = managed.lab.hosts[managed.nodes[0]], managed.settings.pki
    with edge.connect(LISTEN_PORT, managed.settings.address("cloud")) as plain:
        assert b"HTTP" not in spoken_to(plain, f"CONNECT {managed.nodes[1]}:10250 HTTP/1.1\r\n\r\n".encode())
    for certificate in (None, "admin"):
        context = ssl.create_default_context(cafile=managed.site.cloud.folder / "connect-ca.pem")
        if certificate:
            context.load_cert_chain(pki / f"{certificate}.crt", pki / f"{certificate}.key")
        with edge.connect(LISTEN_PORT, managed.settings.address("cloud")) as connection, pytest.raises((ssl.SSLError, ConnectionError)):
            secure = context.wrap_socket(connection, server_hostname=managed.settings.address("cloud"))
            secure.sendall(f"CONNECT {managed.nodes[1]}:10250 HTTP/1.1\r\n\r\n".encode())
            if not secure.recv(1 << 16):
                raise ConnectionError("ended")
    found = netlab.until(lambda: len(got := lines()) >= 3 and got, 15, "three lines of the access log")
    assert len(found) == 3 and all(line["refused"] and not line["asked"] and not line["target"] for line in found), found
