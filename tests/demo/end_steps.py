"""How it ends, not asked to and asked to."""
from netlab import Clock

from story import NODE, step


@step("The edge is killed (kill -9) and comes back")
def kill_edge(demo):
    cloud, edge = demo.lab.cloud, demo.site.edges[NODE]
    edge.process.kill()
    clock = Clock()
    demo.site.wait_gone(NODE, 10)  # an idle edge: a keep-alive after 4 s, unanswered for 2 s
    gone = clock.seconds
    while_gone = cloud.run(["curl", "-sS", "--max-time", 5, f"http://127.0.0.1:{demo.entrance}/hello"], check=False)
    assert while_gone.returncode, f"answered without an edge: {while_gone.stdout}"
    clock = Clock()
    demo.site.start_edge(NODE, "--label", "demo=yes")
    answer = demo.curl(cloud, f"http://127.0.0.1:{demo.entrance}/hello")
    assert answer == "hello from nginx on the edge", answer
    back = clock.seconds
    assert back < 5, f"back only after {back:.1f} s"
    return "kill -9 of the edge; curl; start; curl", \
        f"known as gone after {gone:.2f} s; then '{while_gone.stderr.strip()}'; started, it answers after {back:.2f} s"


@step("All end when asked to")
def stop(demo):
    clock = Clock()
    statuses = {component.role: component.process.stop() for component in (*demo.site.edges.values(), demo.site.cloud)}
    assert set(statuses.values()) == {0}, statuses
    assert not (unasked := demo.lab.ended_by_themselves()), unasked
    return "SIGTERM to each", f"exit status 0 from all in {clock.seconds:.2f} s"
