"""Rules as a person would write them, for the tests."""

_GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec:
  gatewayClassName: {gateway_class}
  listeners: [{{name: {listener}, port: {port}, protocol: {protocol}}}]
"""
_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: {protocol}Route
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: {name}}}]
  rules:
  - backendRefs: [{{group: fairlead.dev, kind: Backend, name: {name}, port: {port}}}]
"""
_BACKEND = """\
apiVersion: fairlead.dev/v1alpha1
kind: Backend
metadata: {{name: {name}}}
spec:
  location: {location}
  targets: [{{address: {address}, port: {port}}}]
"""
_DATAGRAMS = """\
apiVersion: fairlead.dev/v1alpha1
kind: DatagramPolicy
metadata: {{name: {name}}}
spec: {{targetRefs: [{{group: gateway.networking.k8s.io, kind: UDPRoute, name: {name}}}], {policy}}}
"""


def entrance(name, port, location, target_port, target_address="127.0.0.1", gateway_class="fairlead", protocol="TCP"):
    """An entrance at `port` that leads to the target at `location`."""
    return "---\n".join([
        _GATEWAY.format(name=name, gateway_class=gateway_class, listener=protocol.lower(), port=port, protocol=protocol),
        _ROUTE.format(name=name, port=target_port, protocol=protocol),
        _BACKEND.format(name=name, location=location, address=target_address, port=target_port),
    ])


def to_node(name, port, node, target_port, target_address="127.0.0.1", protocol="TCP"):
    """An entrance in the cloud to a service on a node."""
    return entrance(name, port, f"{{nodeName: {node}}}", target_port, target_address, protocol=protocol)


def to_cloud(name, port, target_port, target_address="127.0.0.1", protocol="TCP"):
    """An entrance on the edge to a service in the cloud."""
    return entrance(name, port, "{cloud: {}}", target_port, target_address, gateway_class="fairlead-edge", protocol=protocol)


def datagram_policy(name, policy):
    """A document to follow a UDPRoute's: `policy` is "answers: 1"."""
    return "---\n" + _DATAGRAMS.format(name=name, policy=policy)
