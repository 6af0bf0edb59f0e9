"""One process that a lab runs: its pid, its log, its end."""
import os
import signal
import subprocess
import time

from . import proc
from .wait import until

STOP_SECONDS = 5


class Process:
    """Started by Host.start(). It is killed with the thread that started it (PR_SET_PDEATHSIG), so that nothing survives
    a killed test: start processes from the main thread. `ends`: it is meant to end by itself.
    """

    def __init__(self, name, argv, log, env=None, ends=False):
        self.name, self.argv, self.log = name, argv, log
        self._asked_to_end = ends
        self.started = time.monotonic()
        with open(log, "ab") as out:
            self._popen = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], stdin=subprocess.PIPE, stdout=out, stderr=out,
                                           env={**os.environ, **(env or {})}, start_new_session=True)
        self.pid = self._popen.pid

    @property
    def alive(self):
        return self._popen.poll() is None

    @property
    def status(self):
        """Exit status, minus the signal's number when a signal ended it; None while it runs."""
        return self._popen.poll()

    @property
    def ended_by_itself(self):
        return not self.alive and not self._asked_to_end

    def log_text(self):
        return self.log.read_text(errors="replace")

    def wait_for_log(self, text, seconds):
        """Until `text` is in the log; fails at once when the process ends without it."""
        until(lambda: text in self.log_text() or not self.alive, seconds, f"'{text}' in {self.log}")
        assert text in self.log_text(), f"{self.name} ended with {self.status} before it said '{text}': {self.log}"

    def signal(self, number):
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            self._asked_to_end = True
        if self.alive:
            self._popen.send_signal(number)

    def say(self, line):
        """A line on its standard input."""
        self._popen.stdin.write(line.encode() + b"\n")
        self._popen.stdin.flush()

    def close_input(self):
        self._asked_to_end = True
        self._popen.stdin.close()

    def wait(self, seconds):
        """Exit status; TimeoutExpired when it still runs after `seconds`."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return until(lambda: not self.alive, 0, f"end of {self.name} (pid {self.pid}), log {self.log}")

    def kill(self):
        """kill -9, and gone on return."""
        self.signal(signal.SIGKILL)
        self.wait(STOP_SECONDS)

    def stop(self, seconds=STOP_SECONDS):
        """SIGTERM, and SIGKILL to it and its descendants when that was not enough. Returns the exit status."""
        self.signal(signal.SIGTERM)
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            kill_all(proc.tree([self.pid]))
        return self._popen.wait(seconds)


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
