"""Programs that speak UDP, over a bad link: DNS, syslog, CoAP, WireGuard, a game, RTP."""
import concurrent.futures
import json
import os
import select
import shutil
import subprocess
import threading
import time

import pytest

import netlab
from netlab import link as links
from udp_site import stream, udp_way
from ways import NODE

BOTH = pytest.mark.parametrize("direction", ["cloud-to-edge", "edge-to-cloud"])


def needs(*programs):
    missing = [name for name in programs if not shutil.which(name)]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)}: run tools/setup test")


def bad_link(site, words):
    if not site.lab.namespaced:
        pytest.skip(site.lab.note)
    return links.replace(site.lab, "edge", words)


@needs("dnsmasq", "dig")
@BOTH
def test_dns(linked, direction):
    bad_link(linked, "rtt=50ms loss=0.02")
    way = udp_way(linked, direction, "answers: 1, idleTimeout: 5s")
    long = [f"--txt-record=long.test,{','.join(str(n) * 100 for n in range(10, 25))}"]  # does not fit into one packet of the link
    hosts = [f"--host-record=h{n}.test,10.9.8.{n}" for n in range(100)]
    way.service.host.start("dnsmasq", ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file=",
                                       "--user=root", "--log-facility=-", "--bind-interfaces", "--listen-address=127.0.0.1",
                                       f"--port={way.port}", "--edns-packet-max=4096", *hosts, *long])
    way.service.host.wait_listening(way.port, protocol="udp")

    def ask(*words):
        return way.client.host.run(["dig", "+short", "+tries=6", "+timeout=1", "+ignore", "-p", way.entrance, "@127.0.0.1", *words]).stdout.replace("\" \"", "")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: ask(f"h{n}.test"), range(100)))
    # Comments tell of tries that were lost.
    addresses = [[line for line in answer.splitlines() if not line.startswith(";")] for answer in answers]
    assert addresses == [[f"10.9.8.{n}"] for n in range(100)]
    text = ask("+bufsize=4096", "TXT", "long.test")
    assert all(str(n) * 100 in text for n in range(10, 25))
    way.wait_open(0, 8)
    assert way.client.metric("fairlead_udp_associations_total") >= 101


@needs("logger")
@BOTH
def test_syslog(linked, direction):
    bad_link(linked, "rtt=50ms loss=0.01")
    way = udp_way(linked, direction, "class: Background")
    service = way.service_socket(timeout=2)
    logger = subprocess.Popen(way.client.host.command(["logger", "--udp", "--server", "127.0.0.1", "--port", str(way.entrance),
                                                       "--tag", "pump", "--rfc3164"]), stdin=subprocess.PIPE, text=True, bufsize=1)
    for n in range(500):
        logger.stdin.write(f"line {n} of a log\n")
        time.sleep(0.002)
    logger.stdin.close()
    assert logger.wait(10) == 0
    got = []
    try:
        while len(got) < 500:
            got.append(service.recv(2000).decode())
    except TimeoutError:
        pass
    numbers = [int(line.split(" of a log")[0].rsplit(" ", 1)[1]) for line in got]
    assert all("pump: line" in line for line in got)
    assert len(numbers) >= 475
    assert len(set(numbers)) == len(numbers)  # of the order nobody promises anything: a busy kernel changes it on the loopback already


@needs("coap-client-notls", "coap-server-notls")
@BOTH
def test_coap_sends_again_what_was_lost(linked, direction):
    bad_link(linked, "rtt=50ms loss=0.05")
    way = udp_way(linked, direction, "idleTimeout: 60s")
    way.service.host.start("coap-server", ["coap-server-notls", "-A", "127.0.0.1", "-p", str(way.port), "-d", "10"])
    way.service.host.wait_listening(way.port, protocol="udp")

    def ask(*words):
        return way.client.host.run(["coap-client-notls", "-B", "60", *words]).stdout

    url = f"coap://127.0.0.1:{way.entrance}"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask("-m", "get", url + "/"), range(40)))
    assert all("libcoap" in answer for answer in answers)
    big = way.client.folder / "big"
    big.write_text("".join(f"{n:07} " for n in range(1000)))
    ask("-m", "put", "-f", str(big), "-b", "1024", url + "/example_data")  # in blocks
    assert ask("-m", "get", "-b", "1024", url + "/example_data").strip() == big.read_text().strip()


