"""The goals that a run is held to, and the tables that show it.

`rounds` is {test: [{peer: numbers} for each round]}. A ratio is taken within a round, between runs that were neighbours in time,
and then the median of the ratios: what the machine did besides weighs less on it than on the numbers.
"""
import operator
import statistics

US = "fairlead"
US_HTTP = "fairlead-http"


def median(rounds, peer, key):
    values = [numbers[peer][key] for numbers in rounds if key in numbers.get(peer, {})]
    return statistics.median(values) if values else None


def ratio(rounds, key, peer, ours=US):
    values = [numbers[ours][key] / numbers[peer][key] for numbers in rounds
              if key in numbers.get(ours, {}) and key in numbers.get(peer, {})]
    return statistics.median(values) if values else None


def goals(rounds):
    """(name, value or None, bound as text, met) of each goal whose test was run."""
    found = []
    if (bulk := rounds.get("bulk")) is not None:
        found += [_goal("bulk-vs-raw-pair", ratio(bulk, "gbit_per_s", "raw-pair"), ">=", 0.7),
                  _goal("bulk-vs-rathole", ratio(bulk, "gbit_per_s", "rathole"), ">", 1.0),
                  _goal("bulk-cpu-s-per-gb", median(bulk, US, "cpu_s_per_gb"), "<=", 2.0)]
    if (small := rounds.get("small")) is not None:
        found += [_goal("keep-alive-64-vs-rathole", ratio(small, "keep_64_per_s", "rathole"), ">=", 1.0),
                  _goal("new-connection-vs-openssh", ratio(small, "new_64_per_s", "openssh"), ">", 1.0)]
    if (idle := rounds.get("idle")) is not None:
        found += [_goal("idle-edge-kib", median(idle, US, "kib_per_edge"), "<", 64)]
    if (flat := rounds.get("flat")) is not None:
        spreads = [median(flat, US, f"{side}_spread_mib") for side in ("cloud", "edge")]
        # One stream window, the most that one flow may hold, is the most by which a transfer may move it.
        found += [_goal("memory-spread-mib-in-2-gb", None if None in spreads else max(spreads), "<=", 8)]
    if (http := rounds.get("http")) is not None:
        found += [_goal("http-64-vs-rathole", ratio(http, "keep_64_per_s", "rathole", US_HTTP), ">=", 0.8),
                  _goal("http-new-connection-vs-openssh", ratio(http, "new_64_per_s", "openssh", US_HTTP), ">", 1.0)]
    if (routes := rounds.get("http-routes")) is not None:
        found += [_goal("http-match-ns-in-10000-routes", median(routes, US_HTTP, "match_ns"), "<", 2000),
                  _goal("http-reload-s-of-10000-routes", median(routes, US_HTTP, "reload_s"), "<", 1.0),
                  _goal("http-reload-latency-bump-ms", median(routes, US_HTTP, "bump_ms"), "<", 5)]
    if (sse := rounds.get("http-sse")) is not None:
        found += [_goal("http-sse-clients-that-got-all", median(sse, US_HTTP, "complete"), ">=", 1000)]
    return found


_HOLDS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def _goal(name, value, relation, bound):
    return name, value, f"{relation}{bound}", holds(value, relation, bound)


def holds(value, relation, bound):
    return value is not None and _HOLDS[relation](value, bound)


def goal_lines(rounds):
    return [f"goal: {name} {'none' if value is None else format(value, '.2f')} {bound} {'met' if met else 'missed'}"
            for name, value, bound, met in goals(rounds)]


def _of_requests(*cpu):
    columns = (("req/s", "per_s", ".0f"), ("p50 ms", "p50_ms", ".2f"), ("p99 ms", "p99_ms", ".1f"), *cpu, ("errors", "errors", ".0f"))
    return [(f"{title}: {heading}" if key == "per_s" else heading, f"{case}_{key}", form)
            for case, title in (("keep_1", "1"), ("keep_64", "64"), ("keep_256", "256"), ("new_64", "new")) for heading, key, form in columns]


