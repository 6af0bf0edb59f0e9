"""The rows of what the link is held to: each function makes one part of one row's measurement for one peer and returns numbers.

None is what did not happen: an answer that never came, a download that did not go on.
"""
import hashlib

from netlab import proc

from . import clients, places
from .clients import Download, Steady

CUT_SECONDS = 10          # a download that is slower is measured for so long
STEADY_SECONDS = 20       # of questions beside a download, and of lone ones
UDP_SECONDS = 10
DOWN_AFTER = 1.5          # seconds of download before something happens to it
HERD = 1000
PATIENCE = 30             # how long after an event its effect is waited for
BULK_LOSSES = ("0", "0.01", "0.03")


def bulk(setting, part):
    """Row 1. Goodput of a download: 50 MB at 100 Mbit/s for each loss, or 500 MB at 1 Gbit/s."""
    if part == "gigabit":
        return _gigabit(setting)
    numbers = {}
    with setting.place() as here:
        for loss in BULK_LOSSES:
            here.link.say(f"loss={loss}")
            numbers[f"loss_{loss}_mbit"], numbers[f"loss_{loss}_whole"] = _fetched(here, "50m")
    return numbers


def _gigabit(setting):
    """With how many cores the peer and the emulated link were busy; and what a plain connection with BBR reaches here, the most there is."""
    with setting.place(places.GIGABIT) as here:
        link = [here.link.process.pid]
        before, clock = [sum(proc.cpu_seconds(pids)) for pids in (here.pids, link)], clients.now()
        mbit, whole = _fetched(here, "500m")
        cores = [(sum(proc.cpu_seconds(pids)) - begun) / (clients.now() - clock) for pids, begun in zip((here.pids, link), before)]
    numbers = {"gigabit_mbit": mbit, "gigabit_whole": whole, "gigabit_cores": cores[0], "gigabit_link_cores": cores[1]}
    if setting.peer.name == "direct":
        with setting.place(places.GIGABIT, congestion="bbr") as here:
            numbers["gigabit_bbr_mbit"], _ = _fetched(here, "500m")
    return numbers


def _fetched(here, path):
    """(Mbit/s, whether it came whole within the time) of one curl."""
    found = here.cloud.run(["curl", "-sS", "--fail", "--max-time", CUT_SECONDS, "-o", "/dev/null", "-w", "%{size_download} %{time_total}",
                            f"{here.url}/{path}"], timeout=CUT_SECONDS + 10, check=False).stdout.split()
    size, seconds = int(found[0]), float(found[1])
    return size * 8e-6 / seconds, float(size == places.FILES[path])


def small(setting, part):
    """Row 2. Small questions at a steady pace at 1 % loss: beside a download, or alone."""
    with setting.place(places.LINK + " loss=0.01", datagrams=True) as here:
        download = Download(here, "500m") if part == "beside" else None
        seconds = setting.length(STEADY_SECONDS)
        if download:
            clients.wait_quiet(3)
        steadies = {"get": Steady(here, "get", "web"), "echo": Steady(here, "echo", "echo")}
        if here.has_datagrams:
            steadies["datagram"] = Steady(here, "datagram", "datagrams", "--patience", "3")
        begin = clients.begin(*steadies.values(), apart=0.033)
        clients.wait_quiet(seconds)
        end = clients.now()
        for steady in steadies.values():
            steady.end()
        numbers = {}
        for name, steady in steadies.items():
            numbers |= clients.latencies(f"{part}_{name}", steady.stop())
        if download:
            numbers["download_mbit"] = clients.rate_mbit(download.stop(), begin, end)
    return numbers


def outage(setting, part):
    """Row 3. The link is down for `part` seconds in mid-download, while new questions come each second."""
    with setting.place() as here:
        after = Steady(here, "get", "web", "--fresh", "--patience", "10")
        trying = Steady(here, "get", "web", "--fresh", "--every-ms", "1000", "--patience", "10")
        download = Download(here, "50m")
        clients.wait_quiet(DOWN_AFTER)
        here.link.down()
        trying.go()
        clients.wait_quiet(float(part))
        here.link.up()
        event = clients.now()
        after.go()
        trying.end()
        return _after(here, f"down_{part}", event, after, download)


def move(setting, part):
    """Row 4. In mid-download the edge gets a new address, or its router forgets it."""
    with setting.place() as here:
        after = Steady(here, "get", "web", "--fresh", "--every-ms", "50", "--patience", "10")
        download = Download(here, "50m")
        clients.wait_quiet(DOWN_AFTER)
        if part == "address":
            here.link.new_address()
        else:
            here.link.rebind()
        event = clients.now()
        after.go()
        return _after(here, part, event, after, download)


