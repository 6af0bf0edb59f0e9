"""Rules for HTTP: which backend gets a request, what is changed on its way, and which node answers."""
import collections
import json

import pytest

import netlab
from netlab import origin
from netlab.http_rules import backend, match, policy_filter, request_policy, route, rule, text
from http_site import BOTH, OTHER, problem
from ways import NODE


def name_of(answer):
    assert answer.status == 200, (answer.status, answer.body)
    return answer.json()["name"]


def names_of(way, count, target="/", *fields):
    """How many of `count` requests on one connection each service answered."""
    with way.connect() as client:
        return collections.Counter(name_of(client.get(target, *fields)) for _ in range(count))


def modify(kind, **edits):
    """A header filter: set/add by keyword as lists of (name, value), remove as a list of names."""
    edit = {key: [{"name": name, "value": value} for name, value in values] if key != "remove" else values for key, values in edits.items()}
    key = {"request": "requestHeaderModifier", "response": "responseHeaderModifier"}[kind]
    return {"type": key[0].upper() + key[1:], key: edit}


def telling(to, name, **more):
    """A rule that tells that it was taken."""
    return rule(to, filters=[modify("response", set=[("X-Rule", name)])], **more)


def test_the_most_specific_match_wins(http):
    rules = {
        "any": {}, "prefix": {"path": "/shop"}, "longer": {"path": "/shop/cart"}, "exact": {"matches": [match("/shop/cart", "Exact")]},
        "method": {"matches": [match("/shop", method="POST")]},
        "header": {"matches": [match("/shop", headers=[{"name": "X-Beta", "value": "yes"}])]},
        "query": {"matches": [match("/shop", queryParams=[{"name": "v", "value": "2"}])]},
        "regex": {"matches": [match("/items/[0-9]+", "RegularExpression")]},
    }
    way = http.to_edge("specific", *(telling("specific-edge", name, **matches) for name, matches in rules.items()))

    def taken(target, *fields, method="GET"):
        with way.connect() as client:
            return client.ask(method, target, fields).header("x-rule")

    assert taken("/") == taken("/shopping") == taken("/SHOP") == "any"
    assert taken("/shop") == taken("/shop/") == taken("/shop/x") == taken("/shop/cartoon") == "prefix"
    assert taken("/shop/cart/1") == "longer" and taken("/shop/cart") == "exact"
    assert taken("/shop", method="POST") == "method"
    assert taken("/shop", ("x-beta", "yes")) == "header" and taken("/shop", ("X-Beta", "no")) == "prefix"
    assert taken("/shop?v=2") == "query" and taken("/shop?v=3") == "prefix"
    assert taken("/items/42") == "regex" and taken("/items/x") == "any"
    assert taken("/a/../shop/./cart") == "exact" and taken("/%73hop/cart/1") == "longer"


def test_host_names_choose_the_route(http):
    way = http.to_edge("hosts", telling("hosts-edge", "any"))
    for name, hostname in (("one", "one.test"), ("wild", "*.wild.test")):
        http.cloud.rules(f"hosts-{name}", text(route(f"hosts-{name}", telling("hosts-edge", name), parent="hosts", hostnames=[hostname])))

    def taken(host):
        return way.get("/", ("Host", host)).header("x-rule")

    netlab.until(lambda: taken("a.wild.test") == "wild", 2, "the routes by host in force")
    assert taken("one.test") == taken("ONE.test:8080") == "one"
    assert taken("a.b.wild.test") == "wild"
    assert taken("wild.test") == taken("two.test") == "any"


def test_headers_are_set_added_and_removed(http):
    way = http.to_edge("headers", rule("headers-edge", filters=[
        modify("request", set=[("X-Set", "new")], add=[("X-Add", "more")], remove=["X-Gone"]),
        modify("response", set=[("X-MiXed-CaSe", "set")], add=[("X-Extra", "1")], remove=["X-Origin"])]))
    answer = way.get("/", ("X-Set", "old"), ("X-Add", "first"), ("X-Gone", "x"))
    got = [(name, value) for name, value in map(tuple, answer.json()["headers"]) if name.startswith("X-") and "Forwarded" not in name]
    assert got == [("X-Set", "new"), ("X-Add", "first"), ("X-Add", "more")] or got == [("X-Set", "new"), ("X-Add", "first,more")], got
    assert answer.header("x-mixed-case") == "set" and answer.header("x-extra") == "1" and answer.header("x-origin") is None


