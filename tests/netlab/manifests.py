"""Rules as a person would write them, for the tests."""

_GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec:
  gatewayClassName: {gateway_class}
  listeners: [{{name: tcp, port: {port}, protocol: TCP}}]
"""
_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
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


def tcp(name, port, location, target_port, target_address="127.0.0.1", gateway_class="fairlead"):
    """A TCP entrance at `port` whose connections go to the target at `location`."""
    return "---\n".join([
        _GATEWAY.format(name=name, gateway_class=gateway_class, port=port),
        _ROUTE.format(name=name, port=target_port),
        _BACKEND.format(name=name, location=location, address=target_address, port=target_port),
    ])


def to_node(name, port, node, target_port, target_address="127.0.0.1"):
    """An entrance in the cloud to a service on a node."""
    return tcp(name, port, f"{{nodeName: {node}}}", target_port, target_address)


def to_cloud(name, port, target_port, target_address="127.0.0.1"):
    """An entrance on the edge to a service in the cloud."""
    return tcp(name, port, "{cloud: {}}", target_port, target_address, gateway_class="fairlead-edge")


def udp_to_node(name, port, node, target_port, target_address="127.0.0.1"):
    """An entrance for datagrams in the cloud to a service on a node."""
    return to_node(name, port, node, target_port, target_address).replace("protocol: TCP", "protocol: UDP").replace("TCPRoute", "UDPRoute")
