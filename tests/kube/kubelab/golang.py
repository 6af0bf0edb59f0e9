"""Go programs, built in scratch modules from published sources."""
import os
import re
import selectors
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .shell import Failed, Missing, run, say

_TOOLS = "//go:build tools\n\npackage tools\n\nimport (\n{imports}\n)\n"  # keeps "go mod tidy" from dropping the requirement
_ENVIRONMENT = {"GOWORK": "off", "GO111MODULE": "on"}
_TRIES = 3
_LINE_SECONDS = 20  # between lines of progress where no terminal shows it


def download(module):
    """The folder with a module's sources."""
    try:
        said = _fetch("go", "mod", "download", "-json", module, env=_ENVIRONMENT, cwd="/")
    except Failed as failure:
        raise Missing(f"cannot fetch Go modules here: {failure}") from failure
    return Path(re.search(r'"Dir": "(.*)"', said)[1])


def _fetch(*argv, **options):
    """What asks the network; one failure among hundreds of modules is not the end."""
    for left in range(_TRIES - 1, -1, -1):
        try:
            return run(*argv, **options)
        except Failed as failure:
            why = re.search(r'"Error": "(.*)"', str(failure)) or re.search(r"(.*)\Z", str(failure).strip())
            if not left:
                raise Failed(f"{' '.join(argv)}: {why[1]}") from failure
            say(f"again, since: {why[1]}")


def build(title, folder, requires, packages, out, replaces=(), sources=(), ldflags="-s -w", static=False):
    """Compiles `packages` into the folder `out`, in `folder` with `sources` and a go.mod that requires modules: {module: version}.

    `static`: without C, for images that hold nothing else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text("\n".join([
        f"module kubelab/{folder.name}", "", "go 1.24.0", "", *(f"require {module} v{version}" for module, version in requires.items()),
        *(f"replace {module} => {module} v{version}" for module, version in dict(replaces).items()), ""]))
    foreign = [package for package in packages if not package.startswith(".")]
    if foreign:
        (folder / "tools.go").write_text(_TOOLS.format(imports="\n".join(f'\t_ "{package}"' for package in foreign)))
    for source in sources:
        shutil.copy(source, folder)
    environment = {**_ENVIRONMENT, "CGO_ENABLED": "0" if static else "1"}
    say(f"{title}: resolving modules")
    _fetch("go", "mod", "tidy", cwd=folder, env=environment)
    compile_module(title, folder, packages, out, ldflags, environment)


def compile_module(title, folder, packages, out, ldflags="-s -w", environment=None):
    """`go build` in a folder that has its go.mod and go.sum."""
    environment = {**os.environ, **(environment or {**_ENVIRONMENT, "CGO_ENABLED": "0"})}
    total = len(run("go", "list", "-deps", *packages, cwd=folder, env=environment).splitlines())
    out.mkdir(parents=True, exist_ok=True)
    argv = ["go", "build", "-v", "-buildvcs=false", "-ldflags", ldflags, "-o", f"{out}/", *packages]
    process = subprocess.Popen(argv, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, bufsize=1)
    said = _follow(title, process, total)
    if process.wait():
        raise Failed(f"building {title} failed:\n" + "\n".join(said[-20:]))


def _follow(title, process, total):
    """Shows how far the build is; returns what it said. It names each package when it begins with it, and says nothing while it links."""
    said, began, shown = [], time.monotonic(), time.monotonic()
    waiting = selectors.DefaultSelector()
    waiting.register(process.stderr, selectors.EVENT_READ)
    while True:
        line = process.stderr.readline() if waiting.select(timeout=1) else None
        if line:
            said.append(line.rstrip())
        seconds = time.monotonic() - began
        if line == "" or time.monotonic() - shown > (0.5 if sys.stdout.isatty() else _LINE_SECONDS):
            _show(f"{title}: compiled {len(said)} of at most {total} packages, {int(seconds) // 60}:{int(seconds) % 60:02}", line == "")
            shown = time.monotonic()
        if line == "":
            return said


def _show(text, last):
    if sys.stdout.isatty():
        print(f"\rkubelab: {text}\033[K", end="\n" if last else "", flush=True)
    else:
        say(text)
