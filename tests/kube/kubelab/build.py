"""Everything that is built, in a cache outside the tree. Each thing is a folder NAME-VERSION that appears as a whole once it is complete:
a build that was killed leaves nothing that could be taken for one, and a second build has only to look.
"""
import contextlib
import fcntl
import re
import shutil
from pathlib import Path

from . import golang, images, requirements, versions
from .digest import digest
from .shell import Missing, run, say

_COREDNS_SOURCE = Path(__file__).resolve().parents[1] / "images" / "coredns" / "main.go"
_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")


def _folder(settings, name):
    return settings.cache / {
        "kubernetes": f"kubernetes-{versions.KUBERNETES}",
        "etcd": f"etcd-{versions.ETCD}",
        "coredns": f"coredns-{versions.COREDNS}-{digest(_COREDNS_SOURCE.read_bytes())}",
    }[name]


def program(settings, name):
    """Where a program is, built or not."""
    return _folder(settings, "kubernetes" if name in _KUBERNETES else name) / name


def build(settings):
    """Builds what is missing."""
    with _alone(settings):
        todo = [name for name in _BUILDERS if not _folder(settings, name).exists()]
        if todo or not images.complete(settings):
            if missing := requirements.missing_to_build():
                raise Missing(*missing)
        for name in todo:
            _BUILDERS[name](settings, _folder(settings, name))
        images.build(settings)


def is_built(settings):
    return all(_folder(settings, name).exists() for name in _BUILDERS) and images.complete(settings)


def describe(settings):
    lines = [run(program(settings, "kubelet"), "--version").strip(), run(program(settings, "etcd"), "--version").splitlines()[0]]
    sizes = [(path, path.stat().st_size) for path in [*(program(settings, name) for name in (*_KUBERNETES, "etcd", "coredns")),
                                                      *images.archives(settings).values()]]
    return lines + [f"{size / 2**20:6.1f} MiB  {path}" for path, size in sizes]


def _kubernetes(settings, folder):
    source = golang.download(f"k8s.io/kubernetes@v{versions.KUBERNETES}")
    # In its own repository k8s.io/api and others are replaced by ./staging folders, which the module lacks. Published twins are v0.X.Y.
    _, minor, patch = versions.KUBERNETES.split(".")
    staging = sorted(set(re.findall(r"^\s*(?:replace )?(k8s\.io/[a-z-]+) => \./staging", (source / "go.mod").read_text(), re.M)))
    variable = "-X k8s.io/component-base/version"
    _build(settings, f"Kubernetes {versions.KUBERNETES}", folder, {"k8s.io/kubernetes": versions.KUBERNETES},
           [f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES], replaces={module: f"0.{minor}.{patch}" for module in staging},
           ldflags=f"-s -w {variable}.gitVersion=v{versions.KUBERNETES} {variable}.gitMajor=1 {variable}.gitMinor={minor}")


def _etcd(settings, folder):
    def named(out):
        (out / "server").rename(out / "etcd")  # go calls it after the package's folder

    module = "go.etcd.io/etcd/server/v3"
    _build(settings, f"etcd {versions.ETCD}", folder, {module: versions.ETCD}, [module], finish=named)


def _coredns(settings, folder):
    """With the plug-ins of main.go only: the whole of it compiles the clients of three other clouds."""
    requires = {"github.com/coredns/coredns": versions.COREDNS}
    _build(settings, f"CoreDNS {versions.COREDNS}", folder, requires, ["."], sources=[_COREDNS_SOURCE])


_BUILDERS = {"kubernetes": _kubernetes, "etcd": _etcd, "coredns": _coredns}


def _build(settings, title, folder, requires, packages, finish=lambda out: None, **options):
    name = folder.name.split("-")[0]
    scratch, made = settings.cache / "scratch" / name, settings.cache / f"{folder.name}.new"
    for leftover in (scratch, made):
        shutil.rmtree(leftover, ignore_errors=True)
    golang.build(title, scratch, requires, packages, made, **options)
    finish(made)
    made.rename(folder)
    shutil.rmtree(scratch)


@contextlib.contextmanager
def _alone(settings):
    """One build at a time; the others wait."""
    settings.cache.mkdir(parents=True, exist_ok=True)
    with open(settings.cache / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waits for another build")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
