"""The link between an edge and the wan, replaced by a lossy, slow, breakable one: netlab's emulated link, in a namespace of its own."""
import netlab
from netlab.namespace import tool

from . import machines, network
from .settings import WAN
from .shell import Failed

_START_SECONDS = 10


def _middle(settings, edge):
    return network.network(settings, f"link-{edge}")


def _control(settings, edge):
    return settings.folder(edge) / "run" / "link.sock"


def is_replaced(settings, edge):
    return _middle(settings, edge).path.exists()


def get(settings, edge):
    """The link of an edge that was replaced before."""
    if not is_replaced(settings, edge):
        raise Failed(f"the link of {edge} is a plain one")
    return netlab.link.Link(_control(settings, edge), (network.network(settings, edge), "eth0"), (network.network(settings, WAN), edge))


def replace(settings, edge):
    """The link of an edge, from now on one that can be steered; perfect at first. What is open over it stays."""
    if is_replaced(settings, edge):
        return get(settings, edge)
    if edge not in settings.edges:
        raise Failed(f"no such edge: {edge} (edges: {' '.join(settings.edges)})")
    argv = netlab.link.command(_middle(settings, edge), _control(settings, edge))
    tool("ip", "netns", "add", _middle(settings, edge).name)
    link = get(settings, edge)
    netlab.link.splice((network.network(settings, edge), "eth0"), (network.network(settings, WAN), edge), _middle(settings, edge))
    machines.spawn(settings, f"link-{edge}", argv, settings.folder(edge) / "log" / "link.log")
    netlab.until(lambda: link.say(""), _START_SECONDS, f"an emulated link, {settings.folder(edge)}/log/link.log")
    return link


def tell(settings, edge, words):
    """What a person says: the words of linkem, and `rebind` and `address`. Returns the answer."""
    link = replace(settings, edge)
    if words == ["rebind"]:
        link.rebind()
        return "ok"
    if words == ["address"]:
        # The kubelet was told its address, and goes on using it on the node.
        return link.new_address(keep_on_lo=True)
    return link.say(" ".join(words or ["counters"]))
