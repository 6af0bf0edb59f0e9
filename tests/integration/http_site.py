"""A site that the HTTP tests of a module share: a cloud, two edges, and at each of them a service that tells its name."""
import itertools
import json

import netlab
from netlab import http_client, http_rules, origin
from netlab.site import Site
from ways import NODE

OTHER = "edge-b"
BOTH = {"nodeSelector": {"use": "test"}}
IN_FORCE_SECONDS = 2


class Way:
    """A direction of requests: clients connect at `entrance` of `client`; the service listens at `port` of `service`."""

    def __init__(self, http, client, service, entrance, port):
        self.http, self.client, self.service, self.entrance, self.port = http, client, service, entrance, port

    @property
    def url(self):
        return f"http://127.0.0.1:{self.entrance}"

    def connect(self, timeout=10):
        return http_client.Client(self.client.host, self.entrance, timeout=timeout)

    def get(self, target, *fields):
        with self.connect() as client:
            return client.get(target, *fields)

    def curl(self, *words, check=True):
        return self.client.host.run(["curl", "-sS", "--max-time", "20", *words], check=check)

    def seen(self):
        return origin.seen(self.service.host, self.port)


class HttpSite:
    def __init__(self, lab, binary):
        self.lab, self.site = lab, Site(lab, binary)
        self.site.init()
        hosts = {NODE: lab.edge, **({OTHER: lab.edge2} if lab.namespaced else {})}
        for node, host in hosts.items():
            self.site.issue(node, host)
        self.cloud, self.nodes = self.site.cloud, list(hosts)
        self.edge_port, self.cloud_port = lab.port(8080), lab.port(8090)
        for node, host in hosts.items():
            origin.serve(host, self.edge_port, node)
        origin.serve(lab.cloud, self.cloud_port, "in-cloud")
        self.site.cloud.configure(f"accessLog: {lab.folder}/access.log\nloops: 2\n")
        self.site.start_cloud()
        for node in hosts:
            self.start_edge(node)
        self._ports = itertools.count(18000)

    def start_edge(self, node):
        """Each has the label site=ITS NAME, and all have use=test."""
        self.site.start_edge(node, "--label", f"site={node}", "--label", "use=test")

    @property
    def edge(self):
        return self.site.edges[NODE]

    @property
    def access_log(self):
        return self.lab.folder / "access.log"

    def logged(self, **fields):
        """The one line of the cloud's access log that has these."""
        def lines():
            return [line for line in map(json.loads, self.access_log.read_text().splitlines())
                    if all(line.get(name) == value for name, value in fields.items())]

        netlab.until(lines, 5, f"{fields} in the access log")
        assert len(lines()) == 1
        return lines()[0]

    def new_port(self):
        return self.lab.port(next(self._ports))

    def open(self, name, port, *objects, component=None):
        """Puts rules in place that open `port`, and returns when it is."""
        component = component or self.cloud
        component.rules(name, http_rules.text(*objects))
        component.host.wait_listening(port, IN_FORCE_SECONDS)

    def to_edge(self, name, *rules, backends=None, parts=(), listener=None, policies=(), **of_route):
        """An entrance in the cloud by rules of one HTTPRoute; without `backends` there is one named "edge", at edge-a. Returns its Way."""
        port = self.new_port()
        backends = [http_rules.backend(f"{name}-edge", NODE, self.edge_port)] if backends is None else backends
        self.open(name, port, http_rules.gateway(name, http_rules.listener(port, **(listener or {}))), *backends, *policies,
                  http_rules.route(name, *(rules or [http_rules.rule(f"{name}-edge")]), **of_route), *parts)
        return Way(self, self.cloud, self.edge, port, self.edge_port)

    def close(self, name, way):
        """Takes rules away, and returns when their entrance is closed."""
        (self.cloud.routes / f"{name}.yaml").unlink()
        netlab.until(lambda: not self.cloud.host.listening(way.entrance), IN_FORCE_SECONDS, f"{name} closed")

    def to_cloud(self, name):
        """An entrance on edge-a to the service in the cloud."""
        port = self.new_port()
        self.edge.rules(name, http_rules.entrance(name, port, http_rules.CLOUD, self.cloud_port))
        self.edge.host.wait_listening(port, IN_FORCE_SECONDS)
        return Way(self, self.edge, self.cloud, port, self.cloud_port)

    def assert_healthy(self, way):
        """Both sides are alive and serve the next request."""
        for component in (self.cloud, self.edge):
            assert component.process.alive and component.admin("/healthz")[0] == 200, component.process.log
        assert way.get("/").status == 200

    def flows(self):
        return self.cloud.metric("fairlead_flows_open")

    def wait_no_flows(self):
        netlab.until(lambda: self.flows() == 0, 5, "all flows ended")


def problem(answer, status, code, error=None):
    """Checks an answer of Fairlead's own: a JSON problem that has `code`, and Proxy-Status with `error` of RFC 9209, if given."""
    assert answer.header("content-type") == "application/problem+json", (answer.status, answer.fields, answer.body[:200])
    found = answer.json()
    assert (answer.status, found["status"], found["code"]) == (status, status, code), found
    assert found["title"], found
    if error:
        assert f"error={error}" in (answer.header("proxy-status") or ""), answer.fields
    return found
