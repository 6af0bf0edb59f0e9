"""The service of programs/origin.py on a host of the lab, and content that it and others can make and check."""
import json

from . import python
from .programs import content

sha256_of = content.sha256


def serve(host, port, name="origin", *options, address="127.0.0.1"):
    """A service that tells `name` in its answers; listening on return."""
    process = host.start(name, python.program("origin", port, "--address", address, "--name", name, *options))
    host.wait_listening(port)
    return process


def seen(host, port):
    """Notes of what happened at the service, asked for on its own host."""
    return json.loads(host.run(["curl", "-sS", "--fail", "--max-time", 5, f"http://127.0.0.1:{port}/seen"]).stdout)
