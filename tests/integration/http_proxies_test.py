"""Who the client was: told to the service, believed only of those that may tell."""
import pytest

from netlab import http_client, http_rules, origin
from netlab.http_rules import backend
from ways import NODE

CLAIMED = [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "claimed.test"),
           ("Forwarded", "for=203.0.113.7"), ("Via", "1.1 claimed"), ("X-Real-IP", "203.0.113.7")]
LOCAL = "127.0.0.0/8"


def headers(answer):
    """Fields at the service, lower case, values of the same name joined."""
    found = {}
    for name, value in answer.json()["headers"]:
        found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
    return found


def test_what_an_untrusted_client_claims_is_dropped(http_way):
    with http_way.connect() as client:
        got = headers(client.get("/", ("Host", "shop.test"), *CLAIMED))
        plain = headers(client.get("/", ("Host", "shop.test")))
    assert not [value for value in got.values() if "203.0.113.7" in value or "claimed" in value], got
    assert got["x-forwarded-for"] == plain["x-forwarded-for"] == "127.0.0.1"
    assert (got["x-forwarded-proto"], got["x-forwarded-host"]) == ("http", "shop.test")


def test_what_a_trusted_proxy_tells_is_kept_and_added_to(http):
    way = http.to_edge("trusted", policies=[http_rules.listener_policy("trusted", "trusted", trustedProxies=[LOCAL])])
    got = headers(way.get("/", ("Host", "shop.test"), *CLAIMED))
    assert got["x-forwarded-for"] == "203.0.113.7, 127.0.0.1"
    assert (got["x-forwarded-proto"], got["x-forwarded-host"]) == ("https", "claimed.test")
    assert got["via"].startswith("1.1 claimed, ")


@pytest.fixture(scope="module")
def behind_proxy(http):
    """An entrance whose connections begin with a PROXY header."""
    return http.to_edge("proxied", policies=[http_rules.listener_policy("proxied", "proxied", trustedProxies=[LOCAL], proxyProtocol=True)])


V2 = b"\r\n\r\n\0\r\nQUIT\n"


@pytest.mark.parametrize("first, source", [
    (b"PROXY TCP4 203.0.113.9 192.0.2.1 5000 80\r\n", "203.0.113.9"),
    (b"PROXY TCP6 2001:db8::9 2001:db8::1 5000 80\r\n", "2001:db8::9"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (V2 + b"\x21\x11\x00\x0c" + bytes([203, 0, 113, 8, 192, 0, 2, 1, 0x13, 0x88, 0, 80]), "203.0.113.8"),
    (V2 + b"\x20\x00\x00\x00", "127.0.0.1"),
], ids=["v1", "v1-ipv6", "v1-unknown", "v2", "v2-local"])
def test_the_proxy_header_tells_who_the_client_was(behind_proxy, first, source):
    with http_client.Client(behind_proxy.client.host, behind_proxy.entrance, first=first) as client:
        assert headers(client.get("/"))["x-forwarded-for"] == source
        assert headers(client.get("/"))["x-forwarded-for"] == source, "and so for all requests of the connection"


def test_curl_sends_a_proxy_header(behind_proxy):
    assert behind_proxy.curl("--fail", "--haproxy-protocol", f"{behind_proxy.url}/").stdout


def served(way, first):
    """Whether a request is that comes behind these bytes."""
    try:
        with http_client.Client(way.client.host, way.entrance, first=first) as client:
            return client.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
    except ConnectionResetError:
        return False


@pytest.mark.parametrize("first", [b"", b"PROXY TCP4 203.0.113.9\r\n", b"PROXY TCP4 999.0.113.9 192.0.2.1 5000 80\r\n",
                                   V2 + b"\xff\x11\x00\x0c" + bytes(12)])
def test_a_connection_without_a_good_proxy_header_is_not_served(behind_proxy, first):
    assert not served(behind_proxy, first)
    assert served(behind_proxy, b"PROXY UNKNOWN\r\n")


def test_a_proxy_header_of_an_untrusted_client_is_not_believed(http):
    policy = http_rules.listener_policy("distrust", "distrust", trustedProxies=["192.0.2.0/24"], proxyProtocol=True)
    way = http.to_edge("distrust", policies=[policy])
    assert not served(way, b"PROXY TCP4 203.0.113.9 192.0.2.1 5000 80\r\n")


@pytest.mark.parametrize("version", [1, 2])
def test_the_service_is_told_by_a_proxy_header_where_its_backend_says_so(http, version):
    port = http.lab.port(8084 + version)
    origin.serve(http.lab.edge, port, f"told-{version}", "--proxy-protocol")
    name = f"tell-{version}"
    way = http.to_edge(name, backends=[backend(f"{name}-edge", NODE, port, proxyProtocol=version)])
    got = way.get("/").json()["proxy"]
    assert (got["version"], got["source"]) == (version, "127.0.0.1")
    with way.connect() as first, way.connect() as second:
        told = [client.get("/").json()["proxy"]["port"] for client in (first, second, first)]
        ports = [client.socket.getsockname()[1] for client in (first, second, first)]
    assert told == ports, "connections to the service are not shared between clients"
