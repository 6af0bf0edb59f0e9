"""A real nginx on a host of the lab, serving files: one process, so that nothing of it outlives its supervisor."""
_CONFIG = """\
daemon off;
master_process off;
user root;
pid {folder}/pid;
error_log {log} warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  send_timeout 600s;
  open_file_cache max=100;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{ listen {address}:{port}{tls} backlog=4096; root {root}; default_type application/octet-stream; {more} }}
}}
"""


def serve(host, port, root, name="nginx", address="127.0.0.1", tls=None, more=""):
    """Serves the files under `root` at `address:port` of `host`; answering on return. `tls`: (certificate, key). `more`: of `server`."""
    if tls:
        more += f" ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]};"
    folder = host.lab.folder / name
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, log=host.lab.logs / f"{name}.log", address=address, port=port, root=root,
                                     tls=" ssl" if tls else "", more=more))
    process = host.start(name, ["nginx", "-e", host.lab.logs / f"{name}.log", "-c", config])
    host.wait_listening(port)
    return process
