"""Who made a namespace or a folder is in its name, so that what a killed run left behind can be told from what is in use.

A name is fairlead-PID-START-REST. START is the start time of the process in clock ticks since boot: a later process with the
same PID is not taken for the owner.
"""
import os
import re

_NAME = re.compile(r"fairlead-(\d+)-(\d+)-")


def start_ticks(pid):
    """Start time of a process in ticks since boot (proc(5), stat field 22); None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            text = file.read()
    except OSError:
        return None
    return int(text[text.rindex(")") + 2:].split()[19])


def name(rest):
    """`rest` as a name owned by this process."""
    return f"fairlead-{os.getpid()}-{start_ticks(os.getpid())}-{rest}"


def is_orphan(owned_name):
    """True for a name made by name() whose owner is dead."""
    match = _NAME.match(owned_name)
    return bool(match) and start_ticks(match[1]) != int(match[2])