@needs("wireguard-go", "wg")
def test_wireguard(linked):
    bad_link(linked, "rtt=30ms loss=0.005 rate=50M")
    way = udp_way(linked, "cloud-to-edge", "idleTimeout: 30s")
    names = [f"wg{os.getpid() % 100_000}{side}" for side in "ab"]
    keys = [subprocess.run(["wg", "genkey"], text=True, capture_output=True, check=True).stdout.strip() for _ in names]
    public = [subprocess.run(["wg", "pubkey"], text=True, capture_output=True, input=key, check=True).stdout.strip() for key in keys]
    ends = ((way.client.host, names[0], keys[0], public[1], "", f"Endpoint = 127.0.0.1:{way.entrance}\nPersistentKeepalive = 5\n"),
            (way.service.host, names[1], keys[1], public[0], f"ListenPort = {way.port}\n", ""))
    for number, (host, name, key, peer, interface, more) in enumerate(ends, 1):
        process = host.start(f"wireguard-{number}", ["wireguard-go", "-f", name], env={"WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "error"},
                             ends=True)
        netlab.until(lambda: not process.alive or not host.run(["wg", "show", name], check=False).returncode, 10, f"WireGuard at {name}")
        if not process.alive and "too many open files" in process.log_text():
            pytest.skip("other programs have taken all of fs.inotify.max_user_instances")
        config = linked.lab.folder / f"{name}.conf"
        config.write_text(f"[Interface]\nPrivateKey = {key}\n{interface}[Peer]\nPublicKey = {peer}\nAllowedIPs = 10.99.0.0/24\n{more}")
        host.run(["wg", "setconf", name, str(config)])
        host.run(["ip", "addr", "add", f"10.99.0.{number}/24", "dev", name])
        host.run(["ip", "link", "set", name, "mtu", "1380", "up"])

    near, far = (way.client.host, "10.99.0.1"), (way.service.host, "10.99.0.2")
    sent, received = _transfer(near, far, 3_000_000, 40)
    assert received == sent
    sent, received = _transfer(near, far, 3_000_000, 40, down=True)
    assert received == sent
    # A packet of 1,420 bytes is a datagram of 1,452: through all the same, in the flow's stream.
    for host, name, *_ in ends:
        host.run(["ip", "link", "set", name, "mtu", "1420"])
    sent, received = _transfer(near, far, 500_000, 40)
    assert received == sent
    assert way.client.metric("fairlead_udp_associations") == 1


def _transfer(near, far, size, seconds, down=False):
    """So many bytes over one TCP connection through the tunnel. Returns both counts."""
    listener = far[0].listen(9000, far[1])
    listener.settimeout(seconds)
    got = []

    def receive(connection):
        connection.settimeout(seconds)
        n = 0
        while n < size and (piece := connection.recv(1 << 16)):
            n += len(piece)
        got.append(n)

    client = near[0].connect(9000, far[1], timeout=seconds)
    server, _ = listener.accept()
    source, sink = (server, client) if down else (client, server)
    receiving = threading.Thread(target=receive, args=(sink,))
    receiving.start()
    source.settimeout(seconds)
    source.sendall(bytes(size))
    receiving.join(seconds)
    for each in (client, server, listener):
        each.close()
    return size, got[0] if got else None


@BOTH
def test_a_stream_like_rtp_keeps_order_and_pace(linked, direction):
    bad_link(linked, "rtt=50ms loss=0.01")
    way = udp_way(linked, direction)
    service, client = way.service_socket(), way.client_socket()
    client.send(b"hello")
    service.recv(100)
    arrivals = stream(client, service, 300, 50, 172)  # 20 ms of G.711 each
    print(f"lost {arrivals.lost(300):.1%}, jitter {arrivals.jitter() * 1000:.2f} ms, p99 {arrivals.percentile(0.99) * 1000:.1f} ms")
    assert arrivals.lost(300) < 0.04
    assert arrivals.twice() == 0 and arrivals.out_of_order() == 0
    assert arrivals.percentile(0.5) < 0.035
    assert arrivals.jitter() < 0.01


def test_a_game_server_and_its_players(linked):
    """Each of 20 players says where he is 20 times a second; the server tells all of them of all."""
    bad_link(linked, "rtt=40ms loss=0.01")
    way = udp_way(linked, "cloud-to-edge")
    server = way.service_socket(timeout=None)
    state = {}

    def serve():
        due = time.monotonic()
        end = due + 4
        while (now := time.monotonic()) < end:
            if select.select([server], [], [], max(0, due - now))[0]:
                data, peer = server.recvfrom(1000)
                state[peer] = int(data)
            if time.monotonic() >= due:
                due += 0.05
                told = json.dumps(list(state.values())).encode()
                for peer in state:
                    server.sendto(told, peer)

    serving = threading.Thread(target=serve)
    serving.start()
    players = [way.client_socket(timeout=0) for _ in range(20)]
    heard = [[] for _ in players]
    start = time.monotonic()
    for tick in range(80):
        for number, player in enumerate(players):
            player.send(b"%d" % (tick * 100 + number))
        while (left := start + (tick + 1) * 0.05 - time.monotonic()) > 0:
            for player in select.select(players, [], [], left)[0]:
                heard[players.index(player)].append(json.loads(player.recv(4000)))
    serving.join()
    for words in heard:
        assert len(words) > 60
        assert len(words[-1]) == len(players)
        # What he hears of anybody is at most a few ticks old.
        assert all(value // 100 > 70 for value in words[-1])
