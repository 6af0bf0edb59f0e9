"""Programs in the cloud that use what a peer carries, and what is to be told of their answers."""
import itertools
import json
import math
import time
from pathlib import Path

from netlab import python, until

_PROGRAMS = Path(__file__).parent / "programs"
_numbers = itertools.count(1)


def program(name, *words):
    return [python.INTERPRETER, _PROGRAMS / f"{name}.py", *words]


def percentile(values, share):
    """The smallest value that at least `share` of them do not exceed; None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)] if ordered else None


class Download:
    """One GET that is under way on return."""

    def __init__(self, world, path):
        self.process = world.cloud.start(f"download-{next(_numbers)}", program("download", *world.at("web"), path), ends=True)
        self.process.wait_for_log("ready", 30)
        self.found = None

    def finish(self, seconds):
        """Waits for its end for so long, then breaks it off. Its JSON."""
        try:
            self.process.wait(seconds)
        except AssertionError:
            pass
        return self.stop()

    def stop(self):
        if self.found is None:
            if self.process.alive:
                self.process.close_input()
            self.process.wait(40)
            self.found = json.loads(self.process.log_text().splitlines()[-1])
        return self.found


def rate_mbit(found, begin, end):
    """What came of a download between two moments."""
    return (bytes_at(found, end) - bytes_at(found, begin)) * 8e-6 / (end - begin)


def bytes_at(found, moment):
    return max((received for at, received in found["timeline"] if at <= moment), default=0)


def first_bytes_after(found, moment):
    """Seconds until a download's bytes move, None if they never do."""
    return next((at - moment for at, _ in found["timeline"] if at > moment), None)


def longest_gap(found, begin):
    """The longest time without bytes of a download after `begin`, in seconds."""
    moments = [begin, *(at for at, _ in found["timeline"] if at > begin)]
    return max((after - before for before, after in zip(moments, moments[1:])), default=None)


class Steady:
    """Questions at a steady pace from `go()` on; `stop()` tells what became of them."""

    def __init__(self, world, kind, service, *words):
        name = f"{kind}-{next(_numbers)}"
        self.process = world.cloud.start(name, program("steady", kind, *world.at(service), *words), ends=True)
        self.process.wait_for_log("ready", 30)
        self._ended = False
        self.found = None

    def go(self):
        self.process.say("go")
        return self

    def first(self, seconds):
        """Waits for the first answer for so long; whether there was one."""
        try:
            self.process.wait_for_log("first", seconds)
        except AssertionError:
            return False
        return True

    def end(self):
        """No more questions; answers are still taken."""
        if not self._ended and self.process.alive:
            self.process.close_input()
        self._ended = True

    def stop(self, seconds=60):
        self.end()
        if self.found is None:
            self.process.wait(seconds)
            self.found = json.loads(self.process.log_text().splitlines()[-1])
        return self.found


def answered(found):
    return [ms for _, ms in found["asked"] if ms is not None]


def latencies(prefix, found):
    """Percentiles of the answers, the share that came, and enough of the distribution for a plot."""
    times = answered(found)
    asked = len(found["asked"])
    return {f"{prefix}_p50_ms": percentile(times, 50), f"{prefix}_p99_ms": percentile(times, 99), f"{prefix}_max_ms": max(times, default=None),
            f"{prefix}_answered": 100 * len(times) / asked if asked else None, f"{prefix}_asked": asked,
            f"{prefix}_curve": [percentile(times, share) for share in CURVE] if times else []}


CURVE = (1, 5, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.9, 100)


def first_success(found, moment):
    """Seconds from `moment` until the first answer to something asked after it; None if there was none."""
    return min((at + ms / 1000 - moment for at, ms in found["asked"] if at >= moment and ms is not None), default=None)


def begin(*steadies, apart=0.0):
    """Lets them go, one after the other; the moment of the last."""
    for steady in steadies:
        wait_quiet(apart)
        steady.go()
    return now()


def now():
    """The clock of all the programs here."""
    return time.monotonic()


def seconds_until(condition, patience, event):
    """Seconds from `event` until the condition holds; None if it does not within `patience`."""
    try:
        until(condition, patience, "")
    except AssertionError:
        return None
    return now() - event


def wait_quiet(seconds):
    """Time passes: the length of a measurement, not a wait for something."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() >= end, seconds + 1, "time to pass")
