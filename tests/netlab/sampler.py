"""Memory of processes over time."""
import threading

from . import proc

SAMPLE_SECONDS = 0.1


class Sampler:
    """Resident memory of processes, every 100 ms, for the length of the block."""

    def __init__(self, pids):
        self._pids, self._stop = pids, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.samples = []

    def _run(self):
        while not self._stop.wait(SAMPLE_SECONDS):
            self.samples.append(proc.rss_bytes(self._pids))

    def settled(self, seconds):
        """True when it has moved by less than 1 % for so long."""
        recent = self.samples[-int(seconds / SAMPLE_SECONDS):]
        return len(recent) >= seconds / SAMPLE_SECONDS and max(recent) - min(recent) < max(recent) / 100

    def after_warm_up(self):
        """(smallest, largest) once the first quarter of the time is over."""
        rest = self.samples[len(self.samples) // 4:]
        return min(rest), max(rest)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
