"""A cloud whose edges come by joining."""
import json
import sqlite3

from netlab import site as sites
from netlab.site import Component


class JoinSite(sites.Site):
    """A cloud; edges come by joining."""

    def token(self, *words):
        """What `fairlead token create -o json` says."""
        made = self.fairlead("token", "create", "--dir", self.cloud.folder, "--address", self.link_address, "-o", "json", *words)
        return json.loads(made.stdout)

    def tokens(self):
        return {each["id"]: each for each in json.loads(self.fairlead("token", "list", "--dir", self.cloud.folder, "-o", "json").stdout)}

    def join_words(self, token, node, folder):
        return ["edge", "--dir", folder, "--join", token["join"], "--ca-pin", token["caPin"], "--node", node, "--token", token["token"]]

    def join(self, token, node):
        """Starts an edge that joins, and waits until it is connected."""
        edge = self.edges[node] = Component(self, node, self.lab.edge, self.lab.folder / node)
        edge.process = edge.host.start(node, [self.binary, *self.join_words(token, node, edge.folder)])
        self.wait_connected(node)
        return edge

    def refused(self, words):
        """What an edge says whose join is refused for good; it ends by itself."""
        result = self.lab.edge.run([self.binary, *words], timeout=30, check=False)
        assert result.returncode == 1, f"{result.returncode}: {result.stderr}"
        return result.stderr

    def audit(self):
        """Lines of the audit log, oldest first."""
        shown = self.fairlead("audit", "--dir", self.cloud.folder, "-n", "200000", "-o", "json").stdout
        return [" | ".join(json.loads(line)[key] for key in ("who", "from", "what", "subject", "detail")) for line in shown.splitlines()]

    def keys(self):
        """The key that each name is bound to, in hex."""
        with sqlite3.connect(f"file:{self.cloud.folder}/state.db?mode=ro", uri=True) as db:
            return dict(db.execute("SELECT name, lower(hex(key)) FROM nodes"))