def _after(here, prefix, event, after, download):
    """What became of new questions and of a download after `event`."""
    after.first(PATIENCE)
    after.end()
    found = download.finish(max(1.0, event + PATIENCE - clients.now()))
    whole = found["error"] is None and found["sha256"] == sha256_of(here.material, "50m")
    return {f"{prefix}_get_s": clients.first_success(after.stop(), event), f"{prefix}_whole": float(whole),
            f"{prefix}_moves_s": clients.first_bytes_after(found, event), f"{prefix}_gap_s": clients.longest_gap(found, event)}


def udp(setting, part):
    """Row 5. 1,000 datagrams of 200 bytes each second, given back by an echo, at 1 % loss: alone, or beside a download."""
    with setting.place(places.LINK + " loss=0.01", datagrams=True) as here:
        if not here.has_datagrams:
            return {}
        download = Download(here, "500m") if part == "beside" else None
        if download:
            clients.wait_quiet(3)
        steady = Steady(here, "datagram", "datagrams", "--every-ms", "1", "--patience", "3")
        begin = clients.begin(steady)
        clients.wait_quiet(setting.length(UDP_SECONDS))
        end = clients.now()
        numbers = clients.latencies(f"{part}_udp", steady.stop())
        if download:
            numbers["download_mbit"] = clients.rate_mbit(download.stop(), begin, end)
    return numbers


def blocked(setting, part):
    """Row 6. UDP is blocked before the edge starts, or while a tunnel is in use; then for Fairlead: it is let through again."""
    starts = part == "start" and setting.peer.name != "direct"
    with setting.place(answering=not starts) as here:
        steady = Steady(here, "get", "web", "--fresh", "--every-ms", "50", "--patience", "10")
        here.block_udp()
        event = clients.begin(steady)
        if starts:
            here.waits = False
            setting.peer.start(here)
            event = max([event, *(process.started for process in here.edge_processes)])
        answered = steady.first(PATIENCE)
        numbers = {f"{part}_get_s": clients.first_success(steady.stop(), event)}
        if starts and answered and hasattr(here, "site"):
            numbers |= _let_through(here)
        return numbers


def _let_through(here):
    """On the fallback, with flows under way: seconds until Fairlead is on QUIC again, and whether the flows stayed whole."""
    echo = Steady(here, "echo", "echo")
    download = Download(here, "200m")
    echo.go()
    clients.wait_quiet(1)
    here.unblock_udp()
    event = clients.now()
    back = clients.seconds_until(lambda: here.site.nodes().get("edge-a", {}).get("transport") == "quic", PATIENCE, event)
    found, asked = download.finish(60), echo.stop()
    whole = found["error"] is None and found["sha256"] == sha256_of(here.material, "200m")
    return {"quic_again_s": back, "flows_whole": float(whole and asked["connections"] == 1 and len(clients.answered(asked)) == len(asked["asked"]))}


def herd(setting, part):
    """Row 7. The cloud is killed and started again: seconds until 1,000 edges are connected, and its peak memory."""
    with setting.place() as here:
        site = here.site
        load = here.edge.start("idle-edges", [setting.build / "bench/idle_edges", "--dir", site.cloud.folder, "--cloud", site.link_address,
                                              "--count", HERD])
        load.wait_for_log("ready", 60)
        site.cloud.process.kill()
        begin = clients.now()
        site.start_cloud()
        curve = []
        everyone = clients.seconds_until(lambda: _back(site, curve, begin) >= HERD + 1, 2 * PATIENCE, begin)
        answers = clients.seconds_until(here.answers, PATIENCE, begin)
        load.close_input()
        return {"back_s": everyone, "first_get_s": answers, "peak_mib": proc.peak_rss_bytes([site.cloud.process.pid]) / 2**20, "curve": curve}


def _back(site, curve, begin):
    connected = int(site.cloud.metric("fairlead_sessions"))
    if not curve or curve[-1][1] != connected:
        curve.append((clients.now() - begin, connected))
    return connected


def sha256_of(material, path):
    digest = hashlib.sha256()
    with open(material.www / path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


# number: (name, function, parts, parts with --quick, whether its parts may run beside each other)
ROWS = {
    1: ("bulk", bulk, ("losses", "gigabit"), ("losses", "gigabit"), False),
    2: ("small", small, ("beside", "alone"), ("beside", "alone"), False),
    3: ("outage", outage, ("10", "60", "110"), ("10",), True),
    4: ("move", move, ("address", "rebind"), ("address", "rebind"), True),
    5: ("udp", udp, ("alone", "beside"), ("alone", "beside"), False),
    6: ("blocked", blocked, ("start", "later"), ("start", "later"), True),
    7: ("herd", herd, ("all",), ("all",), False),
}
ONLY_OURS = {7}
