"""docs/bench: a plot of each row, and a page that says in a sentence what each shows. Made from the numbers of a run, never by hand."""
import statistics

from . import goals, svg
from .clients import CURVE
from .goals import US, middle, text


def write(folder, about, rounds, lines):
    """`rounds` as for goals; rows that were not measured keep the plot they have, but the page tells only of this run."""
    folder.mkdir(parents=True, exist_ok=True)
    page = [_HEAD.format(**about)]
    for row, measured in sorted(rounds.items()):
        name = goals.NAMES[row]
        (folder / f"{name}.svg").write_text(_PLOTS[row](measured))
        page += [f"\n## {_HEADINGS[row]}\n", f"![{_HEADINGS[row]}]({name}.svg)\n", _sentence(row, measured) + "\n",
                 "\n".join(f"    {line}".rstrip() for line in goals.table(row, measured)).rstrip() + "\n"]
    page += ["\n## The goals of this run\n", "\n".join(f"    {line}" for line in lines)]
    (folder / "README.md").write_text("\n".join(page) + "\n")


_HEAD = """\
# The link on a bad network, beside others

Written by `make bench-link` ({started}, {cores} cores, load {load_at_start:.1f} at its start, {minutes:.0f} minutes). Between cloud and edge
lies an emulated link, `{link}` unless said; the edge is behind NAT; hosts are as they come (TCP with {congestion}, no sysctl). Figures are
medians of {rounds_run} rounds. *direct* is a plain connection through a port that the router forwards; rathole {rathole} carries
each connection in one of its own under TLS; OpenSSH is `ssh -R`; all with their defaults. How it is measured: `bench/run-link --help`.
"""
_HEADINGS = {
    1: "A download on a link that loses packets", 2: "Small questions beside a download", 3: "The link is away, and back",
    4: "Another address, another NAT mapping", 5: "Datagrams", 6: "UDP is blocked", 7: "A thousand edges come back",
}
_DIM = "100 Mbit/s, 50 ms"


def _groups(rounds, labels):
    """{label: {peer: median}} of {label: key}."""
    peers = list(dict.fromkeys(peer for numbers in rounds for peer in numbers))
    return {label: {peer: middle(rounds, peer, key) for peer in peers} for label, key in labels.items()}


def _bulk(rounds):
    labels = {"no loss": "loss_0_mbit", "1 %": "loss_0.01_mbit", "3 %": "loss_0.03_mbit", "1 Gbit/s, 20 ms, 0.1 %": "gigabit_mbit"}
    return svg.bars(_HEADINGS[1], f"Mbit/s of one download; {_DIM} but for the last", "Mbit/s", _groups(rounds, labels), log=True,
                    bounds=dict(zip(labels, (80, 80, 60, 600))))


def _curve(rounds, peer, key):
    """The distribution of answers, each percentile the median over the rounds; what never came is what is missing below 100 %."""
    curves = [numbers[peer][f"{key}_curve"] for numbers in rounds if numbers.get(peer, {}).get(f"{key}_curve")]
    answered = middle(rounds, peer, f"{key}_answered")
    return [(statistics.median(values), share * answered / 100) for share, values in zip(CURVE, zip(*curves))]


def _distributions(rounds, kinds):
    peers = list(dict.fromkeys(peer for numbers in rounds for peer in numbers))
    series = {f"{peer}{suffix}": _curve(rounds, peer, key) for suffix, key in kinds.items() for peer in peers}
    return {name: points for name, points in series.items() if points}


def _small(rounds):
    series = _distributions(rounds, {"": "beside_get", " echo": "beside_echo"})
    return svg.curves(_HEADINGS[2], f"Share of questions answered within that time, 1 % loss, {_DIM}; dashed: TCP echo", "ms", "% answered", series,
                      log_x=True, nines=True, dashed=[name for name in series if name.endswith(" echo")])


def _outage(rounds):
    labels = {f"{seconds} s: {title}": f"down_{seconds}_{key}" for seconds in ("10", "60", "110")
              for title, key in (("bytes", "moves_s"), ("GET", "get_s"))}
    groups = {label: group for label, group in _groups(rounds, labels).items() if any(value is not None for value in group.values())}
    return svg.bars(_HEADINGS[3], "Seconds from the link's return until bytes of a download move, and until a new GET is answered", "s", groups, log=True,
                    bounds={label: 0.8 if label.endswith("GET") else 0.5 for label in groups})


def _move(rounds):
    labels = {"new address: GET": "address_get_s", "new address: gap": "address_gap_s", "NAT rebound: GET": "rebind_get_s",
              "NAT rebound: gap": "rebind_gap_s"}
    return svg.bars(_HEADINGS[4], "Seconds until a new GET is answered; longest gap in the download", "s", _groups(rounds, labels), log=True,
                    bounds={label: 0.3 for label in labels if label.endswith("GET")})


