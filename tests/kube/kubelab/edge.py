"""What runs on an edge: containerd, kubelet, kube-proxy, and pods in a network of CNI's making.

An edge has its own /run, /var/lib and /var/log, so that every well-known path (/var/lib/kubelet, /var/lib/cni, /run/containerd) is
private. Its pods are routed (CNI plug-in ptp), not bridged: so each packet between two of them passes the node's rules, as Services need.
"""
import json
import os
import subprocess
import time
from pathlib import Path

from . import build, images, kube_proxy, pki, requirements
from .shell import run as tool

_HERE = Path("/run/kubelab")  # the machine's part of the lab's state, and what was built, where the edge sees them
_STATE, _CACHE = _HERE / "state", _HERE / "cache"
_ETC = _STATE / "etc"
_CONTAINERD_SECONDS = 60
IMAGES_ARE_HERE = "images-are-here"  # in the machine's run/, once it is so

_CONTAINERD = """\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # without CAP_SYS_RESOURCE a pod's OOM score cannot be lowered, and must not be tried
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{etc}/cni"
"""


def write_configuration(settings, edge, server, token, kubelet):
    """Before the edge starts. `server` is the URL at which it finds the API server, `token` what it joins with, `kubelet` what its kubelet
    gets besides: {"config": {...}, "flags": [...]}, each if it is there.
    """
    etc = settings.folder(edge) / "etc"
    (etc / "cni").mkdir(parents=True)
    (etc / "ca.crt").write_bytes((settings.pki / "ca.crt").read_bytes())
    (etc / "resolv.conf").write_text("")
    (etc / "containerd.toml").write_text(_CONTAINERD.format(pause=images.PAUSE, cni=requirements.CNI_FOLDER, etc=_ETC))
    (etc / "cni" / "10-kubelab.conflist").write_text(json.dumps({"cniVersion": "0.4.0", "name": "kubelab", "plugins": [
        {"type": "ptp", "ipam": {
            "type": "host-local", "ranges": [[{"subnet": settings.pods(edge)}]], "routes": [{"dst": "0.0.0.0/0"}]}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]}))
    (etc / "kubelet.json").write_text(json.dumps({**_kubelet(settings, edge), **kubelet.get("config", {})}))
    (etc / "kubelet-flags.json").write_text(json.dumps(kubelet.get("flags", [])))
    pki.kubeconfig(settings, etc / "bootstrap.kubeconfig", server, {"token": token})
    kube_proxy.write_configuration(settings, edge, server)


def _kubelet(settings, edge):
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs", "cgroupRoot": settings.cgroup(edge), "failSwapOn": False,
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": f"{_ETC}/ca.crt"}},
        "authorization": {"mode": "Webhook"}, "rotateCertificates": True, "serverTLSBootstrap": True,
        "clusterDomain": "cluster.local", "clusterDNS": [settings.dns_service], "resolvConf": f"{_ETC}/resolv.conf",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        # Nodes share one machine's disk and memory, and test images cannot be pulled again: never evict pods, never collect images.
        "evictionHard": dict.fromkeys(
            ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree"), "0%"),
        "imageGCHighThresholdPercent": 100,
    }


def run(settings, edge, supervisor):
    archives = json.loads((settings.state / "images.json").read_text())
    _private_folders(settings)
    supervisor.keep("containerd", ["containerd", "--config", _ETC / "containerd.toml"])
    deadline = time.monotonic() + _CONTAINERD_SECONDS
    while subprocess.run(["ctr", "version"], capture_output=True).returncode:
        assert time.monotonic() < deadline, "containerd does not answer: see log/containerd.log"
        time.sleep(0.1)
    _load(archives["pause"])  # all that a kubelet needs to become Ready
    supervisor.keep("kubelet", [
        _program(settings, "kubelet"), f"--config={_ETC}/kubelet.json",
        f"--hostname-override={edge}", f"--node-ip={settings.address(edge)}", "--root-dir=/var/lib/kubelet",
        f"--bootstrap-kubeconfig={_ETC}/bootstrap.kubeconfig", "--kubeconfig=/var/lib/kubelet/kubeconfig",
        *json.loads((_ETC / "kubelet-flags.json").read_text())])
    kube_proxy.keep(supervisor, _program(settings, "kube-proxy"))
    for name, archive in archives.items():
        if name != "pause":
            _load(archive)
    Path("run", IMAGES_ARE_HERE).touch()


def _private_folders(settings):
    # Shared inside the machine, as kubelets and the mounts of volumes expect.
    tool("mount", "--make-rshared", "/")
    for part in ("lib", "log"):
        Path("var", part).mkdir(parents=True)
    tool("mount", "-t", "tmpfs", "-o", "mode=755", "kubelab-run", "/run")
    for folder, what in ((_STATE, Path.cwd()), (_CACHE, settings.cache)):
        folder.mkdir(parents=True)
        tool("mount", "--bind", what, folder)
    Path("/run/lock").mkdir()
    os.chdir(_STATE)
    for part in ("lib", "log"):
        tool("mount", "--bind", f"var/{part}", f"/var/{part}")


def _program(settings, name):
    return _CACHE / build.program(settings, name).relative_to(settings.cache)


def _load(archive):
    tool("ctr", "-n", "k8s.io", "images", "import", _CACHE / archive)
