"""TLS at the entrance (by files that may change) and towards the service."""
import hashlib
import ssl

import pytest

import netlab
from netlab import http_client, nginx, origin
from netlab.certificates import Certificates
from netlab.http_rules import backend, gateway, listener, route, rule, tls_files
from http_site import Way
from ways import NODE

ALPHA, BETA = "alpha.test", "a.beta.test"


@pytest.fixture(scope="module")
def ca(http):
    return Certificates(http.lab.folder / "tls")


@pytest.fixture(scope="module")
def https(http, ca):
    """One port with two listeners: alpha.test and *.beta.test, each with a certificate of its own; both lead to edge-a."""
    port = http.new_port()
    alpha, beta = ca.issue("alpha", ALPHA), ca.issue("beta", "*.beta.test")
    http.open("https", port,
              gateway("https", listener(port, "alpha", "HTTPS", hostname=ALPHA, tls=tls_files(*alpha)),
                      listener(port, "beta", "HTTPS", hostname="*.beta.test", tls=tls_files(*beta))),
              backend("https-edge", NODE, http.edge_port), route("https", rule("https-edge")))
    return Way(http, http.cloud, http.edge, port, http.edge_port)


def context(ca, certificate=None, version=None):
    made = ssl.create_default_context(cafile=ca.ca)
    if certificate:
        made.load_cert_chain(*certificate)
    if version:
        made.minimum_version = made.maximum_version = version
    return made


def connect(way, ca, name=ALPHA, **more):
    return http_client.Client(way.client.host, way.entrance, tls=context(ca, **more), server_name=name)


def curl(way, ca, name, *words, check=True):
    at = f"{name}:{way.entrance}"
    return way.curl("--cacert", ca.ca, "--resolve", f"{at}:127.0.0.1", *words, f"https://{at}/", check=check)


def names_in(client):
    return [name for _, name in client.socket.getpeercert()["subjectAltName"]]


def test_curl_trusts_the_entrance_and_the_service_is_told_of_https(https, ca):
    for name in (ALPHA, BETA):
        assert '["X-Forwarded-Proto", "https"]' in curl(https, ca, name).stdout


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_name_that_is_asked_for_chooses_the_certificate(https, ca, version):
    for name, of in ((ALPHA, [ALPHA]), (BETA, ["*.beta.test"])):
        with connect(https, ca, name, version=version) as client:
            assert names_in(client) == of
            assert client.get("/", ("Host", name)).status == 200


def test_old_versions_of_tls_are_not_spoken(https):
    old = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]
    result = https.client.host.run(["openssl", "s_client", "-connect", f"127.0.0.1:{https.entrance}", "-servername", ALPHA, *old], check=False)
    assert result.returncode and "Cipher is (NONE)" in result.stdout


def test_a_name_that_is_no_listeners_gets_no_certificate(https, ca):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(https, ca, "gamma.test")
    https_is_well(https, ca)


def https_is_well(way, ca):
    with connect(way, ca) as client:
        assert client.get("/", ("Host", ALPHA)).status == 200


def test_a_request_for_another_listener_than_the_connections_is_421(https, ca):
    with connect(https, ca, ALPHA) as client:
        assert client.get("/", ("Host", BETA)).status == 421
        assert client.get("/", ("Host", ALPHA)).status == 200


def test_large_bodies_are_whole_through_tls(https, ca):
    size = 20_000_000
    with connect(https, ca) as client:
        assert hashlib.sha256(client.get(f"/bytes/{size}", ("Host", ALPHA)).body).hexdigest() == origin.sha256_of(size)
        body = bytes(5_000_000)
        assert client.ask("POST", "/", [("Host", ALPHA)], body).json()["sha256"] == hashlib.sha256(body).hexdigest()


def test_what_is_not_tls_is_not_served(https, ca):
    with https.connect() as client:
        assert not client.raw(b"GET / HTTP/1.1\r\nHost: alpha.test\r\n\r\n").startswith(b"HTTP/1.1 200")
    https_is_well(https, ca)


def test_an_answer_that_breaks_off_has_no_orderly_end(https, ca):
    with connect(https, ca) as client, pytest.raises(http_client.Broken):
        client.get("/break?how=length", ("Host", ALPHA))


def test_changed_files_are_shown_to_new_connections_and_old_ones_stay(http, ca):
    files = ca.issue("changing", "changing.test")
    port = http.new_port()
    http.open("changing", port, gateway("changing", listener(port, "https", "HTTPS", tls=tls_files(*files))),
              backend("changing-edge", NODE, http.edge_port), route("changing", rule("changing-edge")))
    way = Way(http, http.cloud, http.edge, port, http.edge_port)

    def serial():
        with connect(way, ca, "changing.test") as client:
            return client.socket.getpeercert()["serialNumber"]

    before = serial()
    with connect(way, ca, "changing.test") as old:
        assert old.get("/").status == 200
        ca.issue("changing", "changing.test")
        netlab.until(lambda: serial() != before, 5, "the new certificate shown")
        assert old.get("/").status == 200
    after = serial()
    files[0].write_text("not a certificate\n")
    http.cloud.process.wait_for_log("changing.pem", 5)
    assert serial() == after, "the last good one stays"


def test_a_client_must_show_a_certificate_where_the_listener_requires_one(http, ca):
    port = http.new_port()
    tls = tls_files(*ca.issue("guarded", ALPHA), clientAuth="required", clientCaFile=ca.ca)
    http.open("guarded", port, gateway("guarded", listener(port, "https", "HTTPS", tls=tls)), backend("guarded-edge", NODE, http.edge_port),
              route("guarded", rule("guarded-edge")))
    way = Way(http, http.cloud, http.edge, port, http.edge_port)
    known, stranger = ca.issue("user", "user.test"), Certificates(http.lab.folder / "other-ca", "other").issue("user", "user.test")
    with connect(way, ca, certificate=known) as client:
        assert client.get("/").status == 200
    certificate, key = known
    assert curl(way, ca, ALPHA, "--fail", "--cert", certificate, "--key", key).stdout
    for bad in (None, stranger):
        with pytest.raises((ssl.SSLError, ConnectionError, http_client.Broken)), connect(way, ca, certificate=bad) as client:
            client.get("/")
    with connect(way, ca, certificate=known) as client:
        assert client.get("/").status == 200


def test_the_service_is_asked_by_tls_and_its_name_is_checked(http, ca):
    port, root = http.lab.port(8443), http.lab.folder / "tls-www"
    root.mkdir()
    (root / "hello").write_text("hello from nginx by TLS")
    nginx.serve(http.lab.edge, port, root, "nginx-tls", tls=ca.issue("service", "service.test", "127.0.0.1"))
    other = Certificates(http.lab.folder / "third-ca", "third")
    cases = {"good": ("service.test", ca), "address": ("127.0.0.1", ca), "wrong-name": ("else.test", ca), "wrong-ca": ("service.test", other)}
    way = http.to_edge("to-tls", *(rule(f"to-tls-{case}", path=f"/{case}", filters=[
        {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}]) for case in cases),
        backends=[backend(f"to-tls-{case}", NODE, port, tls={"hostname": name, "caFile": str(by.ca)}) for case, (name, by) in cases.items()])
    with way.connect() as client:
        for case in ("good", "address", "good"):
            assert client.get(f"/{case}/hello").body == b"hello from nginx by TLS"
        for case in ("wrong-name", "wrong-ca"):
            answer = client.get(f"/{case}/hello")
            assert answer.status == 502, answer.body
            assert "certificate" in answer.header("proxy-status"), answer.fields
        assert client.get("/good/hello").status == 200
