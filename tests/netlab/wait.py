"""Waiting for what must happen, with a deadline; the only place in the tests that lets time pass."""
import time

POLL_SECONDS = 0.01


class TimeoutExpired(AssertionError):
    """What was waited for did not happen in time."""


def until(condition, seconds, what):
    """Returns the first true value of `condition()`; raises TimeoutExpired naming `what` after `seconds`.

    A condition that raises OSError or ValueError (a socket not there yet, half a file) counts as not yet true.
    """
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (OSError, ValueError) as error:
            last = error
        if time.monotonic() >= deadline:
            raise TimeoutExpired(f"not within {seconds:g} s: {what} (last: {last!r})")
        time.sleep(POLL_SECONDS)


class Clock:
    """Seconds since it was made."""

    def __init__(self):
        self._began = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self._began
