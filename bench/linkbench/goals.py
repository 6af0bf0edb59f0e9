"""What the link is held to, row by row, and the tables that show it.

`rounds` is {row: [{peer: numbers} for each round]}. A value is the median over the rounds; what never happened counts as endless. Whether
something came whole is judged on the worst round.
"""
import dataclasses
import math
import statistics

from goals import grid, holds

US = "fairlead"
NAMES = {1: "link-bulk", 2: "link-small", 3: "link-outage", 4: "link-move", 5: "link-udp", 6: "link-blocked", 7: "link-herd"}


def values(rounds, peer, key):
    """One of each round that has it; what never happened is math.inf."""
    return [math.inf if numbers[peer][key] is None else numbers[peer][key] for numbers in rounds if key in numbers.get(peer, {})]


def middle(rounds, peer, key):
    found = values(rounds, peer, key)
    return statistics.median(found) if found else None


def worst(rounds, peer, key):
    return min(values(rounds, peer, key), default=None)


@dataclasses.dataclass
class Part:
    """One bound of a row. `value` None: not measured."""
    label: str
    value: float | None
    relation: str
    bound: float

    @property
    def met(self):
        return holds(self.value, self.relation, self.bound)


def parts(row, rounds, outages=("10", "60", "110")):
    """The bounds of one row with what was measured of Fairlead."""
    def our(label, key, relation, bound, of=middle):
        return Part(label, of(rounds, US, key), relation, bound)

    def whole(prefix):
        return our(f"{prefix}: the download came whole", f"{prefix}_whole", ">=", 1, worst)

    if row == 1:
        bounds = (("0", 80), ("0.01", 80), ("0.03", 60))
        return [*(our(f"loss {float(loss):.0%}, Mbit/s", f"loss_{loss}_mbit", ">=", bound) for loss, bound in bounds),
                our("1 Gbit/s, 20 ms, 0.1 %, Mbit/s", "gigabit_mbit", ">=", 600)]
    if row == 2:
        kinds = (("get", "GET"), ("echo", "TCP echo"), ("datagram", "datagram"))
        return [*(our(f"{title} beside a download, p{share} ms", f"beside_{kind}_p{share}_ms", "<", bound)
                  for kind, title in kinds for share, bound in ((50, 65), (99, 90))),
                our("the download meanwhile, Mbit/s", "download_mbit", ">=", 80), our("lone GET, p99 ms", "alone_get_p99_ms", "<", 70)]
    if row == 3:
        return [part for seconds in outages for part in (
            our(f"down {seconds} s: bytes move, s", f"down_{seconds}_moves_s", "<=", 0.5),
            our(f"down {seconds} s: new GET answered, s", f"down_{seconds}_get_s", "<=", 0.8), whole(f"down_{seconds}"))]
    if row == 4:
        return [part for kind in ("address", "rebind") for part in (our(f"{kind}: next GET, s", f"{kind}_get_s", "<=", 0.3), whole(kind))]
    if row == 5:
        delivered, direct = middle(rounds, US, "alone_udp_answered"), middle(rounds, "direct", "alone_udp_answered")
        return [Part("delivered, points more than direct", _less(delivered, direct), ">=", -0.5),
                _over_direct(rounds, "p99, ms more than direct", "alone_udp_p99_ms", 5),
                _over_direct(rounds, "p99 beside a download, ms more than direct alone", "beside_udp_p99_ms", 20)]
    if row == 6:
        return [our("blocked at start: first GET, s", "start_get_s", "<=", 3), our("blocked later: next GET, s", "later_get_s", "<=", 3),
                our("let through: on QUIC again, s", "quic_again_s", "<=", 15), our("flows stayed whole", "flows_whole", ">=", 1, worst)]
    return [our("1,000 edges back, s", "back_s", "<=", 10)]