def test_paths_and_hosts_are_rewritten(http):
    def rewrite(**to):
        return [{"type": "URLRewrite", "urlRewrite": to}]

    way = http.to_edge(
        "rewrites",
        rule("rewrites-edge", path="/old", filters=rewrite(path={"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"})),
        rule("rewrites-edge", path="/strip", filters=rewrite(path={"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"})),
        rule("rewrites-edge", path="/full", filters=rewrite(hostname="inside.test", path={"type": "ReplaceFullPath", "replaceFullPath": "/one"})))
    assert way.get("/old/a?b=c").json()["target"] == "/new/a?b=c"
    assert way.get("/old").json()["target"] == "/new"
    assert way.get("/strip/a").json()["target"] == "/a" and way.get("/strip").json()["target"] == "/"
    got = way.get("/full/a/b?c").json()
    assert got["target"] == "/one?c" and dict(got["headers"])["Host"] == "inside.test"


def test_redirects_are_answered_here(http):
    def redirect(**to):
        return [{"type": "RequestRedirect", "requestRedirect": to}]

    way = http.to_edge(
        "redirects",
        rule(path="/moved", filters=redirect(scheme="https", hostname="new.test", statusCode=301,
                                             path={"type": "ReplacePrefixMatch", "replacePrefixMatch": "/to"})),
        rule(path="/port", filters=redirect(port=8443)), rule("redirects-edge", path="/"))
    with way.connect() as client:
        answer = client.get("/moved/a?b")
        assert (answer.status, answer.header("location")) == (301, "https://new.test/to/a?b")
        answer = client.get("/port/x", ("Host", "old.test"))
        assert (answer.status, answer.header("location")) == (302, "http://old.test:8443/port/x")
        assert client.get("/").status == 200


def test_cors_is_answered_here_and_allowed_origins_are_told(http):
    cors = {"allowOrigins": ["https://app.test", "https://*.wide.test"], "allowMethods": ["GET", "PUT"], "allowHeaders": ["X-Token"],
            "exposeHeaders": ["X-Origin"], "allowCredentials": True, "maxAge": 60}
    way = http.to_edge("cors", rule("cors-edge", filters=[{"type": "CORS", "cors": cors}]))
    with way.connect() as client:
        for asked, allowed in (("https://app.test", True), ("https://a.wide.test", True), ("https://evil.test", False)):
            before = client.ask("OPTIONS", "/", [("Origin", asked), ("Access-Control-Request-Method", "PUT")])
            answer = client.get("/", ("Origin", asked))
            assert name_of(answer) == NODE
            for got in (before, answer):
                assert got.header("access-control-allow-origin") == (asked if allowed else None), (asked, got.status, got.fields)
            if allowed:
                assert before.status in (200, 204) and "PUT" in before.header("access-control-allow-methods")
                assert before.header("access-control-max-age") == "60" and before.header("access-control-allow-credentials") == "true"
                assert answer.header("access-control-expose-headers") == "X-Origin"


def test_a_mirror_gets_each_request_and_nobody_waits_for_it(two_edges):
    http = two_edges
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"group": "fairlead.dev", "kind": "Backend", "name": "mirror-other"}}}
    way = http.to_edge("mirror", rule("mirror-this", filters=[mirror]),
                       backends=[backend("mirror-this", NODE, http.edge_port), backend("mirror-other", OTHER, http.edge_port)])
    with way.connect() as client:
        answer = client.ask("POST", "/note?id=mirrored", [], b"body")
    assert name_of(answer) == NODE and answer.json()["size"] == 4
    netlab.until(lambda: "note mirrored" in origin.seen(http.lab.edge2, http.edge_port), 3, "the mirrored request")
    assert origin.seen(http.lab.edge, http.edge_port).count("note mirrored") == 1
    with way.connect() as client:
        clock = netlab.Clock()
        client.get("/status/200")
        assert clock.seconds < 1


