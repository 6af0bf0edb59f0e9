"""exec and logs straight at the API server, over WebSocket and HTTP: what kubectl does, cheap enough for hundreds at once, and with a clock."""
import http.client
import json
import os
import ssl
import struct
from urllib.parse import urlencode

from kubelab.settings import API_PORT

_STDIN, _STDOUT, _STDERR, _STATUS = range(4)  # channels of v5.channel.k8s.io
_CLOSE = 8


class Failed(AssertionError):
    """The API server's answer was no success: `status` and what it says."""

    def __init__(self, status, text):
        try:
            text = json.loads(text)["message"]
        except (ValueError, KeyError):
            pass
        super().__init__(f"{status}: {text}")
        self.status, self.text = status, text


class Api:
    """The API server, asked as administrator from the cloud."""

    def __init__(self, managed):
        self._host, pki = managed.lab.cloud, managed.settings.pki
        self._tls = ssl.create_default_context(cafile=pki / "ca.crt")
        self._tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def get(self, path, timeout=20):
        """An open answer with status 200."""
        connection = http.client.HTTPSConnection("127.0.0.1", API_PORT)
        connection.sock = self.connect(timeout)
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise Failed(answer.status, answer.read().decode())
        answer.connection = connection
        return answer

    def ready(self):
        try:
            return self.get("/readyz", 2).read() == b"ok"
        except (OSError, Failed, http.client.HTTPException):
            return False

    def logs(self, namespace, pod, timeout=20, **options):
        """An open answer; with follow=1 one that goes on."""
        return self.get(f"/api/v1/namespaces/{namespace}/pods/{pod}/log?{urlencode(options)}", timeout)

    def run(self, namespace, pod, *command, timeout=20):
        """(exit code, output) of a command in a pod."""
        with Exec(self, namespace, pod, command, timeout=timeout) as session:
            return session.end()

    def connect(self, timeout):
        return self._tls.wrap_socket(self._host.connect(API_PORT, timeout=timeout), server_hostname="127.0.0.1")


class Exec:
    """A command in a pod, with its input and output."""

    def __init__(self, api, namespace, pod, command, stdin=False, timeout=20):
        self.output, self._got = b"", b""
        asked = urlencode([*(("command", word) for word in command), ("stdout", "1"), ("stderr", "1"), *([("stdin", "1")] if stdin else [])])
        self.socket = api.connect(timeout)
        try:
            self._upgrade(f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?{asked}")
        except BaseException:
            self.socket.close()
            raise

    def _upgrade(self, path):
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                            "Sec-WebSocket-Key: ZmFpcmxlYWQga3ViZSBsYQ==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n".encode())
        while b"\r\n\r\n" not in self._got:
            self._receive()
        head, _, self._got = self._got.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        if status != 101:
            length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
            while len(self._got) < length:
                self._receive()
            raise Failed(status, self._got[:length].decode())

    def _receive(self):
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise ConnectionError("the API server closed the connection")
        self._got += piece

    def type(self, data):
        frame = bytes([_STDIN]) + data
        size = bytes([0x80 | len(frame)]) if len(frame) < 126 else b"\xfe" + struct.pack(">H", len(frame))
        self.socket.sendall(b"\x82" + size + bytes(4) + frame)

    def _frame(self):
        """(channel, data) of the next message; ConnectionError when there is none any more."""
        while len(self._got) < 2:
            self._receive()
        kind, size, head = self._got[0] & 15, self._got[1] & 127, 2
        if size >= 126:
            head = 4 if size == 126 else 10
            while len(self._got) < head:
                self._receive()
            size = int.from_bytes(self._got[2:head], "big")
        while len(self._got) < head + size:
            self._receive()
        data, self._got = self._got[head:head + size], self._got[head + size:]
        if kind == _CLOSE:
            raise ConnectionError(f"closed: {data[2:].decode(errors='replace')}")
        return (data[0], data[1:]) if data else (None, b"")

    def echo(self, data):
        """Types it and reads until it has come back."""
        before = len(self.output)
        self.type(data)
        while self.output[before:] != data:
            channel, more = self._frame()
            if channel == _STATUS:
                raise ConnectionError(f"ended: {more.decode()}")
            self.output += more if channel == _STDOUT else b""

    def end(self):
        """(exit code, all output) when the command ends; ConnectionError if it ends with another failure."""
        while True:
            channel, data = self._frame()
            if channel in (_STDOUT, _STDERR):
                self.output += data
            if channel == _STATUS:
                status = json.loads(data)
                if status["status"] == "Success":
                    return 0, self.output
                causes = {row.get("reason"): row["message"] for row in status.get("details", {}).get("causes", [])}
                if "ExitCode" not in causes:
                    raise ConnectionError(status.get("message", ""))
                return int(causes["ExitCode"]), self.output

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def token(size):
    """Random bytes without the newline, for echoes."""
    return os.urandom(size).hex().encode()