# For each test: heading, key of the number, format; and the keys whose ratio to ours is shown.
_COLUMNS = {
    "bulk": [("Gbit/s", "gbit_per_s", ".2f"), ("CPU s/GB", "cpu_s_per_gb", ".2f"), ("cloud user", "cloud_user_s_per_gb", ".2f"),
             ("system", "cloud_system_s_per_gb", ".2f"), ("edge user", "edge_user_s_per_gb", ".2f"), ("system", "edge_system_s_per_gb", ".2f"),
             ("cloud MiB", "cloud_peak_mib", ".0f"), ("edge MiB", "edge_peak_mib", ".0f")],
    "small": _of_requests(("CPU us", "cpu_us", ".0f")),
    "http": _of_requests(("cloud CPU us", "cloud_cpu_us", ".0f"), ("edge", "edge_cpu_us", ".0f")),
    "idle": [("cloud KiB per edge", "kib_per_edge", ".1f")],
    "flat": [("Gbit/s", "gbit_per_s", ".2f"), ("cloud spread MiB", "cloud_spread_mib", ".2f"), ("cloud max MiB", "cloud_max_mib", ".0f"),
             ("edge spread MiB", "edge_spread_mib", ".2f"), ("edge max MiB", "edge_max_mib", ".0f")],
    "http-routes": [("match ns", "match_ns", ".0f"), ("reload s", "reload_s", ".2f"), ("slowest before, ms", "before_ms", ".1f"),
                    ("during, ms", "during_ms", ".1f"), ("bump ms", "bump_ms", ".1f"), ("failed", "failures", ".0f"),
                    ("cloud MiB", "cloud_mib", ".0f")],
    "http-sse": [("clients that got all", "complete", ".0f"), ("late p50 ms", "p50_ms", ".2f"), ("p99 ms", "p99_ms", ".1f"),
                 ("max ms", "max_ms", ".1f"), ("CPU us an event", "cpu_us_per_event", ".0f"),
                 ("cloud KiB a client", "cloud_kib_per_client", ".1f"), ("edge KiB", "edge_kib_per_client", ".1f")],
    "http-idle": [("cloud KiB per connection", "kib_per_connection", ".1f")],
}
_REQUESTS = ["keep_1_per_s", "keep_64_per_s", "keep_256_per_s", "new_64_per_s"]
_COMPARED = {"bulk": ["gbit_per_s"], "small": _REQUESTS, "http": _REQUESTS}
_TITLES = {
    "bulk": "1 GB, one connection", "small": "GET of 1 kB: connections kept at 1, 64, 256; a new one for each at 64",
    "idle": "idle edges", "flat": "memory in a 2 GB transfer, after the first half GB",
    "http": "GET of 1 kB through an HTTPRoute, beside tunnels that read no HTTP: connections kept at 1, 64, 256; a new one for each at 64",
    "http-routes": "10,000 HTTPRoutes, all changed at once under a steady load", "http-sse": "1,000 clients of events",
    "http-idle": "10,000 idle connections of users",
}


def table(test, rounds):
    """Lines: medians of each peer, then our ratios to the others."""
    peers = list(dict.fromkeys(peer for numbers in rounds for peer in numbers))
    columns = _COLUMNS[test]
    if test in ("small", "http"):  # the four cases side by side are too wide for one table
        each = len(columns) // 4
        parts = [columns[at:at + each] for at in range(0, len(columns), each)]
    else:
        parts = [columns]
    lines = [f"{_TITLES[test]} (medians of {len(rounds)})"]
    for part in parts:
        lines += grid([["", *(heading for heading, _, _ in part)],
                        *([peer, *(_cell(median(rounds, peer, key), form) for _, key, form in part)] for peer in peers)])
    ours = US_HTTP if test == "http" else US
    others = [peer for peer in peers if peer != ours]
    if test in _COMPARED and ours in peers and others:
        lines += grid([[f"{ours} : peer", *_COMPARED[test]],
                        *([peer, *(_cell(ratio(rounds, key, peer, ours), ".2f") for key in _COMPARED[test])] for peer in others)])
    return lines


def _cell(value, form):
    return "-" if value is None else format(value, form)


def grid(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths)))
            for row in rows] + [""]
