"""TCP by rules, both ways."""
from netlab import Clock, manifests, nginx, until

from story import NODE, Skip, step

BIG, MEDIUM = 200 * 10**6, 50 * 10**6
CLIENTS = 50


@step("Each side has a service of its own: nginx")
def services(demo):
    lab = demo.lab
    edge_root = demo.publish("edge-www", {"big": BIG, "medium": MEDIUM, "small": 10**6}, "hello from nginx on the edge")
    next_root = demo.publish("next-www", {}, "hello from the next version on the edge")
    cloud_root = demo.publish("cloud-www", {}, "hello from nginx in the cloud")
    nginx.serve(lab.edge, demo.edge_web, edge_root, "nginx-edge", "0.0.0.0" if lab.namespaced else "127.0.0.1")
    nginx.serve(lab.edge, demo.edge_next, next_root, "nginx-next")
    nginx.serve(lab.cloud, demo.cloud_web, cloud_root, "nginx-cloud")
    answers = [demo.curl(lab.edge, f"http://127.0.0.1:{demo.edge_web}/hello"), demo.curl(lab.cloud, f"http://127.0.0.1:{demo.cloud_web}/hello")]
    return "curl on each side to its own nginx", " / ".join(answers)


@step("The cloud cannot open a connection to the edge")
def direct_try(demo):
    lab = demo.lab
    if not lab.namespaced:
        raise Skip("on loopback addresses everything reaches everything")
    outcomes = []
    for what, address in (("the edge's own address", lab.edge.address), ("its router's address", lab.hosts["nat"].address)):
        result = lab.cloud.run(["curl", "-sS", "--connect-timeout", 1, f"http://{address}:{demo.edge_web}/hello"], check=False)
        assert result.returncode, f"{what} answered: {result.stdout}"
        outcomes.append(f"{what}: {result.stderr.strip()}")
    out = lab.edge.run(["curl", "-sS", "--connect-timeout", 1, f"http://{lab.cloud.address}:1"], check=False)
    assert "refused" in out.stderr or "Couldn't connect" in out.stderr, out.stderr
    return "curl from the cloud straight to the edge's nginx", "; ".join(outcomes)


@step("fairlead init makes a cloud")
def init(demo):
    demo.site.init()
    demo.site.cloud.configure(f"accessLog: {demo.access_log}\n")
    made = sorted(path.name + "/" * path.is_dir() for path in demo.site.cloud.folder.iterdir())
    demo.site.start_cloud()
    return "fairlead init --dir cloud; fairlead cloud --dir cloud", " ".join(made)


@step("fairlead cert issue makes an edge's folder; it is copied to the node")
def issue(demo):
    edge = demo.site.issue(NODE)
    made = sorted(path.name + "/" * path.is_dir() for path in edge.folder.iterdir())
    return f"fairlead cert issue --node {NODE} --out ...", " ".join(made)


@step("The edge dials out and is connected")
def connect(demo):
    demo.site.start_edge(NODE, "--label", "demo=yes")
    node = demo.site.nodes()[NODE]
    return f"fairlead edge --cloud {demo.site.link_address}; fairlead status", \
        f"{NODE} connected, seen from {node['address']}, RTT {node['rtt_ms']} ms"


@step("Rules are applied by putting manifests in routes/")
def rules(demo):
    lab = demo.lab
    demo.site.cloud.rules("web", manifests.to_node("web", demo.entrance, NODE, demo.edge_web))
    demo.site.cloud.rules("changing", manifests.to_node("changing", demo.changing, NODE, demo.edge_web))
    demo.site.edges[NODE].rules("back", manifests.to_cloud("back", demo.back_entrance, demo.cloud_web))
    for host, port in ((lab.cloud, demo.entrance), (lab.cloud, demo.changing), (lab.edge, demo.back_entrance)):
        host.wait_listening(port, seconds=3)
    return "Gateway + TCPRoute + Backend: two entrances in the cloud, one on the edge", "all three accept connections, no restart"


@step("curl, cloud to edge")
def cloud_to_edge(demo):
    answer = demo.curl(demo.lab.cloud, f"http://127.0.0.1:{demo.entrance}/hello")
    assert answer == "hello from nginx on the edge", answer
    return f"curl http://127.0.0.1:{demo.entrance}/hello in the cloud", answer


@step("curl, edge to cloud")
def edge_to_cloud(demo):
    answer = demo.curl(demo.lab.edge, f"http://127.0.0.1:{demo.back_entrance}/hello")
    assert answer == "hello from nginx in the cloud", answer
    return f"curl http://127.0.0.1:{demo.back_entrance}/hello on the edge", answer


@step(f"A download of {BIG // 10**6} MB is whole")
def download(demo):
    clock = Clock()
    command = f"curl -sS --fail --max-time 60 http://127.0.0.1:{demo.entrance}/big | sha256sum"
    digest = demo.lab.cloud.run(["sh", "-c", command]).stdout.split()[0]
    assert digest == demo.checksums["big"], f"checksum {digest}, not {demo.checksums['big']}"
    return command, f"{digest[:16]}... as on the edge, {BIG * 8e-6 / clock.seconds:.0f} Mbit/s with sha256sum"


@step(f"{CLIENTS} clients at once")
def clients(demo):
    url = f"http://127.0.0.1:{demo.entrance}/small"
    fetches = [demo.lab.cloud.start(f"client-{number}", ["sh", "-c", f"curl -sS --fail --max-time 30 {url} | sha256sum"], ends=True)
               for number in range(CLIENTS)]
    right = sum(fetch.wait(40) == 0 and fetch.log_text().split()[0] == demo.checksums["small"] for fetch in fetches)
    assert right == CLIENTS, f"{right} of {CLIENTS} were right"
    return f"{CLIENTS} x curl {url} | sha256sum", f"{right} of {CLIENTS} whole, 1 MB each"


@step("One rule is changed while traffic runs: nothing is cut")
def change_rule(demo):
    cloud = demo.lab.cloud
    steady, changing = f"http://127.0.0.1:{demo.entrance}", f"http://127.0.0.1:{demo.changing}"
    downloads = [cloud.start(f"download-{number}", ["sh", "-c", f"curl -sS --fail --limit-rate 20M {url}/medium | sha256sum"], ends=True)
                 for number, url in enumerate([steady, steady, changing, changing])]
    until(lambda: demo.site.nodes()[NODE]["flows"] >= len(downloads), 5, "downloads under way")
    clock, asked = Clock(), 0
    demo.site.cloud.rules("changing", manifests.to_node("changing", demo.changing, NODE, demo.edge_next))

    def moved():
        nonlocal asked
        asked += 2
        assert demo.curl(cloud, f"{steady}/hello") == "hello from nginx on the edge"
        return "next version" in demo.curl(cloud, f"{changing}/hello")

    until(moved, 5, "the new rule in force")
    took = clock.seconds
    assert all(download.alive for download in downloads), "a download ended when the rule changed"
    for running in downloads:
        assert running.wait(30) == 0 and running.log_text().split()[0] == demo.checksums["medium"], f"cut: {running.log}"
    return "routes/changing.yaml: its backend is now the next version; 4 downloads and short requests go on", \
        f"in force after {took:.2f} s; {asked} of {asked} short requests and 4 of 4 downloads right"
