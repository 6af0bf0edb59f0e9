"""What the lab puts into a new cluster, as manifests."""
import json

_RBAC = "rbac.authorization.k8s.io"
# Client certificates are then approved by the controller manager; serving certificates never are, see cluster.wait().
_BINDINGS = {
    "bootstrap": ("Group", "system:bootstrappers", "system:node-bootstrapper"),
    "approve-join": ("Group", "system:bootstrappers", "system:certificates.k8s.io:certificatesigningrequests:nodeclient"),
    "approve-renewal": ("Group", "system:nodes", "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"),
    "apiserver-kubelet": ("User", "kube-apiserver-kubelet-client", "system:kubelet-api-admin"),
    "coredns": ("User", "system:coredns", "kubelab:coredns"),
}
_COREDNS_RULES = [
    {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]


def at_first(settings, token_id, token_secret):
    """For kubelets to join by bootstrap token, for the API server to use a kubelet, for names and Services to work."""
    items = [
        {"apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
         "metadata": {"name": f"bootstrap-token-{token_id}", "namespace": "kube-system"},
         "stringData": {"token-id": token_id, "token-secret": token_secret, "usage-bootstrap-authentication": "true"}},
        {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "kubelab:coredns"}, "rules": _COREDNS_RULES},
        *service_outside("kube-dns", "kube-system", settings.address("cloud"), {"dns": ("UDP", 53), "dns-tcp": ("TCP", 53)},
                         settings.dns_service),
        *(_machine_as_node(cloud, settings.address(cloud)) for cloud in ("cloud", "cloud2")),
    ]
    for name, (kind, subject, role) in _BINDINGS.items():
        items.append({
            "apiVersion": f"{_RBAC}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": f"kubelab:{name}"},
            "subjects": [{"kind": kind, "name": subject, "apiGroup": _RBAC}],
            "roleRef": {"kind": "ClusterRole", "name": role, "apiGroup": _RBAC}})
    return as_list(items)


def service_outside(name, namespace, address, ports, cluster_ip=None):
    """A Service whose backend is no pod: ports is {name: (protocol, number)}."""
    metadata = {"name": name, "namespace": namespace}
    rows = [{"name": port, "protocol": protocol, "port": number} for port, (protocol, number) in ports.items()]
    spec = {"ports": rows, **({"clusterIP": cluster_ip} if cluster_ip else {})}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
         "metadata": {**metadata, "labels": {"kubernetes.io/service-name": name}},
         "endpoints": [{"addresses": [address], "conditions": {"ready": True}}], "ports": rows},
    ]


def _machine_as_node(name, address):
    """kube-proxy waits half a minute for the Node of its name before it does anything. This one is taken away once it has begun."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"unschedulable": True},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]}}


def as_list(items):
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