def test_weights_share_requests_over_two_nodes(two_edges):
    http = two_edges
    way = http.to_edge("weights", rule(("weights-a", 3), ("weights-b", 1)),
                       backends=[backend("weights-a", NODE, http.edge_port), backend("weights-b", OTHER, http.edge_port)])
    got = names_of(way, 400)
    assert got[NODE] + got[OTHER] == 400 and 250 < got[NODE] < 350, got


def test_the_nodes_of_a_backend_take_turns(two_edges):
    http = two_edges
    way = http.to_edge("turns", backends=[backend("turns-edge", BOTH, http.edge_port)])
    got = names_of(way, 100)
    assert 40 <= got[NODE] <= 60 and got[NODE] + got[OTHER] == 100, got


def test_a_hash_leads_the_same_user_to_the_same_node(two_edges):
    http = two_edges
    balancing = {"policy": "Hash", "hashOn": "Header", "name": "X-User"}
    way = http.to_edge("hash", backends=[backend("hash-edge", BOTH, http.edge_port, balancing=balancing)])
    nodes = {user: names_of(way, 5, "/", ("X-User", f"user-{user}")) for user in range(20)}
    assert all(len(got) == 1 for got in nodes.values()), nodes
    assert len({name for got in nodes.values() for name in got}) == 2


def test_a_preferred_node_serves_while_it_is_there(two_edges):
    http = two_edges
    way = http.to_edge("preferred", backends=[backend("preferred-edge", BOTH, http.edge_port, balancing={"preferred": {"nodeName": OTHER}})])
    assert set(names_of(way, 20)) == {OTHER}


def set_health(http, node, status):
    http.site.edges[node].host.run(["curl", "-sS", "--fail", f"http://127.0.0.1:{http.edge_port}/set-health?status={status}"])


def test_a_service_that_fails_its_check_gets_no_requests_until_it_passes_again(two_edges):
    http = two_edges
    check = {"active": {"path": "/health", "interval": "100ms", "unhealthyAfter": 2, "healthyAfter": 2}}
    way = http.to_edge("checked", backends=[backend("checked-edge", BOTH, http.edge_port, healthCheck=check)])
    assert set(names_of(way, 10)) == {NODE, OTHER}
    set_health(http, OTHER, 503)
    netlab.until(lambda: set(names_of(way, 10)) == {NODE}, 5, "only the healthy one asked")
    set_health(http, OTHER, 200)
    netlab.until(lambda: set(names_of(way, 10)) == {NODE, OTHER}, 5, "both asked again")
    http.close("checked", way)


def test_a_target_that_is_down_costs_no_request(http):
    up, down = {"address": "127.0.0.1", "port": http.edge_port}, {"address": "127.0.0.1", "port": http.lab.port(8099)}
    half = backend("half-edge", NODE, http.edge_port, healthCheck={"passive": {"failures": 3, "eject": "10s"}})
    half["spec"]["targets"] = [up, down]
    way = http.to_edge("half", backends=[half])
    assert names_of(way, 40) == {NODE: 40}


def test_a_backend_takes_no_more_requests_at_once_than_its_limit(http):
    way = http.to_edge("breaker", backends=[backend("breaker-edge", NODE, http.edge_port, limits={"requests": 2})])
    clients = [way.connect() for _ in range(3)]
    for client in clients[:2]:
        client.begin("GET", "/slow?ms=500")
    netlab.until(lambda: http.flows() == 2, 2, "two requests under way")
    problem(clients[2].get("/"), 503, "overloaded", "connection_limit_reached")
    assert [client.answer().status for client in clients[:2]] == [200, 200]
    assert clients[2].get("/").status == 200
    for client in clients:
        client.close()


@pytest.mark.parametrize("node_from, target, fields", [
    ({"pathSegment": 1, "strip": True}, "/{node}/a/b", ()),
    ({"header": "X-Node"}, "/a/b", (("X-Node", "{node}"),)),
    ({"hostLabel": 1}, "/a/b", (("Host", "{node}.nodes.test"),)),
], ids=["path", "header", "host"])
def test_a_request_may_name_its_node(two_edges, node_from, target, fields):
    http = two_edges
    name = "from-" + next(iter(node_from)).lower()
    way = http.to_edge(name, backends=[backend(f"{name}-edge", {"nodeFrom": node_from, **BOTH}, http.edge_port)])

    def ask(node):
        return way.get(target.format(node=node), *((field, value.format(node=node)) for field, value in fields))

    for node in (NODE, OTHER):
        answer = ask(node)
        assert name_of(answer) == node and answer.json()["target"] == "/a/b"
    problem(ask("edge-z"), 503, "node-unreachable", "destination_unavailable")
    problem(ask("no_node"), 404, "no-such-node", "destination_not_found")