def _udp(rounds):
    series = _distributions(rounds, {"": "alone_udp", " beside": "beside_udp"})
    return svg.curves(_HEADINGS[5], "Share of 1,000 datagrams a second given back within that time, 1 % loss; dashed: beside a download", "ms",
                      "% given back", series, log_x=True, nines=True, dashed=[name for name in series if name.endswith(" beside")])


def _blocked(rounds):
    labels = {"blocked at start: first GET": "start_get_s", "blocked later: next GET": "later_get_s", "let through: on QUIC": "quic_again_s"}
    return svg.bars(_HEADINGS[6], "Seconds; what uses TCP is not concerned", "s", _groups(rounds, labels), log=True,
                    bounds=dict(zip(labels, (3, 3, 15))))


def _herd(rounds):
    curves = [numbers[US]["curve"] for numbers in rounds if numbers.get(US, {}).get("curve")]
    return svg.curves(_HEADINGS[7], "Edges connected after the cloud was started again, each round", "s", "edges",
                      {f"fairlead round {number}": [tuple(point) for point in curve] for number, curve in enumerate(curves, 1)})


_PLOTS = {1: _bulk, 2: _small, 3: _outage, 4: _move, 5: _udp, 6: _blocked, 7: _herd}


def _sentence(row, rounds):
    """What the plot shows, in this run's figures."""
    def of(peer, key, form=".2f"):
        return text(middle(rounds, peer, key), form)

    others = [peer for peer in ("direct", "rathole", "openssh") if any(peer in numbers for numbers in rounds)]

    def each(key, form=".2f"):
        return ", ".join(f"{peer} {of(peer, key, form)}" for peer in others) or "no other measured"

    if row == 1:
        return (f"At 1 % loss Fairlead carries {of(US, 'loss_0.01_mbit', '.0f')} Mbit/s, at 3 % {of(US, 'loss_0.03_mbit', '.0f')}, because its "
                f"congestion control does not take loss for congestion; at 1 % the others: {each('loss_0.01_mbit', '.1f')}. At 1 Gbit/s it carries "
                f"{of(US, 'gigabit_mbit', '.0f')} Mbit/s with {of(US, 'gigabit_cores', '.1f')} cores; a plain connection with BBR gets "
                f"{of('direct', 'gigabit_bbr_mbit', '.0f')} on this machine, whose emulated link takes {of(US, 'gigabit_link_cores', '.1f')} cores.")
    if row == 2:
        return (f"A GET beside a download of {of(US, 'download_mbit', '.0f')} Mbit/s takes {of(US, 'beside_get_p50_ms', '.0f')} ms at the median and "
                f"{of(US, 'beside_get_p99_ms', '.0f')} ms at the 99th percentile; p99 of the others, whose downloads run at "
                f"{each('download_mbit', '.1f')} Mbit/s: {each('beside_get_p99_ms', '.0f')} ms.")
    if row == 3:
        down = next(seconds for seconds in ("60", "10", "110") if middle(rounds, US, f"down_{seconds}_get_s") is not None or seconds == "110")
        return (f"After {down} s without a link, bytes of Fairlead's download move {of(US, f'down_{down}_moves_s')} s after its return and a new GET "
                f"is answered after {of(US, f'down_{down}_get_s')} s; the others' GET: {each(f'down_{down}_get_s', '.1f')}.")
    if row == 4:
        return (f"After a change of address Fairlead answers a new GET within {of(US, 'address_get_s')} s, after a NAT rebind within "
                f"{of(US, 'rebind_get_s')} s; the others after {each('address_get_s', '.1f')}, and {each('rebind_get_s', '.1f')}.")
    if row == 5:
        return (f"Of 1,000 datagrams a second {of(US, 'alone_udp_answered', '.1f')} % come back through Fairlead (direct "
                f"{of('direct', 'alone_udp_answered', '.1f')} %), p99 {of(US, 'alone_udp_p99_ms', '.0f')} ms (direct "
                f"{of('direct', 'alone_udp_p99_ms', '.0f')} ms), beside a download {of(US, 'beside_udp_p99_ms', '.0f')} ms.")
    if row == 6:
        return (f"With UDP blocked from the start the first GET is answered {of(US, 'start_get_s', '.1f')} s after the edge was started, after a later "
                f"block within {of(US, 'later_get_s', '.1f')} s; let through again, the link is back on QUIC after {of(US, 'quic_again_s', '.1f')} s.")
    return (f"All 1,000 edges are back {of(US, 'back_s', '.1f')} s after the cloud was started again; its memory peaks at "
            f"{of(US, 'peak_mib', '.0f')} MiB.")
