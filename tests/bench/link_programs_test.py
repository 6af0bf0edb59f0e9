"""The programs that ask and download, tried on this machine's loopback."""
import contextlib
import hashlib
import json
import socket
import subprocess
import threading

import pytest

import netlab
from linkbench import clients

BODY = bytes(range(250)) * 4


@contextlib.contextmanager
def running(name, *words):
    process = subprocess.Popen([str(word) for word in clients.program(name, *words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def free_ports():
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        return tcp.getsockname()[1], udp.getsockname()[1]


@contextlib.contextmanager
def web(body=BODY, breaks=False):
    """Answers each GET on a connection with `body`, or with half of it and an end. Yields its port and a list of its connections."""
    listener, connections = socket.create_server(("127.0.0.1", 0)), []

    def serve(connection):
        with contextlib.suppress(OSError), connection:
            while connection.recv(65536):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + (body[:len(body) // 2] if breaks else body))
                if breaks:
                    return

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connections.append(listener.accept()[0])
                threading.Thread(target=serve, args=(connections[-1],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1], connections
    listener.close()


def steady(*words, until=8):
    """What a steady program tells that is ended once it has asked some times, by its own clock."""
    with running("steady", *words, "--every-ms", 10, "--patience", 1) as asking:
        assert asking.stdout.readline() == "ready\n"
        asking.stdin.write("go\n")
        asking.stdin.flush()
        assert asking.stdout.readline() == "first\n"
        clients.wait_quiet(until / 100)
        asking.stdin.close()
        found = json.loads(asking.stdout.read().splitlines()[-1])
        asking.stdin = open("/dev/null", "w")
        return found


@pytest.mark.parametrize(("kind", "which"), [("echo", 0), ("datagram", 1)])
def test_what_is_echoed_is_counted_and_timed(kind, which):
    ports = free_ports()
    with running("echo", *ports):
        netlab.until(lambda: socket.create_connection(("127.0.0.1", ports[0])), 10, "the echo").close()
        found = steady(kind, "127.0.0.1", ports[which])
    assert len(found["asked"]) > 3 and found["connections"] == 1
    assert all(ms is not None and 0 < ms < 1000 for _, ms in found["asked"])


def test_kept_connections_are_used_again():
    with web() as (port, connections):
        found = steady("get", "127.0.0.1", port)
        assert len(found["asked"]) > 3 and found["connections"] == len(connections) and all(ms is not None for _, ms in found["asked"])


def test_a_fresh_connection_for_each():
    with web() as (port, connections):
        found = steady("get", "127.0.0.1", port, "--fresh")
        assert len(found["asked"]) == found["connections"] == len(connections)


def download(port):
    with running("download", "127.0.0.1", port, "file") as process:
        return json.loads(process.stdout.read().splitlines()[-1])


def test_a_download_tells_what_came_and_when():
    body = BODY * 1000
    with web(body) as (port, _):
        found = download(port)
    assert found["error"] is None and found["bytes"] == found["size"] == len(body) and found["timeline"][-1][1] == len(body)
    assert found["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_download_that_breaks_off_says_so():
    with web(breaks=True) as (port, _):
        found = download(port)
    assert "closed" in found["error"] and found["bytes"] == len(BODY) // 2
