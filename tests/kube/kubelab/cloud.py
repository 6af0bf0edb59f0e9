"""What runs in the cloud: the control plane, CoreDNS and kube-proxy on `cloud`, kube-proxy on `cloud2`."""
import shutil
from pathlib import Path

from . import build, kube_proxy
from .settings import API_PORT
from .shell import run as tool

_COREFILE = """\
.:53 {{
  bind {address}
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig} kubelab
    ttl 1
  }}
  loadbalance
}}
"""

# Who ran what in a pod: the API server alone knows that.
_AUDIT = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  resources:
  - {group: "", resources: [pods/exec, pods/attach, pods/portforward, pods/log]}
- level: None
"""


def write_configuration(settings, egress):
    """Before `cloud` starts. `egress`: a file with an EgressSelectorConfiguration, or None."""
    for machine in ("cloud", "cloud2"):
        etc = settings.folder(machine) / "etc"
        etc.mkdir(parents=True)
        kubeconfig = "https://127.0.0.1" if machine == "cloud" else f"https://{settings.address('cloud')}"
        kube_proxy.write_configuration(settings, machine, f"{kubeconfig}:{API_PORT}")
        (etc / "resolv.conf").write_text(
            f"nameserver {settings.dns_service}\nsearch default.svc.cluster.local svc.cluster.local cluster.local\n")
    etc = settings.folder("cloud") / "etc"
    (etc / "Corefile").write_text(_COREFILE.format(address=settings.address("cloud"), kubeconfig=settings.pki / "coredns.kubeconfig"))
    (etc / "audit.yaml").write_text(_AUDIT)
    if egress:
        shutil.copy(egress, etc / "egress.yaml")


def run(settings, machine, supervisor):
    if Path("/etc/resolv.conf").exists():
        tool("mount", "--bind", "etc/resolv.conf", "/etc/resolv.conf")  # programs here find Services by name
    if machine == "cloud":
        _control_plane(settings, supervisor)
        supervisor.keep("coredns", [build.program(settings, "coredns"), "-conf", "etc/Corefile"])
    kube_proxy.keep(supervisor, build.program(settings, "kube-proxy"))


def _control_plane(settings, supervisor):
    pki = settings.pki
    supervisor.keep("etcd", [
        build.program(settings, "etcd"), "--data-dir=etcd", "--name=kubelab", "--unsafe-no-fsync", "--log-level=warn",
        "--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380"])
    supervisor.keep("kube-apiserver", [
        build.program(settings, "kube-apiserver"), "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={settings.address('cloud')}", f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={settings.services}", "--allow-privileged=true",
        f"--client-ca-file={pki}/ca.crt", f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-certificate-authority={pki}/ca.crt", f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet.key", "--kubelet-preferred-address-types=InternalIP,Hostname",
        "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key", "--anonymous-auth=false", "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction", "--enable-bootstrap-token-auth=true",
        "--audit-policy-file=etc/audit.yaml", "--audit-log-path=log/audit.log",
        *(["--egress-selector-config-file=etc/egress.yaml"] if Path("etc/egress.yaml").exists() else [])])
    supervisor.keep("kube-controller-manager", [
        build.program(settings, "kube-controller-manager"), f"--kubeconfig={pki}/controller-manager.kubeconfig", "--leader-elect=false",
        "--use-service-account-credentials=true", "--controllers=*,tokencleaner", f"--root-ca-file={pki}/ca.crt",
        f"--service-account-private-key-file={pki}/sa.key", f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key"])
    supervisor.keep("kube-scheduler", [
        build.program(settings, "kube-scheduler"), f"--kubeconfig={pki}/scheduler.kubeconfig", "--leader-elect=false"])
