"""Keys, certificates and kubeconfigs of a cluster, by openssl."""
import base64
import ipaddress
import json
from urllib.parse import urlsplit

from .settings import API_PORT
from .shell import run

_NEW = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "365")
_CLIENTS = {
    "admin": "/O=system:masters/CN=kubelab-admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "kube-proxy": "/CN=system:kube-proxy",
    "coredns": "/CN=system:coredns",
}


def make(settings, server):
    """All that a cluster needs whose edges find the API server at the URL `server`."""
    folder = settings.pki
    folder.mkdir(mode=0o700)
    _ca(folder)
    _certificate(folder, "apiserver", "/CN=kube-apiserver", "serverAuth", _api_server_names(settings, server))
    _certificate(folder, "apiserver-kubelet", "/CN=kube-apiserver-kubelet-client", "clientAuth")
    run("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", folder / "sa.key")
    run("openssl", "ec", "-in", folder / "sa.key", "-pubout", "-out", folder / "sa.pub")
    for name, subject in _CLIENTS.items():
        _certificate(folder, name, subject, "clientAuth")
        client(settings, folder / f"{name}.kubeconfig", name, f"https://127.0.0.1:{API_PORT}")


def client(settings, file, name, server):
    """A kubeconfig in which everything is embedded."""
    kubeconfig(settings, file, server, {
        "client-certificate-data": _base64(settings.pki / f"{name}.crt"), "client-key-data": _base64(settings.pki / f"{name}.key")})


def kubeconfig(settings, file, server, user):
    """JSON is YAML too. `user` is how its owner proves who it is."""
    file.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "kubelab",
        "clusters": [{"name": "kubelab", "cluster": {"server": server, "certificate-authority-data": _base64(settings.pki / "ca.crt")}}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "kubelab", "context": {"cluster": "kubelab", "user": "user"}}],
    }))
    file.chmod(0o600)


def _base64(file):
    return base64.b64encode(file.read_bytes()).decode()


def _api_server_names(settings, server):
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    host, addresses = urlsplit(server).hostname, {"127.0.0.1", settings.address("cloud"), settings.kubernetes_service}
    try:
        addresses.add(str(ipaddress.ip_address(host)))
    except ValueError:
        names.append(host)
    return ",".join([f"DNS:{name}" for name in names] + [f"IP:{address}" for address in sorted(addresses)])


def _ca(folder):
    _request(folder, "ca", "/CN=kubelab-ca", [], "basicConstraints=critical,CA:TRUE", "subjectKeyIdentifier=hash",
             "keyUsage=critical,keyCertSign,cRLSign,digitalSignature")


def _certificate(folder, name, subject, use, alternatives=None):
    names = [f"subjectAltName={alternatives}"] if alternatives else []
    _request(folder, name, subject, ["-CA", folder / "ca.crt", "-CAkey", folder / "ca.key"], "basicConstraints=critical,CA:FALSE",
             "keyUsage=critical,digitalSignature", f"extendedKeyUsage={use}", *names)


def _request(folder, name, subject, signer, *extensions):
    config = folder / f"{name}.cnf"
    config.write_text("\n".join(["[req]", "distinguished_name=dn", "x509_extensions=ext", "[dn]", "[ext]", *extensions, ""]))
    run(*_NEW, *signer, "-subj", subject, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt", "-config", config)
