"""An HTTP/1.1 client that shows all of an answer: interim ones, the case and order of fields, trailers. h11 checks what comes."""
import json
import socket
import struct

import h11

READ = 256 * 1024
MAX_HEAD = 1 << 20


class Answer:
    """`early` are the interim answers (1xx) that came before it."""

    def __init__(self, response, early=()):
        self.status, self.reason = response.status_code, response.reason.decode()
        self.fields = [(name.decode(), value.decode("latin-1")) for name, value in response.headers.raw_items()]
        self.early, self.trailers, self._pieces = list(early), [], []

    @property
    def body(self):
        """What has come of it so far."""
        self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    def add(self, piece):
        self._pieces.append(bytes(piece))

    def header(self, name):
        """Values of the field joined as one list; None without it."""
        values = [value for found, value in self.fields if found.lower() == name.lower()]
        return ", ".join(values) if values else None

    def json(self):
        return json.loads(self.body)


class Broken(Exception):
    """The answer ended before it was whole; `answer` is what came of it, None before its head."""

    def __init__(self, why, answer):
        super().__init__(str(why))
        self.answer = answer


class Client:
    """One kept connection from a host of the lab. `tls`: an ssl.SSLContext."""

    def __init__(self, host, port, address="127.0.0.1", tls=None, server_name=None, timeout=10, first=b""):
        self.port = port
        self.socket = host.connect(port, address, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if first:  # ahead of TLS and HTTP: a PROXY header
            self.socket.sendall(first)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=server_name)
        self._h11 = None

    def begin(self, method, target, fields=(), body=None):
        """Sends the head; a body of bytes gets a Content-Length and goes along, what else has one says so in its fields."""
        if self._h11 is None:
            self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        else:
            self._h11.start_next_cycle()
        names = {name.lower() for name, _ in fields}
        fields = list(fields) if "host" in names else [("Host", f"127.0.0.1:{self.port}"), *fields]
        if body is not None:
            fields.append(("Content-Length", str(len(body))))
        self._send(h11.Request(method=method, target=target, headers=fields))
        if body is not None or not names & {"content-length", "transfer-encoding"}:
            self.data(body or b"")
            self.end()

    def _send(self, event):
        if data := self._h11.send(event):
            self.socket.sendall(data)

    def data(self, piece):
        self._send(h11.Data(piece))

    def end(self, trailers=()):
        self._send(h11.EndOfMessage(headers=trailers))

    def _event(self, answer):
        try:
            while (event := self._h11.next_event()) is h11.NEED_DATA:
                self._h11.receive_data(self.socket.recv(READ))
        except (ConnectionError, h11.RemoteProtocolError, OSError) as error:
            raise Broken(error, answer) from error
        if isinstance(event, h11.ConnectionClosed):
            raise Broken("closed", answer)
        return event

    def head(self):
        """The next answer's head, its body still to come."""
        early = []
        while isinstance(event := self._event(None), h11.InformationalResponse):
            early.append(Answer(event))
        return Answer(event, early)

    def interim(self):
        """The next interim answer, which must be what comes next."""
        event = self._event(None)
        assert isinstance(event, h11.InformationalResponse), event
        return Answer(event)

    def piece(self, answer):
        """The next piece of the body; b"" at its end, when `answer` has its trailers."""
        event = self._event(answer)
        if isinstance(event, h11.Data):
            answer.add(event.data)
            return bytes(event.data)
        answer.trailers = [(name.decode(), value.decode()) for name, value in event.headers.raw_items()]
        return b""

    def answer(self):
        """The next answer, whole."""
        answer = self.head()
        while self.piece(answer):
            pass
        return answer

    def ask(self, method, target, fields=(), body=None):
        self.begin(method, target, fields, body)
        return self.answer()

    def get(self, target, *fields):
        return self.ask("GET", target, fields)

    def raw(self, data):
        """Sends bytes as they are and returns all that comes until the other side closes or resets."""
        pieces = []
        try:
            self.socket.sendall(data)
            while piece := self.socket.recv(READ):
                pieces.append(piece)
        except ConnectionError:
            pass
        return b"".join(pieces)

    def reset(self):
        """Closes with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def answers(data, *methods):
    """The answers to requests of `methods` that lie one behind the other in `data`; Broken when one is not whole."""
    found = []
    for method in methods:
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        connection.send(h11.EndOfMessage())
        connection.receive_data(data)
        connection.receive_data(b"")
        answer, early = None, []
        try:
            while not isinstance(event := connection.next_event(), h11.EndOfMessage):
                if isinstance(event, h11.InformationalResponse):
                    early.append(Answer(event))
                elif isinstance(event, h11.Response):
                    answer = Answer(event, early)
                elif isinstance(event, h11.Data):
                    answer.add(event.data)
                else:
                    raise Broken(event, answer)
        except h11.RemoteProtocolError as error:
            raise Broken(error, answer) from error
        answer.trailers = list(event.headers.raw_items())
        found.append(answer)
        data = connection.trailing_data[0]
    return found
