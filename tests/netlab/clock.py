"""A machine whose clock is wrong, for one program.

    host.run([*netlab.clock.ahead(lab, seconds=7200), "date"])
"""
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("programs") / "wrong_clock.c"


def ahead(lab, seconds):
    """What to put before a command line, so that its wall clock is so much ahead of this machine's; negative: behind."""
    library = lab.folder / "wrong_clock.so"
    if not library.exists():
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE], check=True)
    return ["env", f"LD_PRELOAD={library}", f"FAIRLEAD_CLOCK_AHEAD={seconds}"]
