"""Things that stay open while something breaks: `logs -f`, and others that come again and again."""
import http.client
import threading
import time

# Lines that count, so that a gap is seen.
TELLER = ["sh", "-c", "n=0; while sleep 0.05; do n=$((n+1)); echo $n; done"]
# Ways in which a call fails; AssertionError: with another answer than it should have.
BROKEN = (OSError, AssertionError, http.client.HTTPException, ValueError)


class Following:
    """`logs -f` of a teller, read as it comes. `ended`: how it did; None as long as it goes on."""

    def __init__(self, api, namespace, pod, timeout=60):
        self.numbers, self.ended = [], None
        self._answer = api.logs(namespace, pod, timeout, follow="true", tailLines="1")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            while line := self._answer.readline():
                self.numbers.append(int(line))
            self.ended = "at its end"
        except Exception as error:  # whatever it was: it is over
            self.ended = repr(error)

    def has_no_gap(self):
        return self.numbers == list(range(self.numbers[0], self.numbers[0] + len(self.numbers)))

    def close(self):
        self._answer.connection.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Busy:
    """Calls of `act` in a row, on threads, while the block runs. `took`: seconds of each; `errors` of those that failed."""

    def __init__(self, acts):
        self.took, self.errors, self._stop = [], [], threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(act,), daemon=True) for act in acts]

    def _run(self, act):
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                act()
            except BROKEN as error:
                self.errors.append(repr(error))
                self._stop.wait(0.05)
            self.took.append(time.monotonic() - began)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads), "a call hangs"
