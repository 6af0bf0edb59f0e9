"""Programs of the lab in Python. They run under Debian's own interpreter, which has the packages of tools/setup (h11, websockets)."""
from pathlib import Path

INTERPRETER = "/usr/bin/python3"
_PROGRAMS = Path(__file__).parent / "programs"


def program(name, *words):
    """The command line of programs/NAME.py."""
    return [INTERPRETER, _PROGRAMS / f"{name}.py", *words]
