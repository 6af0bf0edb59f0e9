"""kubelab: a small, real Kubernetes on one Linux host. `tests/kube/cluster --help` shows what it is made of.

Its parts, from the bottom up:

    versions, settings, shell    what is built, where things are, commands
    requirements, cgroups        what the machine must have
    golang, archive, images, build   the cache: programs and images
    network, pki, machines       namespaces, certificates, processes
    supervisor, kube_proxy, cloud, edge, machine   what runs inside a machine
    objects, links, cluster, cli up, wait, down, and the commands

Nothing here needs systemd, Docker or an image registry.
"""
