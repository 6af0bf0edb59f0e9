"""PID 1 of a machine. Its working folder is the machine's part of the lab's state: etc/, log/, run/."""
import os
import socket
from pathlib import Path

from . import cloud, edge
from .settings import CLOUDS
from .supervisor import Supervisor


def main(settings, machine):
    os.chdir(settings.folder(machine))
    socket.sethostname(machine)
    os.environ["HOME"] = str(Path.cwd())
    supervisor = Supervisor()
    if machine in CLOUDS:
        cloud.run(settings, machine, supervisor)
    else:
        edge.run(settings, machine, supervisor)
    supervisor.run()
