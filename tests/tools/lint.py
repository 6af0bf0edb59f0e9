"""Runs a lint of tools/lint on a small tree."""
import pathlib
import re
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def findings(lint, root, tree):
    """Writes `tree` (path: text) below root and returns the findings as {(path, line): text}; checks that the exit status agrees."""
    for path, text in tree.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    run = subprocess.run([REPOSITORY / "tools/lint" / lint, "--root", root], capture_output=True, text=True)
    found = {(m[1], int(m[2])): m[3] for m in re.finditer(r"^(\S+?):(\d+): (.*)$", run.stdout, re.MULTILINE)}
    assert run.returncode == (1 if found else 0), run.stdout + run.stderr
    return found
