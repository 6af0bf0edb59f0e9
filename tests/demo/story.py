"""What the steps of the demo share: the site, its services and entrances, and how a step is written."""
import hashlib
import os

from netlab import origin, site

NODE, OTHER = "edge-a", "edge-b"
HUGE = 2 * 10**9
STEPS = []


class Skip(Exception):
    """The step cannot be shown here; says why."""


def step(title):
    """A step returns what was asked and what came back; it raises when that is not right."""
    def add(function):
        STEPS.append((title, function))
        return function
    return add


class Demo:
    def __init__(self, lab, binary):
        self.lab, self.site = lab, site.Site(lab, binary)
        self.checksums = {}
        # They differ between the sides because on loopback addresses all of them are one machine's.
        self.edge_web, self.edge_next, self.cloud_web = (lab.port(number) for number in (8080, 8081, 8090))
        self.entrance, self.changing, self.back_entrance = (lab.port(number) for number in (18080, 18081, 18090))
        self.edge_origin, self.cloud_origin, self.front, self.local = (lab.port(number) for number in (8082, 8092, 18000, 18001))
        self.access_log = lab.folder / "access.log"
        self._huge_sha256 = None

    @property
    def nodes(self):
        return list(self.site.edges)

    def needs_two(self):
        if OTHER not in self.site.edges:
            raise Skip("on loopback addresses two edges have one and the same service")

    def huge_sha256(self):
        self._huge_sha256 = self._huge_sha256 or origin.sha256_of(HUGE)
        return self._huge_sha256

    def publish(self, folder, sizes, greeting):
        """A folder for nginx with random files of `sizes`, whose checksums are kept, and a greeting."""
        root = self.lab.folder / folder
        root.mkdir()
        (root / "hello").write_text(greeting)
        block = os.urandom(10**6)
        for name, size in sizes.items():
            digest = hashlib.sha256()
            with open(root / name, "wb") as file:
                for number in range(size // len(block)):
                    piece = number.to_bytes(8, "big") + block[8:]
                    file.write(piece)
                    digest.update(piece)
            self.checksums[name] = digest.hexdigest()
        return root

    def curl(self, host, url, *options):
        return host.run(["curl", "-sS", "--fail", "--max-time", 30, *options, url]).stdout.strip()
