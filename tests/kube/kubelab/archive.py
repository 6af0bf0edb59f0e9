"""Image archives as `docker save` writes them, of one layer, the same for the same files."""
import hashlib
import io
import json
import os
import platform
import tarfile
import tempfile
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def make(reference, root, out, entrypoint):
    """Packs the root file system `root`; `out` appears as a whole."""
    out = Path(out)
    with tempfile.TemporaryDirectory(prefix="fairlead-kube-") as folder:
        layer = Path(folder) / "layer.tar"
        with tarfile.open(layer, "w", format=tarfile.GNU_FORMAT) as tar:
            tar.add(root, ".", filter=_anonymous)
        sha = hashlib.sha256(layer.read_bytes()).hexdigest()
        config = {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()), "os": "linux", "created": "1970-01-01T00:00:00Z",
            "config": {"Env": [_PATH], "WorkingDir": "/", "Entrypoint": list(entrypoint)},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "kubelab"}],
        }
        draft = out.with_name(f"{out.name}.{os.getpid()}.new")
        with tarfile.open(draft, "w") as tar:
            _add(tar, "manifest.json", [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}])
            _add(tar, "config.json", config)
            tar.add(layer, "layer.tar", filter=_anonymous)
        draft.rename(out)


def _add(tar, name, value):
    data = json.dumps(value).encode()
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _anonymous(info):
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info
