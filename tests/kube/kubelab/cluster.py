"""A cluster's life: up, wait, down."""
import json
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

from . import build, cgroups, cloud, edge, images, kube_proxy, links, machines, network, objects, pki, requirements
from .settings import CLOUDS
from .shell import Failed, Missing, run, say

_MARKER = "made-by-kubelab"
_DOWN_SECONDS = 30
_POLL_SECONDS = 0.2
_SERVING = "kubernetes.io/kubelet-serving"


def up(settings, server=None, egress=None, kubelets=None):
    """Starts a cluster. Edges find the API server at the URL `server`, where a tunnel is expected to listen soon: then the nodes are not
    waited for. Without it they connect straight to the cloud. `kubelets`: {edge: what its kubelet gets besides} (edge.py).
    """
    if missing := requirements.missing_to_run():
        raise Missing(*missing)
    if not build.is_built(settings):
        raise Failed("not everything is built: run `tests/kube/cluster build` first")
    try:
        settings.state.mkdir(mode=0o755)
    except FileExistsError:
        raise Failed(f"{settings.state} exists: run `tests/kube/cluster down` first") from None
    (settings.state / _MARKER).touch()
    if left := [*network.names(settings), *cgroups.left(settings), *machines.processes(settings)]:
        raise Failed(f"something of an earlier cluster is left: {left[:5]}: run `tests/kube/cluster down` first")
    began = time.monotonic()

    pki.make(settings, server or settings.api_server)
    network.make(settings)
    cgroups.make(settings)
    (settings.state / "images.json").write_text(json.dumps(
        {name: str(path.relative_to(settings.cache)) for name, path in images.archives(settings).items()}))
    token_id, token_secret = secrets.token_hex(3), secrets.token_hex(8)
    cloud.write_configuration(settings, egress)
    for name in settings.edges:
        edge.write_configuration(settings, name, server or settings.api_server, f"{token_id}.{token_secret}", (kubelets or {}).get(name, {}))
    machines.start(settings, "cloud")
    _until(settings, began, lambda: [] if _answers(settings) else ["the API server"])
    say(f"API server ready after {time.monotonic() - began:.1f} s")
    kubectl(settings, "create", "-f", "-", stdin=objects.at_first(settings, token_id, token_secret))
    for name in ("cloud2", *settings.edges):
        machines.start(settings, name)
    if server:
        say(f"edges will use {server}: start the tunnel, then run `tests/kube/cluster wait`")
    else:
        wait(settings, began)


def wait(settings, began=None):
    """Until everything works. Approves the kubelets' serving certificates meanwhile, as Kubernetes never does by itself."""
    began = began or time.monotonic()
    _until(settings, began, lambda: _not_yet(settings))
    say(f"nodes ready after {time.monotonic() - began:.1f} s")


def _until(settings, began, missing):
    """`missing` names what is not there yet."""
    while names := missing():
        if time.monotonic() - began > settings.timeout:
            raise Failed(f"gave up after {settings.timeout:g} s; still missing: {', '.join(names)} (logs: {settings.state}/*/log)")
        time.sleep(_POLL_SECONDS)


def _answers(settings):
    return _kubectl(settings, ["get", "--raw", "/readyz"]).returncode == 0


def _not_yet(settings):
    answer = _kubectl(settings, ["get", "nodes,csr,serviceaccounts", "-o", "json"])
    if answer.returncode:
        return ["the API server"]
    items = json.loads(answer.stdout)["items"]
    _approve([item for item in items if item["kind"] == "CertificateSigningRequest"], settings)
    nodes = {item["metadata"]["name"]: item for item in items if item["kind"] == "Node"}
    for name in CLOUDS:
        if name in nodes and kube_proxy.works(settings, name):
            kubectl(settings, "delete", "node", name, "--wait=false")
    missing = [f"rules for Services on {name}" for name in settings.machines if not kube_proxy.works(settings, name)]
    missing += [f"the end of the stand-in for the node {name}" for name in CLOUDS if name in nodes]
    if not any(item["kind"] == "ServiceAccount" and item["metadata"]["name"] == "default" for item in items):
        missing.append("the service account `default`")  # without it the first pods are refused
    for name in settings.edges:
        conditions = {row["type"]: row["status"] for row in nodes.get(name, {}).get("status", {}).get("conditions", [])}
        folder = settings.folder(name)
        if conditions.get("Ready") != "True":
            missing.append(f"node {name}")
        if not (folder / "var/lib/kubelet/pki/kubelet-server-current.pem").is_symlink():  # its target only exists inside the machine
            missing.append(f"the serving certificate of {name}")
        if not (folder / "run" / edge.IMAGES_ARE_HERE).exists():
            missing.append(f"images on {name}")
    return missing