def test_a_session_stays_at_its_node(two_edges):
    http = two_edges
    way = http.to_edge("session", rule("session-edge", sessionPersistence={"sessionName": "stick", "type": "Cookie"}),
                       backends=[backend("session-edge", BOTH, http.edge_port)])
    seen = set()
    for _ in range(6):
        with way.connect() as client:
            first = client.get("/")
            cookie = first.header("set-cookie").split(";")[0]
            assert cookie.startswith("stick=")
            seen.add(name_of(first))
            assert {name_of(client.get("/", ("Cookie", f"a=b; {cookie}"))) for _ in range(6)} == {name_of(first)}
    assert seen == {NODE, OTHER}, "without a cookie nodes take turns"


def test_an_answer_by_its_status_is_tried_again_where_the_rule_says_so(http):
    way = http.to_edge("retries", rule("retries-edge", retry={"codes": [503], "attempts": 2, "backoff": "10ms"}))
    assert way.get("/flaky?id=twice&fail=2&how=503").status == 200
    assert way.get("/flaky?id=thrice&fail=3&how=503").status == 503
    with way.connect() as client:
        assert client.ask("POST", "/flaky?id=body&fail=1&how=503", [], b"body").json()["size"] == 4


def test_a_request_that_may_have_been_served_is_tried_again_only_where_its_rule_says_so(http):
    to_flaky = [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/flaky"}}}]
    rules = [rule("repeatable-edge", path="/plain", filters=to_flaky),
             rule("repeatable-edge", path="/retried", filters=to_flaky, retry={"attempts": 2}),
             rule("repeatable-edge", path="/repeatable", filters=[*to_flaky, policy_filter("repeat")])]
    way = http.to_edge("repeatable", *rules, policies=[request_policy("repeat", repeatable=True)])
    with way.connect() as client:
        for path in ("/retried", "/repeatable"):
            assert client.ask("POST", f"{path}?id={path}&fail=1&how=close", [], b"body").json()["size"] == 4
        problem(client.ask("POST", "/plain?id=plain&fail=1&how=close", [], b"body"), 502, "service-reset", "connection_terminated")


def test_which_node_answered_is_told_where_the_rule_wants_it_and_in_the_access_log(http):
    way = http.to_edge("which", rule("which-edge", filters=[policy_filter("which")]),
                       policies=[request_policy("which", nodeHeader="X-Served-By")])
    assert way.get("/which").header("x-served-by") == NODE
    line = http.logged(path="/which")
    assert (line["node"], line["status"], line["method"], line["route"]) == (NODE, 200, "GET", "default/which")


def test_get_shows_routes_and_their_conditions(http):
    http.to_edge("shown", rule("shown-edge"), rule("missing", path="/m"))
    answer = json.loads(http.site.fairlead("get", "routes", "--dir", http.cloud.folder, "-o", "json").stdout)
    shown = next(item for item in answer["items"] if item["metadata"]["name"] == "shown")
    conditions = {condition["type"]: condition for condition in shown["status"]["parents"][0]["conditions"]}
    assert conditions["Accepted"]["status"] == "True"
    assert (conditions["ResolvedRefs"]["status"], conditions["ResolvedRefs"]["reason"]) == ("False", "BackendNotFound")
    gateways = json.loads(http.site.fairlead("get", "gateways", "--dir", http.cloud.folder, "-o", "json").stdout)
    gateway = next(item for item in gateways["items"] if item["metadata"]["name"] == "shown")
    assert {condition["type"]: condition["status"] for condition in gateway["status"]["conditions"]}["Programmed"] == "True"
    table = http.site.fairlead("get", "routes", "--dir", http.cloud.folder).stdout
    assert "default/shown" in table and "Backend default/missing is not there" in table
