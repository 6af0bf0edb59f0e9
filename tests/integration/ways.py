"""A direction of flows, cloud to edge or edge to cloud: most of what must hold must hold for both."""
from netlab import manifests

NODE = "edge-a"


class Way:
    """A direction of flows: clients connect at `client`:`entrance`, the target listens at `service`:`port`."""

    def __init__(self, site, client, service, entrance, port):
        self.site, self.client, self.service, self.entrance, self.port = site, client, service, entrance, port

    def connect(self, timeout=10):
        return self.client.host.connect(self.entrance, timeout=timeout)

    def listen(self):
        return self.service.host.listen(self.port)

    def pair(self):
        """Both ends of one flow: the client's socket and the one that the target accepted."""
        with self.listen() as listener:
            listener.settimeout(10)
            client = self.connect()
            target, _ = listener.accept()
        target.settimeout(10)
        return client, target


def way_of(site, name):
    """The entrance of a direction, by a rule put in place now; open on return."""
    edge = site.edges[NODE]
    if name == "cloud-to-edge":
        site.cloud.rules("web", manifests.to_node("web", 18080, NODE, 8080))
        way = Way(site, site.cloud, edge, 18080, 8080)
    else:
        edge.rules("web", manifests.to_cloud("web", 18090, 8090))
        way = Way(site, edge, site.cloud, 18090, 8090)
    way.client.host.wait_listening(way.entrance)
    return way
