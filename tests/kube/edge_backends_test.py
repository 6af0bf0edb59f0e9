"""Pods at an edge as the API server's own backends, and the API server as theirs; TCP with client certificates instead of the socket."""
import base64
import hashlib
import json
import os

import netlab
import pytest
from netlab.certificates import Certificates

from managed import EGRESS, MODES
from watched import Refused

only_egress = pytest.mark.parametrize("managed_cluster", [EGRESS], indirect=True)
SIZE = 100 << 20


@pytest.fixture(scope="session")
def backend(managed_cluster, tmp_path_factory):
    """The pod and Service `backend` at the second edge, and its CA in base64."""
    pods = managed_cluster.pods
    made = Certificates(tmp_path_factory.mktemp("backend"))
    certificate, key = made.issue("backend", f"backend.{pods.namespace}.svc")
    managed_cluster.kubectl("-n", pods.namespace, "create", "secret", "tls", "backend", f"--cert={certificate}", f"--key={key}")
    pods.serve("backend", "edge-api", 8443, node=1, args=["serve"], volumes=[{"name": "tls", "secret": {"secretName": "backend"}}],
               volumeMounts=[{"name": "tls", "mountPath": "/tls"}])
    return base64.b64encode(made.ca.read_bytes()).decode()


@only_egress
def test_pods_and_services_are_reached_by_the_api_servers_proxy(managed, kube):
    managed.pods.serve("site", "nginx", 8080)
    at = f"/api/v1/namespaces/{managed.pods.namespace}"
    assert kube("get", "--raw", f"{at}/pods/site:8080/proxy/") == "hello from nginx\n"
    for _ in range(3):
        assert kube("get", "--raw", f"{at}/services/site:8080/proxy/") == "hello from nginx\n"


@only_egress
def test_an_admission_webhook_at_an_edge_decides(managed, kube, backend):
    namespace = managed.pods.namespace
    managed.kubectl.apply({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "at-the-edge"},
        "webhooks": [{
            "name": "refuse.fairlead.test", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
            "timeoutSeconds": 5, "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
            "clientConfig": {"service": {"namespace": namespace, "name": "backend", "path": "/admit", "port": 8443}, "caBundle": backend}}]})
    try:
        netlab.until(lambda: _refusal(kube, namespace), 10, "the webhook in force")
        assert "refused by backend" in _refusal(kube, namespace)
        kube("create", "configmap", "welcome")
    finally:
        managed.kubectl("delete", "validatingwebhookconfiguration", "at-the-edge")


def _refusal(kube, namespace):
    """What is said about an object that the webhook refuses; "" as long as it is made."""
    try:
        kube("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "generateName": "unwelcome-", "namespace": namespace, "labels": {"refuse": "yes"}}}))
    except Refused as refused:
        return refused.text
    return ""


@only_egress
def test_an_aggregated_api_at_an_edge_answers(managed, kube, backend):
    managed.kubectl.apply({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.edge.fairlead.test"},
        "spec": {"group": "edge.fairlead.test", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 10, "caBundle": backend,
                 "service": {"namespace": managed.pods.namespace, "name": "backend", "port": 8443}}})
    try:
        kube.until(_is_available, 30, "apiservice", "v1.edge.fairlead.test")
        for _ in range(3):
            assert json.loads(kube("get", "--raw", "/apis/edge.fairlead.test/v1/where"))["host"] == "backend"
    finally:
        managed.kubectl("delete", "apiservice", "v1.edge.fairlead.test")


def _is_available(service):
    return any(row["type"] == "Available" and row["status"] == "True" for row in service.get("status", {}).get("conditions", []))


@pytest.mark.parametrize("managed_cluster", MODES, indirect=True)
def test_pods_reach_the_api_server_through_the_link(managed, kube):
    """At the Service `kubernetes`, as every client inside a cluster does; the certificate is the API server's own."""
    namespace = managed.pods.namespace
    kube("create", "role", "reader", "--verb=get,list,watch", "--resource=configmaps")
    kube("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:default")
    path = f"/api/v1/namespaces/{namespace}/configmaps?watch=1&timeoutSeconds=300"
    managed.pods.run("watcher", "edge-api", node=1, args=["ask", path])
    kube("create", "configmap", "news")
    seen = netlab.until(lambda: (text := kube("logs", "watcher")) and '"name":"news"' in text and text, 20, "the new object seen by the pod's watch")
    assert '"ADDED"' in seen and managed.went_past_fairlead() == 0
    kube("delete", "pod", "watcher", "--wait=false")


@only_egress
def test_tcp_with_client_certificates_instead_of_the_socket(managed, kube, box, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(SIZE))
    with managed.egress_over_tcp():
        began = len(managed.access_log("cloud"))
        kube("cp", str(path), "box:/tmp/by-tcp", timeout=120)
        assert kube("exec", "box", "--", "sha256sum", "/tmp/by-tcp").split()[0] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert kube("logs", "box") == ""
        kube("exec", "box", "--", "rm", "/tmp/by-tcp")
        lines = netlab.until(lambda: managed.access_log("cloud")[began:], 10, "an audit line")
    assert {line.get("client") for line in lines if line["door"] == "connect"} == {"CN=kube-apiserver"}
