"""Configuration that is wrong is refused with file and line, before anything starts."""
import pytest

from ways import NODE

BROKEN = {
    "an unknown key": ("drain: 1s\ndrane: 2s\n", "config.yaml:2", "drane"),
    "an unknown key inside": ("egress:\n  allow: [127.0.0.0/8]\n  alow: []\n", "config.yaml:3", "alow"),
    "a value of the wrong kind": ("\ndrain: many\n", "config.yaml:2", "many"),
    "a value out of range": ("drain: 100h\n", "config.yaml:1", "drain"),
    "no network": ("egress:\n  allow:\n  - 127.0.0.0/8\n  - 300.0.0.0/8\n", "config.yaml:4", "300.0.0.0/8"),
    "a key twice": ("drain: 1s\ndrain: 2s\n", "config.yaml:2", "drain"),
    "no YAML": ("drain: [1\n", "config.yaml:", ""),
}


@pytest.mark.parametrize("component", ["cloud", "edge"])
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_configuration_is_refused_with_its_line(site, what, component):
    text, place, word = BROKEN[what]
    here = site.cloud if component == "cloud" else site.edges[NODE]
    here.configure(text)
    more = [] if component == "cloud" else ["--cloud", "127.0.0.1:8443"]
    result = here.host.run([site.binary, component, "--dir", here.folder, *more], check=False, timeout=10)
    said = result.stderr + result.stdout
    assert result.returncode not in (0, None) and result.returncode > 0, said
    assert place in said and word in said, said


def test_the_default_configuration_is_accepted(linked):
    assert linked.connected(NODE)


def test_a_folder_that_is_missing_is_named(site):
    result = site.fairlead("cloud", "--dir", site.lab.folder / "nowhere", check=False)
    assert result.returncode > 0
    assert "nowhere" in result.stderr + result.stdout


def test_init_leaves_an_existing_folder_alone(site):
    before = {path: path.read_bytes() for path in site.cloud.folder.iterdir() if path.is_file()}
    result = site.fairlead("init", "--dir", site.cloud.folder, "--name", "127.0.0.1", check=False)
    assert result.returncode > 0
    assert {path: path.read_bytes() for path in site.cloud.folder.iterdir() if path.is_file()} == before
