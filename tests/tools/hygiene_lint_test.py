"""The hygiene lint finds what no file may have. What it must find is put together here, so that this file is clean itself."""
import pytest
from tools.lint import findings


@pytest.mark.parametrize("path, text", [
    ("docs/a.md", "run it in /ho" + "me/ann/fairlead\n"),
    ("src/a.cpp", '#include "/wo' + 'rk/x.h"\n'),
    ("tools/a", "curl https://de" + "b.debian.org/x\n"),
    ("Makefile", "all: # from py" + "pi.org\n"),
    ("src/a.h", "// TO" + "DO: later\n"),
    ("src/a.cpp", "int a;  // FIX" + "ME\n"),
    ("src/a.cpp", "\tint a;\n"),
    ("src/a.cpp", "int a;\r\n"),
    ("src/a.cpp", "int a;"),
    ("docs/a.md", "<<<<" + "<<< ours\n"),
    ("tools/a", "#!/bin/sh\nif true; then\n"),
    ("tools/a.sh", "echo $(\n"),
    ("tools/a", "#!/usr/bin/env python3\ndef f(:\n"),
    ("tests/a.py", "x = = 1\n"),
])
def test_what_no_file_may_have_is_found(tmp_path, path, text):
    assert path in {p for p, _ in findings("hygiene", tmp_path, {path: text})}


@pytest.mark.parametrize("path, text", [
    ("Makefile", "all:\n\techo a\n"),
    ("src/a.cpp", 'constexpr auto kUrl = "http://shop/home/x";  // todo list, /homestead, /workload\n'),
    ("tools/a", "#!/usr/bin/env bash\n[ -x /usr/bin/env ] && echo yes\n"),
    ("tools/a", "#!/usr/bin/env python3\nprint(1)\n"),
    ("LICENSE", "no newline at the end"),
    ("tests/fuzz/corpus/a_fuzz/1", "\tno newline\r"),
    ("docs/picture.png", "\0\r\t"),
    ("docs/empty.md", ""),
])
def test_what_a_file_may_have_is_clean(tmp_path, path, text):
    assert not findings("hygiene", tmp_path, {path: text})


def test_the_line_is_told(tmp_path):
    assert set(findings("hygiene", tmp_path, {"a.md": "one\ntwo TO" + "DO\n"})) == {("a.md", 2)}