def _approve(requests, settings):
    undecided = [item for item in requests if item["spec"]["signerName"] == _SERVING and not item.get("status", {}).get("conditions")]
    names = [item["metadata"]["name"] for item in undecided]
    if names:
        _kubectl(settings, ["certificate", "approve", *names])


def kubectl_command(settings):
    """(beginning of the command line, environment) of a cluster administrator's kubectl."""
    argv = [*network.network(settings, "cloud").command([]), str(build.program(settings, "kubectl"))]
    return argv, {"KUBECONFIG": str(settings.admin_kubeconfig), "KUBECACHEDIR": str(settings.state / "kubectl-cache")}


def _kubectl(settings, words, stdin=None):
    argv, environment = kubectl_command(settings)
    return subprocess.run([*argv, *words], input=stdin, text=True, capture_output=True, env={**os.environ, **environment})


def kubectl(settings, *words, stdin=None):
    argv, environment = kubectl_command(settings)
    return run(*argv, *words, stdin=stdin, env=environment)


def load(settings, file, edges=()):
    """Imports an image archive on the edges."""
    for name in edges or settings.edges:
        with open(file, "rb") as archive:
            result = subprocess.run([*machines.enter(settings, name), "ctr", "-n", "k8s.io", "images", "import", "-"],
                                    stdin=archive, capture_output=True, text=False)
        if result.returncode:
            raise Failed(f"{name}: {result.stderr.decode().strip()}")
        print(f"{name}: {result.stdout.decode().strip()}")


def is_up(settings):
    return settings.state.exists()


def memory_mib(settings):
    return {name: machines.memory_bytes(settings, name) >> 20 for name in settings.machines if network.exists(settings, name)}


def is_whole(settings):
    """Whether all machines run and the API server answers."""
    return is_up(settings) and all(machines.init_pid(settings, name) for name in settings.machines) and _answers(settings)


def status(settings):
    """Prints what runs. Returns whether all of it does."""
    if not is_up(settings):
        say("down")
        return False
    memory = memory_mib(settings)
    for name in settings.machines:
        pid = machines.init_pid(settings, name)
        print(f"{name:8} {'up' if pid else 'down':5} pid {pid or '-':<8} {memory.get(name, 0):5} MiB   {settings.folder(name)}/log")
    print(f"firewall {(settings.state / 'firewall').read_text()}")
    for name in settings.edges:
        if links.is_replaced(settings, name):
            print(f"link     {name} is emulated: {links.get(settings, name).say('counters')}")
    nodes = _kubectl(settings, ["get", "nodes", "-o", "wide"])
    print((nodes.stdout or nodes.stderr).rstrip())
    return is_whole(settings)


def down(settings):
    """Ends the cluster, whole or half, and removes all traces of it."""
    deadline = time.monotonic() + _DOWN_SECONDS
    while pids := machines.processes(settings):
        machines.kill(pids)
        if time.monotonic() > deadline:
            raise Failed(f"processes {pids} do not end")
        time.sleep(0.05)
    network.remove(settings)
    while not cgroups.remove(settings):
        if time.monotonic() > deadline:
            raise Failed(f"cgroups {cgroups.left(settings)} are not empty")
        time.sleep(0.05)
    if settings.state.exists():
        _remove_state(settings.state)


def _remove_state(folder):
    if not (folder / _MARKER).exists() and any(folder.iterdir()):
        raise Failed(f"{folder} was not made by kubelab: it is left as it is")
    if mounted := [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if line.split()[1].startswith(f"{folder}/")]:
        raise Failed(f"something is mounted in {folder}: {mounted}")
    (folder / _MARKER).touch()  # the last to go
    for entry in sorted(folder.iterdir(), key=lambda path: path.name == _MARKER):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    folder.rmdir()
