"""What a machine must have. Each check answers with sentences that say what is missing and how to get it; an empty list is good news."""
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import cgroups, versions

CNI_FOLDER = Path("/usr/lib/cni")
_TOOLS_TO_RUN = {
    "ip": "iproute2", "nft": "nftables", "openssl": "openssl", "nsenter": "util-linux", "unshare": "util-linux", "conntrack": "conntrack",
    "iptables": "iptables", "containerd": "containerd", "ctr": "containerd", "runc": "runc", "sysctl": "procps",
}
_TOOLS_TO_BUILD = {
    "gcc": "gcc", "busybox": "busybox-static", "nginx": "nginx", "mosquitto": "mosquitto", "mosquitto_pub": "mosquitto-clients",
}
_PLACES = "/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin"

if _PLACES not in os.environ["PATH"]:
    os.environ["PATH"] += ":" + _PLACES


def _missing_tools(tools):
    packages = sorted({package for tool, package in tools.items() if not shutil.which(tool)})
    return [f"missing Debian packages: run tools/setup kube, or apt-get install {' '.join(packages)}"] if packages else []


def _missing_go():
    wanted = ".".join(map(str, versions.GO_AT_LEAST))
    try:
        said = subprocess.run(["go", "env", "GOVERSION", "GOTOOLCHAIN"], capture_output=True, text=True, cwd="/").stdout.split()
    except OSError:
        return [f"Go {wanted} or newer is not installed (looked in PATH and /usr/local/go/bin)"]
    version = tuple(map(int, re.findall(r"\d+", said[0])[:2])) if said else (0, 0)
    # From 1.21 on, go fetches the version that a module asks for, unless it is told not to.
    if version >= versions.GO_AT_LEAST or (version >= (1, 21) and said[1:] != ["local"]):
        return []
    return [f"Go {wanted} or newer is needed; {shutil.which('go')} is {said[0] if said else 'broken'}"]


def missing_to_build():
    return _missing_go() + _missing_tools(_TOOLS_TO_BUILD)


def missing_to_run():
    if os.geteuid() != 0:
        return ["must run as root: it makes namespaces, mounts and cgroups"]
    found = _missing_tools(_TOOLS_TO_RUN)
    if not all((CNI_FOLDER / plugin).exists() for plugin in ("ptp", "host-local", "portmap")):
        found.append("no CNI plug-ins: run tools/setup kube, or apt-get install containernetworking-plugins")
    return found or _missing_powers()


def _missing_powers():
    """What root may lack in a container."""
    found = []
    probe = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc"]
    forwarding = "echo 1 >/proc/sys/net/ipv4/ip_forward && nft add table inet probe && nft 'add chain inet probe c { type nat hook " \
                 "postrouting priority srcnat; }' && nft 'add rule inet probe c masquerade'"
    result = subprocess.run([*probe, "sh", "-c", forwarding], capture_output=True, text=True)
    if result.returncode:
        found.append(f"cannot make namespaces with NAT here: {(result.stderr or result.stdout).strip()}")
    with tempfile.TemporaryDirectory(prefix="fairlead-kube-", dir="/var/lib") as folder:
        for part in ("lower", "upper", "work", "merged"):
            (Path(folder) / part).mkdir()
        mount = f"mount -t overlay overlay -o lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work {folder}/merged"
        result = subprocess.run(["unshare", "--mount", "sh", "-c", mount], capture_output=True, text=True)
        if result.returncode:
            found.append(f"cannot mount overlayfs below /var/lib: {result.stderr.strip()}")
    if why := cgroups.unusable():
        found.append(why)
    return found
