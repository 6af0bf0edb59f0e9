"""Many flows, slow ones, and two loops in the cloud."""
import asyncio
import socket

import netlab
from netlab import manifests, proc

from ways import NODE

CONNECTIONS = 5000
STALLED = 20


async def echo_server(listener):
    async def echo(reader, writer):
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    return await asyncio.start_server(echo, sock=listener, backlog=CONNECTIONS)


async def connected(host, port, count):
    """Streams of `count` connections to the entrance at `port`, all of them open at once."""
    loop = asyncio.get_running_loop()
    sockets = [host.tcp_socket() for _ in range(count)]
    for connection in sockets:
        connection.setblocking(False)
    await asyncio.gather(*(loop.sock_connect(connection, ("127.0.0.1", port)) for connection in sockets))
    return [await asyncio.open_connection(sock=connection) for connection in sockets]


async def ask(stream, question):
    reader, writer = stream
    writer.write(question)
    answer = await reader.readexactly(len(question))
    assert answer == question
    return answer


def test_five_thousand_connections_at_once(to_edge):
    async def run():
        server = await echo_server(to_edge.listen())
        streams = await connected(to_edge.client.host, to_edge.entrance, CONNECTIONS)
        for turn in range(2):
            questions = [f"{turn}/{number}".encode() for number in range(CONNECTIONS)]
            answers = await asyncio.gather(*(ask(stream, question) for stream, question in zip(streams, questions)))
            assert answers == questions
        assert to_edge.site.nodes()[NODE]["flows"] == CONNECTIONS
        for _, writer in streams:
            writer.close()
        server.close()

    asyncio.run(asyncio.wait_for(run(), 60))
    netlab.until(lambda: to_edge.site.nodes()[NODE]["flows"] == 0, 10, "all flows ended")


def test_slow_readers_cost_bounded_memory_and_delay_no_other_flow(to_edge):
    """Twenty clients that read nothing, targets that write all they can: less than a full stream window (8 MiB) is held for each."""
    processes = [to_edge.site.cloud.process, to_edge.site.edges[NODE].process]
    before = [proc.rss_bytes([process.pid]) for process in processes]
    stalled, written = [], 0
    for _ in range(STALLED):
        client, target = to_edge.pair()
        target.setblocking(False)
        stalled.append((client, target))
    chunk = bytes(1 << 16)

    def all_blocked():
        nonlocal written
        sent = 0
        for _, target in stalled:
            try:
                sent += target.send(chunk)
            except BlockingIOError:
                pass
        written += sent
        return sent == 0

    def stays_blocked():
        return all_blocked() and all_blocked()

    netlab.until(stays_blocked, 30, "writers held back")
    grown = [proc.rss_bytes([process.pid]) - size for process, size in zip(processes, before)]
    # A reader that drains nothing gets no more than the first window (256 KiB); the rest of what was written lies in the kernel's buffers.
    assert all(size < STALLED * 2**20 for size in grown), f"grew by {grown} bytes after {written} bytes written"

    client, target = to_edge.pair()
    clock = netlab.Clock()
    for number in range(100):
        client.sendall(b"question")
        assert target.recv(100) == b"question"
        target.sendall(b"answer")
        assert client.recv(100) == b"answer"
    assert clock.seconds < 1, "a hundred turns beside stalled flows"
    for ends in stalled:
        for end in ends:
            end.close()


def test_two_loops_with_flows_between_them(site):
    """Edges on both loops of the cloud: whichever loop accepts a client, its flow gets to the loop that has the edge."""
    port, each = site.lab.port, 200
    site.cloud.configure("loops: 2\n")
    site.start_cloud()
    site.start_edge(NODE)
    # The kernel chooses the loop by the edge's port: nearly always one of a few edges is on the other.
    for number in range(1, 16):
        site.issue(f"edge-{number}")
        site.start_edge(f"edge-{number}")
        loops = {node: fields["loop"] for node, fields in site.nodes().items()}
        if len(set(loops.values())) == 2:
            break
    assert set(loops.values()) == {0, 1}
    nodes = [NODE, next(node for node in loops if loops[node] != loops[NODE])]
    entrances = {node: port(18080 + index) for index, node in enumerate(nodes)}
    targets = {node: port(8080 + index) for index, node in enumerate(nodes)}
    for node in nodes:
        site.cloud.rules(node, manifests.to_node(f"to-{node}", entrances[node], node, targets[node]))
        site.cloud.host.wait_listening(entrances[node])

    async def run():
        servers = [await echo_server(site.lab.edge.listen(target)) for target in targets.values()]
        streams = [stream for entrance in entrances.values() for stream in await connected(site.cloud.host, entrance, each)]
        payload = bytes(range(256)) * 1024
        for _ in range(4):
            await asyncio.gather(*(ask(stream, payload) for stream in streams))
        assert {node: site.nodes()[node]["flows"] for node in nodes} == dict.fromkeys(nodes, each)
        for _, writer in streams:
            writer.close()
        for server in servers:
            server.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_client_that_leaves_at_once_leaves_nothing(to_edge):
    listener = to_edge.listen()
    for _ in range(200):
        to_edge.connect().close()
    listener.settimeout(10)
    for _ in range(200):
        accepted, _ = listener.accept()
        accepted.settimeout(10)
        assert accepted.recv(1) == b""
        accepted.shutdown(socket.SHUT_RDWR)
        accepted.close()
    netlab.until(lambda: to_edge.site.nodes()[NODE]["flows"] == 0, 10, "all flows ended")
