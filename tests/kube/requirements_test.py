"""On a machine that lacks something the lab says what, and its tests are skipped by name. These need no cluster."""
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from clusters import CLUSTER
from kubelab import build, cgroups, requirements
from kubelab.settings import Settings

_NOBODY = 65534


@pytest.fixture
def nobody(tmp_path):
    """Runs a command as a user without rights; root is needed to become one."""
    if os.geteuid() != 0:
        pytest.skip("must be root to run as somebody else")
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, _NOBODY, _NOBODY)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)

    def run(*argv):
        return subprocess.run([*map(str, argv)], text=True, capture_output=True, user=_NOBODY, group=_NOBODY, extra_groups=[], cwd=home,
                              env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"})

    return run


def test_without_root_it_says_so(nobody):
    for words in (["check"], ["up"], ["down"], ["netns", "cloud", "true"]):
        said = nobody(sys.executable, CLUSTER, *words)
        assert said.returncode == 3 and "must run as root" in said.stderr, said


def test_without_root_tests_are_skipped_by_name_and_none_fails(nobody):
    suite = [CLUSTER.parent / name for name in ("nodes_test.py", "nat_test.py", "fairlead_test.py")]
    said = nobody("/usr/bin/python3", "-m", "pytest", "-c", CLUSTER.parents[1] / "pytest.ini", "-p", "no:cacheprovider", "-v", *suite)
    assert said.returncode == 0, said.stdout
    assert "the lab cannot run here: must run as root" in said.stdout
    assert " passed" not in said.stdout and "test_all_nodes_are_ready_and_have_a_pod SKIPPED" in said.stdout


def test_without_go_it_says_which_is_needed(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert "Go 1.24 or newer is not installed" in requirements.missing_to_build()[0]


def test_an_old_go_that_may_not_fetch_another_is_named(monkeypatch, tmp_path):
    old = tmp_path / "go"
    for said, refused in (("go1.22.1\nlocal", True), ("go1.22.1\nauto", False), ("go1.19.8\nauto", True), ("go1.26.8\nlocal", False)):
        old.write_text(f"#!/bin/sh\nprintf '{said}'\n")
        old.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert any(str(old) in sentence for sentence in requirements.missing_to_build()) == refused, said


def test_missing_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install" in requirements.missing_to_build()[1] and "busybox-static" in requirements.missing_to_build()[1]


def test_no_free_cgroup_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(cgroups, "roots", lambda: [Path("/proc/sys")])
    assert "no free cgroup" in cgroups.unusable()
    monkeypatch.setattr(cgroups, "roots", lambda: [])
    assert "no cgroup hierarchy" in cgroups.unusable()


def test_controllers_are_passed_on_where_a_v2_hierarchy_has_them(monkeypatch, tmp_path):
    """On a tree of plain files, in which what was written last is seen."""
    settings = replace(Settings.from_environment(), name="lab", edges=("edge1",))
    for folder in (tmp_path, tmp_path / "lab"):
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.controllers").write_text("io memory")
        (folder / "cgroup.subtree_control").write_text("")
    monkeypatch.setattr(cgroups, "roots", lambda: [tmp_path])
    cgroups.make(settings)
    assert [(tmp_path / folder / "cgroup.subtree_control").read_text() for folder in ("", "lab")] == ["+memory", "+memory"]
    assert (tmp_path / "lab/edge1").is_dir()


def test_the_cache_is_keyed_by_version(monkeypatch, tmp_path):
    settings = replace(Settings.from_environment(), cache=tmp_path)
    before = build.program(settings, "kubelet"), build.program(settings, "etcd")
    monkeypatch.setattr(build.versions, "KUBERNETES", "1.99.0")
    assert build.program(settings, "kubelet") != before[0] and build.program(settings, "etcd") == before[1]
    assert not build.is_built(settings)
