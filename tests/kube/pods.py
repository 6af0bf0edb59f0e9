"""Pods and Services of one test, in a Kubernetes namespace of its own."""
import secrets

from netlab import until

from kubelab import images, objects

READY_SECONDS = 60
ASK_SECONDS = 60


class Pod:
    """One that is Ready, as it was then."""

    def __init__(self, name, found):
        self.name, self.node, self.ip = name, found["spec"]["nodeName"], found["status"]["podIP"]


class Pods:
    """A node may be named by its number: 0 is the first edge. Images are the lab's, by their names, or others, by reference."""

    def __init__(self, cluster):
        self.cluster, self._kubectl = cluster, cluster.kubectl
        self.namespace = f"test-{secrets.token_hex(4)}"
        self._kubectl("create", "namespace", self.namespace)
        # Pods are refused until the controllers have made this.
        self._kubectl("wait", "--for=create", "serviceaccount/default", "-n", self.namespace, f"--timeout={READY_SECONDS}s")

    def run(self, name, image, node=0, port=None, **container):
        """A pod, Ready on return. With `port` it is Ready only when something listens there."""
        self._create(name, image, node, port, "Always", container)
        return Pod(name, self._kubectl.until(_is_ready, READY_SECONDS, *self._named(name)))

    def serve(self, name, image, port, node=0, **container):
        """A pod and the Service of its name at the same port, which leads there on every node on return."""
        self._kubectl.apply({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": port}]}})
        pod = self.run(name, image, node, port, **container)
        if self.cluster.is_lab:
            for machine in self.cluster.nodes:
                until(lambda machine=machine: f"{pod.ip}:{port}" in self._service_rules(machine), READY_SECONDS, f"{name} known to {machine}")
        return pod

    def _service_rules(self, machine):
        """What kube-proxy has told the kernel of a machine."""
        return self.cluster.inside(machine, "nft", "list", "ruleset", check=False).stdout

    def serve_from(self, name, address, port):
        """A Service whose backend is no pod."""
        self._kubectl.apply(*objects.service_outside(name, self.namespace, address, {"tcp": ("TCP", port)}))

    def cluster_ip(self, service):
        return self._kubectl.get("service", service, "-n", self.namespace)["spec"]["clusterIP"]

    def shell(self, script, node=0):
        """What a shell script prints in a pod. It comes back as the pod's last words, which a kubelet reports by itself: no exec."""
        return self.ask("busybox", ["sh", "-c", f"{{ {script}\n}} >/dev/termination-log 2>&1"], node)

    def fetch(self, url, node=0):
        return self.shell(f"timeout 20 wget -q -O- {url}", node)

    def ask(self, image, command, node=0):
        """The last words of a program in a pod, which must end well."""
        return self.ask_in(f"ask-{secrets.token_hex(4)}", image, command, node)

    def ask_in(self, name, image, command, node=0):
        """The same, in a pod of this name."""
        self._create(name, image, node, None, "Never", {"command": command})
        pod = self._kubectl.until(_has_ended, ASK_SECONDS, *self._named(name))
        ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
        said = ended.get("message", "").strip()
        assert ended["exitCode"] == 0, f"{command} in a pod ended with {ended['exitCode']}: {said}"
        return said

    def remove(self):
        """Does not wait for the end of it."""
        self._kubectl("delete", "namespace", self.namespace, "--wait=false")
        self._kubectl("delete", "pods", "--all", "-n", self.namespace, "--grace-period=0", "--force", "--wait=false")

    def story(self):
        """What a person looks at when something is wrong."""
        return "\n".join(self._kubectl(*words.split(), "-n", self.namespace) for words in (
            "get pods,services,endpointslices -o wide", "get events --sort-by=.lastTimestamp", "describe pods"))

    def _create(self, name, image, node, port, restart, container):
        volumes, host_network = container.pop("volumes", []), container.pop("host_network", False)
        probe = {"readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1}} if port else {}
        self._kubectl.apply({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": self.namespace, "labels": {"app": name}},
            "spec": {
                "nodeName": self.cluster.nodes[node] if isinstance(node, int) else node, "restartPolicy": restart,
                "terminationGracePeriodSeconds": 1, "volumes": volumes, "hostNetwork": host_network, "containers": [{
                    "name": name, "image": image if "/" in image else images.reference(image), "imagePullPolicy": "Never",
                    "terminationMessagePolicy": "FallbackToLogsOnError", **probe, **container}]}})

    def _named(self, name):
        return "pod", name, "-n", self.namespace


def _is_ready(pod):
    return any(row["type"] == "Ready" and row["status"] == "True" for row in pod.get("status", {}).get("conditions", []))


def _has_ended(pod):
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
