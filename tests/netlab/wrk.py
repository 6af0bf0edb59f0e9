"""wrk on a host of the lab: load on kept connections, and what it says of it."""
import re

_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def start(host, url, seconds, connections=32, *words, name="wrk"):
    return host.start(name, ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", *words, url], ends=True)


def run(host, url, seconds, connections=32, *words):
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", *words, url]
    return read(host.run(argv, timeout=seconds + 60).stdout)


def finish(process):
    """What a wrk that was started says at its end."""
    assert process.wait(60) == 0, process.log
    return read(process.log_text())


def read(text):
    """Of wrk's report: per_s, requests, p50_ms, p99_ms, errors (of sockets), refused (answers that are not 2xx or 3xx)."""
    def percentile(percent):
        found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m) *$", text, re.M)
        assert found, f"wrk said: {text}"
        return float(found[1]) * _MS[found[2]]

    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return {
        "per_s": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        "requests": int(re.search(r"(\d+) requests in", text)[1]),
        "p50_ms": percentile(50), "p99_ms": percentile(99),
        "errors": sum(map(int, errors.groups())) if errors else 0,
        "refused": int(refused[1]) if refused else 0,
    }
