"""What the lab is built of. The cache is keyed by these: a change builds anew what it concerns, and leaves the old in place.

Kubernetes and etcd of a pair that upstream tests together; the rest follows Kubernetes' minor version, so that most of what a build
compiles is compiled once. Debian's containerd, runc and CNI plug-ins are taken as they are.
"""
KUBERNETES = "1.34.4"
ETCD = "3.6.5"
COREDNS = "1.12.4"
GATEWAY_API = "1.4.1"  # echo-basic, the service of its conformance tests
GO_AT_LEAST = (1, 24)
