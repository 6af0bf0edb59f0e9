"""A stand-in for a tunnel between cloud and edge, for tests of the lab itself: what Fairlead will do, as simply as it can be done.

    relay      TCP from a port on the edge to a port in the cloud: an edge's programs find the API server on the node
    connect    HTTP CONNECT on a UNIX socket, as kube-apiserver's egress selector speaks it, dialled from the edge. UNIX sockets ignore
               network namespaces, so that the API server reaches it although the firewall lets nothing through
"""
import asyncio
import contextlib
import socket
import threading


class Tunnel:
    """Runs on a thread until closed. `network` is the edge's."""

    def __init__(self, network):
        self._network, self._loop, self.connects = network, asyncio.new_event_loop(), []
        self._servers, self._tasks = [], set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def relay(self, port, to):
        with self._network.entered():
            listener = socket.create_server(("127.0.0.1", port))

        async def serve(reader, writer):
            await self._splice(reader, writer, *to)

        self._serve(asyncio.start_server(serve, sock=listener))

    def connect(self, path):
        async def serve(reader, writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split(" ", 2)
            assert method == "CONNECT"
            host, port = target.rsplit(":", 1)
            self.connects.append(target)
            await self._splice(reader, writer, host, int(port), b"HTTP/1.1 200 Connection established\r\n\r\n")

        self._serve(asyncio.start_unix_server(serve, path))

    def close(self):
        async def end():
            for server in self._servers:
                server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _serve(self, starting):
        self._servers.append(asyncio.run_coroutine_threadsafe(starting, self._loop).result(5))

    async def _splice(self, reader, writer, host, port, greeting=b""):
        with self._network.entered():
            dialled = socket.socket()
        dialled.setblocking(False)
        try:
            await self._loop.sock_connect(dialled, (host, port))
            far_reader, far_writer = await asyncio.open_connection(sock=dialled)
        except OSError:
            dialled.close()
            writer.close()
            return
        writer.write(greeting)
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        far_writer.close()
        writer.close()


async def _copy(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