def _over_direct(rounds, label, key, bound):
    return Part(label, _less(middle(rounds, US, key), middle(rounds, "direct", "alone_udp_p99_ms")), "<=", bound)


def _less(value, other):
    return None if value is None or other is None else value - other


def line(row, found):
    """`goal: NAME VALUES BOUNDS met|missed`, values and bounds of the row's parts in their order."""
    met = all(part.met for part in found)
    return f"goal: {NAMES[row]} {','.join(text(part.value) for part in found)} " \
           f"{','.join(f'{part.relation}{part.bound:g}' for part in found)} {'met' if met else 'missed'}"


def text(value, form=".2f"):
    return "none" if value is None else "never" if math.isinf(value) else format(value, form)


def explained(row, found, failures):
    """Lines: each bound, and what is known of why one was missed."""
    rows = [["", "value", "bound", ""], *([part.label, text(part.value), f"{part.relation}{part.bound:g}", "met" if part.met else "missed"]
                                          for part in found)]
    return [*grid(rows)[:-1], *(f"  because: {failure}" for failure in failures), ""]


_TITLES = {
    1: "1 downloads, Mbit/s", 2: "2 small questions each 100 ms at 1 % loss, ms", 3: "3 the link was down: seconds from its return",
    4: "4 address changed, NAT rebound: seconds", 5: "5 1,000 x 200 B each second at 1 % loss", 6: "6 UDP blocked: seconds until a GET is answered",
    7: "7 1,000 edges after a restart of the cloud",
}
_COLUMNS = {
    1: [("0 %", "loss_0_mbit"), ("1 %", "loss_0.01_mbit"), ("3 %", "loss_0.03_mbit"), ("1 Gbit/s 0.1 %", "gigabit_mbit"),
        ("with BBR", "gigabit_bbr_mbit"), ("cores", "gigabit_cores"), ("of the link", "gigabit_link_cores")],
    2: [(f"{title} p{share}", f"{part}_{kind}_p{share}_ms") for part, suffix in (("beside", ""), ("alone", " alone"))
        for kind, title in (("get", f"GET{suffix}"), ("echo", f"echo{suffix}"), ("datagram", f"UDP{suffix}")) for share in (50, 99)]
       + [("download Mbit/s", "download_mbit")],
    3: [(f"{down} s: {title}", f"down_{down}_{key}") for down in ("10", "60", "110")
        for title, key in (("bytes", "moves_s"), ("GET", "get_s"), ("whole", "whole"))],
    4: [(f"{kind}: {title}", f"{kind}_{key}") for kind in ("address", "rebind")
        for title, key in (("GET", "get_s"), ("gap", "gap_s"), ("whole", "whole"))],
    5: [("delivered %", "alone_udp_answered"), ("p50 ms", "alone_udp_p50_ms"), ("p99", "alone_udp_p99_ms"),
        ("beside: delivered %", "beside_udp_answered"), ("p50 ms", "beside_udp_p50_ms"), ("p99", "beside_udp_p99_ms"),
        ("download Mbit/s", "download_mbit")],
    6: [("at start", "start_get_s"), ("later", "later_get_s"), ("on QUIC again", "quic_again_s"), ("whole", "flows_whole")],
    7: [("back", "back_s"), ("first GET", "first_get_s"), ("cloud peak MiB", "peak_mib")],
}


def table(row, rounds):
    """Lines: medians of each peer."""
    peers = list(dict.fromkeys(peer for numbers in rounds for peer in numbers))
    columns = [(heading, key) for heading, key in _COLUMNS[row] if any(values(rounds, peer, key) for peer in peers)]

    def cell(peer, key):
        value = middle(rounds, peer, key)
        return "-" if value is None else text(value, ".1f" if value >= 10 else ".2f")

    return [f"{_TITLES[row]} (medians of {len(rounds)})",
            *grid([["", *(heading for heading, _ in columns)], *([peer, *(cell(peer, key) for _, key in columns)] for peer in peers)])]
