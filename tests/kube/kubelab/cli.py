"""The command line of `tests/kube/cluster`."""
import argparse
import json
import os
import sys
from pathlib import Path

from . import archive, build, cluster, links, machine, machines, network, requirements, settings as settings_file
from .settings import WAN, Settings
from .shell import Failed, Missing, become, say

MISSING_STATUS = 3
_ABOUT = """\
A small, real Kubernetes on one Linux host, for tests.

     cloud, cloud2                     wan                    edge1, edge2, ...
  +-----------------+         +------------------+         +------------------------+
  | etcd, control   |         | edge -> cloud is |         | kubelet, containerd    |
  | plane, CoreDNS  |---------| translated (NAT) |---------| kube-proxy             |
  | kube-proxy      |         | new to an edge:  |  link   | pods (CNI)             |
  +-----------------+         | dropped          |         +------------------------+
                              +------------------+
"""


def _parser():
    parser = argparse.ArgumentParser(prog="tests/kube/cluster", description=_ABOUT, epilog=settings_file.__doc__ + """
    FAIRLEAD_KUBECONFIG=FILE            a cluster that you have already: `kubectl` and the tests use it; there is nothing to bring up
""", formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, text):
        return commands.add_parser(name, help=text, description=text)

    command("check", "say what this machine lacks, if anything; status 3 then")
    command("build", "compile Kubernetes, etcd and CoreDNS, make the images; what is there already is kept")
    up = command("up", "start the cluster and wait until all of it works")
    up.add_argument("--server", metavar="URL", help="where edges find the API server: a tunnel will listen there; nodes are not waited for")
    up.add_argument("--egress", metavar="FILE", type=Path, help="the API server's EgressSelectorConfiguration")
    up.add_argument("--kubelets", metavar="FILE", type=Path, help='what kubelets get besides: {EDGE: {"config": {...}, "flags": [...]}}')
    command("wait", "approve the kubelets' serving certificates and wait until all works")
    command("status", "machines, memory, firewall, links and nodes")
    firewall = command("firewall", "what happens to new connections towards an edge (drop, at first)")
    firewall.add_argument("kind", choices=sorted(network.FIREWALLS))
    link = command("link", "replace an edge's link by one that is lossy, slow and breakable, and steer it")
    link.add_argument("edge")
    link.add_argument("words", nargs="*", help="as rtt=50ms loss=0.01 rate=20M down up perfect (see the head of tests/netlab/linkem.cpp); "
                                               "rebind: the router forgets; address: the edge gets another; none: what became of packets")
    kubectl = command("kubectl", "kubectl as administrator of the cluster")
    kubectl.add_argument("rest", nargs=argparse.REMAINDER)
    netns = command("netns", "run a command in the network of a machine or the wan")
    netns.add_argument("machine")
    netns.add_argument("rest", nargs=argparse.REMAINDER)
    enter = command("enter", "run a command in all namespaces of a machine (ctr, ps, ...)")
    enter.add_argument("machine")
    enter.add_argument("rest", nargs=argparse.REMAINDER)
    mkimage = command("mkimage", "make the image archive OUT from the root file system DIR")
    mkimage.add_argument("reference")
    mkimage.add_argument("folder", type=Path)
    mkimage.add_argument("out", type=Path)
    mkimage.add_argument("entrypoint", nargs=argparse.REMAINDER)
    load = command("load", "import an image archive on the edges")
    load.add_argument("file", type=Path)
    load.add_argument("edges", nargs="*", help="all, if none is named")
    command("down", "end the cluster and remove all traces of it")
    commands.add_parser("__machine").add_argument("machine")
    return parser


def _run(options, settings):
    match options.command:
        case "check":
            if missing := [*requirements.missing_to_run(), *([] if build.is_built(settings) else requirements.missing_to_build())]:
                raise Missing(*missing)
        case "build":
            build.build(settings)
            print("\n".join(build.describe(settings)))
        case "mkimage":
            archive.make(options.reference, options.folder, options.out, options.entrypoint)
        case "kubectl" if os.environ.get("FAIRLEAD_KUBECONFIG"):
            become(["kubectl", *options.rest], {"KUBECONFIG": os.environ["FAIRLEAD_KUBECONFIG"]})
        case _ if os.environ.get("FAIRLEAD_KUBECONFIG"):
            raise Failed("FAIRLEAD_KUBECONFIG names a cluster of your own: there is nothing to bring up, to take down or to enter")
        case _ if os.geteuid() != 0:
            raise Missing("must run as root: it makes and enters namespaces")
        case "up":
            if options.egress and not options.egress.exists():
                raise Failed(f"no such file: {options.egress}")
            kubelets = json.loads(options.kubelets.read_text()) if options.kubelets else None
            cluster.up(settings, options.server, options.egress and options.egress.resolve(), kubelets)
        case "wait":
            cluster.wait(settings)
        case "status":
            return 0 if cluster.status(settings) else 1
        case "firewall":
            network.firewall(settings, options.kind)
        case "link":
            print(links.tell(settings, options.edge, options.words))
        case "kubectl":
            argv, environment = cluster.kubectl_command(settings)
            become([*argv, *options.rest], environment)
        case "netns":
            become(network.network(settings, _known(settings, options.machine)).command(options.rest))
        case "enter":
            become([*machines.enter(settings, options.machine), *options.rest])
        case "load":
            cluster.load(settings, options.file, options.edges)
        case "down":
            cluster.down(settings)
        case "__machine":
            machine.main(settings, options.machine)
    return 0


def _options(words):
    """As the parser has it. What follows `kubectl` or the name of a machine is another program's, options too, and is not looked at."""
    passed_on = {"kubectl": 1, "netns": 2, "enter": 2}.get(words[0] if words else None)
    if not passed_on or len(words) < passed_on or any(word in ("-h", "--help") for word in words[1:passed_on]):
        return _parser().parse_args(words)
    options = _parser().parse_args(words[:passed_on])
    options.rest = words[passed_on:]
    if not options.rest and passed_on == 2:
        raise Failed(f"{words[0]} {words[1]}: which command?")
    return options


def _known(settings, name):
    if name not in (*settings.machines, WAN) or not network.exists(settings, name):
        raise Failed(f"no network of {name} (is the cluster up? machines: {' '.join((*settings.machines, WAN))})")
    return name


def main():
    sys.stdout.reconfigure(line_buffering=True)
    try:
        return _run(_options(sys.argv[1:]), Settings.from_environment())
    except Missing as missing:
        for sentence in missing.args:
            print(f"kubelab: {sentence}", file=sys.stderr)
        return MISSING_STATUS
    except (Failed, OSError) as failure:
        print(f"kubelab: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("interrupted; `tests/kube/cluster down` removes what there is")
        return 130
