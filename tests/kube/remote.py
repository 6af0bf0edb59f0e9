"""kubectl as a person uses it: running while one types, looks and resizes; and its protocols."""
import fcntl
import os
import pty
import selectors
import signal
import struct
import subprocess
import termios
import time

import netlab

PROTOCOLS = {"websocket": "true", "spdy": "false"}


def speaking(protocol):
    """kubectl's environment for one of PROTOCOLS."""
    return {name: PROTOCOLS[protocol] for name in ("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "KUBECTL_PORT_FORWARD_WEBSOCKETS")}


class Running:
    """A kubectl that runs. Reads its output piece by piece, with a deadline each."""

    def __init__(self, kubectl, *words, environment=None, **options):
        self.process = kubectl.start(*words, environment=environment, **{
            "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})
        self.seen = b""
        self._from = self.process.stdout.fileno() if self.process.stdout else None

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def read(self, seconds):
        """The next piece of output; b"" at its end."""
        ready = selectors.DefaultSelector()
        ready.register(self._from, selectors.EVENT_READ)
        if not ready.select(max(0, seconds)):
            raise netlab.TimeoutExpired(f"no output within {seconds:g} s; so far {self.seen[-200:]!r}")
        try:
            piece = os.read(self._from, 1 << 16)
        except OSError:  # a terminal whose last user has gone
            piece = b""
        self.seen += piece
        return piece

    def until(self, text, seconds=20):
        """Reads until the output has this; returns what came until then, and forgets that."""
        deadline = time.monotonic() + seconds
        while text.encode() not in self.seen:
            if not self.read(deadline - time.monotonic()):
                raise AssertionError(f"ended before it said {text!r}: {self.seen[-500:]!r}, {self._last_words()}")
        before, mark, self.seen = self.seen.partition(text.encode())
        return (before + mark).decode(errors="replace")

    def end(self, seconds=20):
        """(exit status, what it said at last on its error output) when it ends by itself."""
        try:
            _, errors = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise netlab.TimeoutExpired(f"kubectl still runs after {seconds:g} s") from None
        return self.process.returncode, (errors or b"").decode(errors="replace")

    def _last_words(self):
        return self.end(5) if self.process.stderr else ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


class Terminal(Running):
    """kubectl on a terminal that can be resized."""

    def __init__(self, kubectl, *words, size, environment=None):
        self._ours, theirs = pty.openpty()
        self._set(size)
        super().__init__(kubectl, *words, environment=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self._from = self._ours

    def type(self, text):
        os.write(self._ours, text.encode())

    def resize(self, rows, columns):
        self._set((rows, columns))
        self.process.send_signal(signal.SIGWINCH)

    def _set(self, size):
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    def __exit__(self, *_):
        super().__exit__()
        os.close(self._ours)
