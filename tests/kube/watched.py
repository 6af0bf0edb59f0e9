"""Kubernetes as the tests speak to it: by kubectl, waiting on watches."""
import json
import os
import selectors
import subprocess
import time

import netlab


class Refused(AssertionError):
    """kubectl ended with an error; `text` is what it said."""

    def __init__(self, words, text):
        super().__init__(f"kubectl {' '.join(words)}: {text}")
        self.text = text


class Kubectl:
    """`argv` is how the command line begins, `environment` what it needs besides ours."""

    def __init__(self, argv, environment):
        self._argv, self._environment = argv, {**os.environ, **environment}

    def __call__(self, *words, stdin=None, timeout=60):
        """What it printed; Refused when its status is not 0."""
        result = subprocess.run([*self._argv, *words], input=stdin, text=True, capture_output=True, env=self._environment, timeout=timeout)
        if result.returncode:
            raise Refused(words, (result.stderr or result.stdout).strip())
        return result.stdout

    def inside(self, namespace):
        """The same, in a Kubernetes namespace."""
        return Kubectl([*self._argv, "-n", namespace], self._environment)

    def start(self, *words, environment=None, **options):
        """A kubectl that runs, as a Popen."""
        return subprocess.Popen([*self._argv, *words], env={**self._environment, **(environment or {})}, **options)

    def raw(self, *words, stdin=None, timeout=120, environment=None):
        """(status, output, error output) in bytes."""
        result = subprocess.run([*self._argv, *words], input=stdin, capture_output=True, timeout=timeout,
                                env={**self._environment, **(environment or {})})
        return result.returncode, result.stdout, result.stderr

    def get(self, *words):
        return json.loads(self("get", *words, "-o", "json"))

    def apply(self, *items):
        self("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    def until(self, condition, seconds, *words):
        """The first state of an object in which `condition` holds, seen by watching it; `words` as after `kubectl get`."""
        argv = [*self._argv, "get", *words, "-o", "json", "--watch"]
        watching = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self._environment)
        last = {}
        try:
            for last in _objects(watching, time.monotonic() + seconds):
                if condition(last):
                    return last
        finally:
            watching.kill()
            watching.communicate()
        raise netlab.TimeoutExpired(f"not within {seconds:g} s: {' '.join(words)}; last state: {json.dumps(last.get('status'))}")


def _objects(process, deadline):
    """JSON objects as they come, until the deadline or the end."""
    text, decoder, ready = "", json.JSONDecoder(), selectors.DefaultSelector()
    ready.register(process.stdout, selectors.EVENT_READ)
    while ready.select(max(0, deadline - time.monotonic())):
        piece = os.read(process.stdout.fileno(), 1 << 16)
        if not piece:
            raise Refused(["get", "--watch"], process.stderr.read().decode().strip() or "the watch ended")
        text += piece.decode()
        while text := text.lstrip():
            try:
                value, end = decoder.raw_decode(text)
            except ValueError:
                break
            text = text[end:]
            yield value
