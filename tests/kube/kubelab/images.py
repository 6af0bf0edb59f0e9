"""Images for pods, made here of Debian's packages and Go modules, since no registry is asked for any.

Each recipe fills a root file system and says what to run. An archive is keyed by all that goes into it: NAME-DIGEST.tar.
"""
import os
import shutil
import tempfile
from pathlib import Path

from . import archive, golang, versions
from .digest import digest
from .shell import run, say

_SOURCES = Path(__file__).resolve().parents[1] / "images"
_DEBIAN = {
    "busybox": ("busybox-static",), "nginx": ("nginx", "busybox-static"), "mosquitto": ("mosquitto", "mosquitto-clients", "busybox-static")}


def reference(name):
    return f"localhost/kubelab/{name}:1"


PAUSE = reference("pause")


def archives(settings):
    """{name: path}, made or not."""
    installed = dict(line.split() for line in run("dpkg-query", "-W", "-f", "${Package} ${Version}\\n").splitlines() if " " in line)
    recipes = [Path(__file__).read_bytes(), Path(archive.__file__).read_bytes()]
    made = {}
    for name in _RECIPES:
        files = [path for path in sorted((_SOURCES / name).glob("*")) if path.is_file()]
        packages = [f"{package} {installed.get(package)}" for package in _DEBIAN.get(name, ())]
        inputs = [*recipes, *packages, *(path.read_bytes() for path in files), versions.GATEWAY_API if name == "echo-basic" else ""]
        made[name] = settings.cache / "images" / f"{name}-{digest(*inputs)}.tar"
    return made


def complete(settings):
    return all(path.exists() for path in archives(settings).values())


def build(settings):
    (settings.cache / "images").mkdir(exist_ok=True)
    for name, path in archives(settings).items():
        if path.exists():
            continue
        say(f"image {name}")
        with tempfile.TemporaryDirectory(prefix="fairlead-kube-") as folder:
            root = Path(folder) / "root"
            root.mkdir()
            entrypoint = _RECIPES[name](root, Path(folder))
            archive.make(reference(name), root, path, entrypoint)


def _pause(root, work):
    """Holds a pod's namespaces and reaps its orphans."""
    run("gcc", "-static", "-Os", "-s", "-o", root / "pause", _SOURCES / "pause" / "pause.c")
    return ["/pause"]


def _busybox(root, work):
    """A shell, httpd, wget, nc and what else one wants to try from inside."""
    _with_shell(root)
    (root / "www").mkdir()
    (root / "www" / "index.html").write_text("hello from busybox\n")
    return ["/bin/sh"]


def _nginx(root, work):
    """Serves /www at 8080; /etc/nginx/conf.d/*.conf adds to it."""
    _with_shell(root)
    _with_programs(root, "nginx")
    for folder in ("www", "etc/nginx/conf.d", "var/log/nginx", "var/lib/nginx", "run"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy("/etc/nginx/mime.types", root / "etc/nginx")
    shutil.copy(_SOURCES / "nginx" / "nginx.conf", root / "etc/nginx")
    (root / "www" / "index.html").write_text("hello from nginx\n")
    return ["/usr/sbin/nginx", "-g", "daemon off;"]


def _mosquitto(root, work):
    """A broker at 1883 that lets everybody in, and its clients mosquitto_pub and mosquitto_sub."""
    _with_shell(root)
    _with_programs(root, "mosquitto", "mosquitto_pub", "mosquitto_sub")
    shutil.copy(_SOURCES / "mosquitto" / "mosquitto.conf", root / "etc")
    return ["/usr/sbin/mosquitto", "-c", "/etc/mosquitto.conf"]


def _echo_basic(root, work):
    """The service of Gateway API's conformance tests: answers with what it was asked, as JSON, at 3000 (h2c 3001, TLS 8443)."""
    golang.build("echo-basic", work / "echo-basic", {"sigs.k8s.io/gateway-api": versions.GATEWAY_API},
                 ["sigs.k8s.io/gateway-api/conformance/echo-basic"], root, static=True)
    return ["/echo-basic"]


def _grpc_echo(root, work):
    """Our own: unary and streaming calls of gRPC's TestService at 9000, and a client for them."""
    golang.compile_module("grpc-echo", _SOURCES / "grpc-echo", ["."], root)
    return ["/grpc-echo"]


def _edge_api(root, work):
    """Our own: an admission webhook and an aggregated API at 8443, and a client of the API server."""
    golang.compile_module("edge-api", _SOURCES / "edge-api", ["."], root)
    return ["/edge-api"]


_RECIPES = {
    "pause": _pause, "busybox": _busybox, "nginx": _nginx, "mosquitto": _mosquitto, "echo-basic": _echo_basic, "grpc-echo": _grpc_echo,
    "edge-api": _edge_api}


def _with_shell(root):
    for folder in ("bin", "etc", "tmp"):
        (root / folder).mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
    busybox = shutil.copy(shutil.which("busybox"), root / "bin" / "busybox")
    for applet in run(busybox, "--list").split():
        if applet != "busybox":
            os.symlink("busybox", root / "bin" / applet)


def _with_programs(root, *names):
    """Programs of this machine with the libraries that they need, at the paths that they have here."""
    for name in names:
        program = Path(shutil.which(name))
        libraries = [word for word in run("ldd", program).split() if word.startswith("/")]
        for file in [program, *map(Path, libraries)]:
            to = root / str(file).lstrip("/")
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, to)
