"""What the lints share: which files there are, C++ as tokens, and how findings are shown."""
import argparse
import pathlib
import re
import subprocess
import sys
from typing import NamedTuple


class Finding(NamedTuple):
    path: str
    line: int
    text: str


class Token(NamedTuple):
    text: str
    line: int


def files(root, *suffixes):
    """Files of the repository, as paths relative to root: tracked ones and new ones that are not ignored."""
    git = subprocess.run(["git", "-C", root, "ls-files", "-z", "-co", "--exclude-standard"], capture_output=True, text=True)
    if git.returncode == 0:
        names = sorted(set(filter(None, git.stdout.split("\0"))))
    else:  # an unpacked archive
        names = sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_relative_to(root / "build"))
    paths = [pathlib.PurePosixPath(n) for n in names if (root / n).is_file() and not (root / n).is_symlink()]
    return [p for p in paths if not suffixes or p.suffix in suffixes]


def read(root, path):
    return (root / path).read_bytes().decode("utf-8", errors="surrogateescape")


_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
      | (?P<directive>^[ \t]*\#(?:[^\n\\]|\\\n|\\.)*)
      | (?P<raw>(?:u8|[uUL])?R"(?P<fence>[^()\\\s]*)\(.*?\)(?P=fence)")
      | (?P<string>(?:u8|[uUL])?"(?:[^"\\\n]|\\.)*")
      | (?P<char>(?:u8|[uUL])?'(?:[^'\\\n]|\\.)+')
      | (?P<number>\.?\d(?:[eEpP][+-]|'?[\w.])*)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<punctuation>\.\.\.|::|->|&&|\|\||==|!=|<=|<<|\+=|-=|\*=|/=|%=|\|=|&=|\^=|\+\+|--|.)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


def tokens(text):
    """The tokens of a C++ file. Comments are left out; a preprocessor directive is one token; `>>` is two."""
    line, result = 1, []
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "space":
            result.append(Token(match.group().strip(), line))
        line += match.group().count("\n")
    return result


def main(check, describe):
    """Runs check(root) -> findings from the command line; exits 1 if it found anything."""
    parser = argparse.ArgumentParser(description=describe)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2], help="the tree to check")
    found = sorted(set(check(parser.parse_args().root)))
    for finding in found:
        print(f"{finding.path}:{finding.line}: {finding.text}")
    name = pathlib.Path(sys.argv[0]).name
    print(f"{name}: {len(found)} finding{'s' * (len(found) != 1)}" if found else f"{name}: clean")
    sys.exit(1 if found else 0)
