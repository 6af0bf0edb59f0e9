"""How to start the two halves of each tunnel. A new peer is a class with `name`, `missing()` and `start(world)`, which carries each of
`world.services` that it can; `datagrams` says whether it can carry UDP.
"""
import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path

from netlab import http_rules, manifests, site

from world import ENTRANCE_PORT, SERVICE_PORT

NODE = "edge-a"
RATHOLE_VERSION = "0.5.0"
TUNNEL_PORT = 7000
_STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


class Direct:
    """No tunnel, no TLS: the client dials the edge over the wire."""
    name = "direct"
    datagrams = True

    def missing(self, build):
        return None

    def start(self, world):
        world.dial_the_edge()


class NginxTls:
    """nginx as a TCP proxy on both sides, TLS 1.3 between them; the cloud dials the edge, so there can be no NAT."""
    name = "nginx-tls"
    datagrams = False

    def missing(self, build):
        return None if _STREAM_MODULE.exists() else f"{_STREAM_MODULE} (libnginx-mod-stream)"

    def start(self, world):
        tls = world.material
        world.start_edge("nginx", "-c", self._config(world, "edge", f"""
            listen {TUNNEL_PORT} ssl backlog=4096; ssl_protocols TLSv1.3; ssl_certificate {tls.certificate};
            ssl_certificate_key {tls.key}; proxy_pass 127.0.0.1:{SERVICE_PORT};"""))
        world.start_cloud("nginx", "-c", self._config(world, "cloud", f"""
            listen 127.0.0.1:{ENTRANCE_PORT} backlog=4096; proxy_pass {world.edge.address}:{TUNNEL_PORT}; proxy_ssl on;
            proxy_ssl_protocols TLSv1.3; proxy_ssl_verify on; proxy_ssl_trusted_certificate {tls.ca}; proxy_ssl_name bench.test;"""))

    def _config(self, world, side, server):
        return world.write(f"nginx-{side}.conf", f"""
            load_module {_STREAM_MODULE}; daemon off; master_process off; pid {world.folder}/{side}.pid;
            error_log {world.lab.logs}/nginx-{side}.log; events {{ worker_connections 8192; }}
            stream {{ server {{ {server} tcp_nodelay on; }} }}""")


class Rathole:
    """TLS, one connection over the link for each connection of a user; its defaults."""
    name = "rathole"
    datagrams = True

    @property
    def program(self):
        return cache() / f"rathole-{RATHOLE_VERSION}/bin/rathole"

    def missing(self, build):
        if not self.program.exists():
            _install_rathole(self.program.parents[1])
        return None if self.program.exists() else f"rathole {RATHOLE_VERSION} (cargo install rathole)"

    def start(self, world):
        tls = world.material
        server = world.write("rathole-cloud.toml", f"""
[server]
bind_addr = "0.0.0.0:{TUNNEL_PORT}"
default_token = "bench"
[server.transport]
type = "tls"
[server.transport.tls]
pkcs12 = "{tls.pkcs12}"
pkcs12_password = "bench"
""" + "".join(f"""
[server.services.{service.name}]
type = "{service.protocol}"
bind_addr = "127.0.0.1:{service.entrance}"
""" for service in world.services))
        client = world.write("rathole-edge.toml", f"""
[client]
remote_addr = "{world.cloud.address}:{TUNNEL_PORT}"
default_token = "bench"
[client.transport]
type = "tls"
[client.transport.tls]
trusted_root = "{tls.ca}"
hostname = "bench.test"
""" + "".join(f"""
[client.services.{service.name}]
type = "{service.protocol}"
local_addr = "127.0.0.1:{service.port}"
""" for service in world.services))
        quiet = {"RUST_LOG": "warn"}
        world.start_cloud(self.program, "--server", server, env=quiet)
        world.start_edge(self.program, "--client", client, env=quiet)


class OpenSsh:
    """ssh -R: all connections of users in one connection over the link."""
    name = "openssh"
    datagrams = False

    def missing(self, build):
        return None if shutil.which("sshd") and shutil.which("ssh") else "openssh-server, openssh-client"

    def start(self, world):
        folder = world.folder
        os.makedirs("/run/sshd", exist_ok=True)
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        public = (folder / "host.pub").read_text().split()
        known = world.write("known", f"[{world.cloud.address}]:{TUNNEL_PORT} {public[0]} {public[1]}\n")
        config = world.write("sshd.conf", f"""
Port {TUNNEL_PORT}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
UsePAM no
""")
        world.start_cloud(shutil.which("sshd"), "-D", "-e", "-f", config)
        world.cloud.wait_listening(TUNNEL_PORT)
        forwards = [word for service in world.services if service.protocol == "tcp"
                    for word in ("-R", f"127.0.0.1:{service.entrance}:127.0.0.1:{service.port}")]
        world.start_edge("ssh", "-F", "none", "-N", "-p", str(TUNNEL_PORT), "-i", folder / "user", "-o", f"UserKnownHostsFile={known}",
                         "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes",
                         *forwards, f"{getpass.getuser()}@{world.cloud.address}")


class Fairlead:
    """What is measured: default configuration, one rule for each service."""
    name = "fairlead"
    datagrams = True

    def rules(self, service):
        return manifests.to_node(service.name, service.entrance, NODE, service.port, protocol=service.protocol.upper())

    def missing(self, build):
        return None if os.access(build / "fairlead", os.X_OK) else f"{build}/fairlead"

    def start(self, world):
        here = world.site = site.Site(world.lab, world.build / "fairlead")
        here.init()
        here.issue(NODE)
        for service in world.services:
            here.cloud.rules(service.name, self.rules(service))
        world.cloud_processes.append(here.start_cloud())
        world.edge_processes.append(here.start_edge(NODE, connected=world.waits))


class FairleadHttp(Fairlead):
    """The same with an HTTPRoute for what is asked by HTTP: each request is read, matched and carried by itself."""
    name = "fairlead-http"

    def rules(self, service):
        if service.name != "web":
            return super().rules(service)
        return http_rules.entrance(service.name, service.entrance, NODE, service.port)


ALL = [Direct(), NginxTls(), Rathole(), OpenSsh(), Fairlead(), FairleadHttp()]


def cache():
    """Where built peers are kept between runs, outside the tree."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fairlead"


def _install_rathole(root):
    if not shutil.which("cargo"):
        return
    print(f"building rathole {RATHOLE_VERSION} into {root}, once; takes minutes", file=sys.stderr, flush=True)
    # Without --locked: the versions of its lock file no longer build.
    subprocess.run(["nice", "cargo", "install", "--quiet", "rathole", "--version", RATHOLE_VERSION, "--root", root])
