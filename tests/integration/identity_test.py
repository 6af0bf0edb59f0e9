"""Who may connect: a wrong CA, name, an expired or revoked certificate is refused, each with its own message on both sides."""
import shutil
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

import netlab
from netlab.site import LINK_PORT

from ways import NODE

REFUSED_SECONDS = 10


def expect_refusal(site, at_cloud, at_edge, dialled=None):
    """Runs both sides; each must log its sentence, and the cloud must not have the node as connected."""
    cloud = site.start_cloud()
    edge = site.edges[NODE].start("--cloud", dialled or site.link_address)
    for process, sentence in ((cloud, at_cloud), (edge, at_edge)):
        netlab.until(lambda: sentence in process.log_text(), REFUSED_SECONDS, f"'{sentence}' in {process.log}")
    assert not site.connected(NODE)


def sign(site, node, first_day, last_day):
    """A new certificate for the key of an edge, signed by openssl with the CA's key; valid between two days from today."""
    edge, ca = site.edges[node].folder, site.cloud.folder
    work = site.lab.folder / "openssl"
    work.mkdir()
    (work / "index").touch()
    (work / "extensions").write_text("extendedKeyUsage=clientAuth\nbasicConstraints=critical,CA:FALSE\n")
    (work / "conf").write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={work}/index\nnew_certs_dir={work}\nrand_serial=yes\n"
                               "default_md=sha256\npolicy=any\npreserve=yes\n[any]\norganizationName=supplied\ncommonName=supplied\n")

    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    openssl("req", "-new", "-key", edge / "edge-key.pem", "-subj", f"/O=system:nodes/CN=system:node:{node}", "-out", work / "csr")
    now = datetime.now(timezone.utc)
    begin, end = (f"{now + timedelta(days=day):%y%m%d%H%M%SZ}" for day in (first_day, last_day))
    openssl("ca", "-batch", "-notext", "-config", work / "conf", "-cert", ca / "ca.pem", "-keyfile", ca / "ca-key.pem", "-in", work / "csr",
            "-out", edge / "edge.pem", "-extfile", work / "extensions", "-startdate", begin, "-enddate", end)


def trust_too(edge, cloud):
    """The edge's folder trusts the CA of that cloud besides its own."""
    with open(edge / "ca.pem", "a") as file:
        file.write((cloud / "ca.pem").read_text())


def test_an_edge_of_another_ca(site):
    """It trusts this cloud, but its own certificate was issued by another."""
    other = site.lab.folder / "other"
    site.fairlead("init", "--dir", other, "--name", "127.0.0.1")
    shutil.rmtree(site.edges[NODE].folder)
    site.fairlead("cert", "issue", "--dir", other, "--node", NODE, "--out", site.edges[NODE].folder)
    trust_too(site.edges[NODE].folder, site.cloud.folder)
    expect_refusal(site, "is from another CA", "does not trust the CA of your certificate")


def test_a_cloud_of_another_ca(site):
    """What an edge meets that dials a stranger."""
    other = site.lab.folder / "other"
    site.fairlead("init", "--dir", other, "--name", "127.0.0.1")
    shutil.rmtree(site.edges[NODE].folder)
    site.fairlead("cert", "issue", "--dir", other, "--node", NODE, "--out", site.edges[NODE].folder)
    trust_too(site.cloud.folder, other)  # it would let the edge in
    expect_refusal(site, "does not trust the CA of your certificate", "is from another CA")


def test_an_expired_certificate(site):
    sign(site, NODE, -30, -1)
    expect_refusal(site, f"the certificate of node {NODE} expired at", "your certificate expired at")


def test_a_certificate_that_is_not_valid_yet(site):
    sign(site, NODE, 1, 30)
    expect_refusal(site, f"the certificate of node {NODE} is valid only from", "your certificate is valid only from")


def test_a_revoked_node(site):
    with open(site.cloud.folder / "revoked", "a") as file:
        file.write(f"node {NODE}  # left on a train\n")
    expect_refusal(site, f"node {NODE} is revoked", "has revoked your certificate")


def test_a_node_that_is_revoked_while_it_is_connected_is_cut_off(linked):
    cloud, edge = linked.cloud, linked.edges[NODE]
    with open(cloud.folder / "revoked", "a") as file:
        file.write(f"node {NODE}\n")
    linked.wait_gone(NODE, REFUSED_SECONDS)
    edge.process.wait_for_log("has revoked your certificate", REFUSED_SECONDS)


def test_a_cloud_that_is_dialled_by_a_name_it_does_not_have(site):
    if not site.lab.namespaced:
        pytest.skip(site.lab.note)
    site.lab.cloud.net.ip("addr", "add", "10.77.1.77/24", "dev", "wan")
    expect_refusal(site, "the edge dialled 10.77.1.77, but your certificate is for", "not for 10.77.1.77", dialled=f"10.77.1.77:{LINK_PORT}")


def test_a_clouds_certificate_is_no_edges(site):
    edge = site.edges[NODE].folder
    shutil.copy(site.cloud.folder / "cloud.pem", edge / "edge.pem")
    shutil.copy(site.cloud.folder / "cloud-key.pem", edge / "edge-key.pem")
    result = site.fairlead("edge", "--dir", edge, "--cloud", site.link_address, check=False)
    assert result.returncode > 0
    assert "edge.pem" in result.stderr, result.stderr
