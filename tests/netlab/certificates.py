"""A CA and what it signs, by openssl: certificates of listeners, services and clients."""
import subprocess

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Certificates:
    """`ca` is the CA's certificate in `folder`; PEM files all."""

    def __init__(self, folder, name="ca"):
        self.folder, self.ca, self._ca_key = folder, folder / f"{name}.pem", folder / f"{name}.key"
        folder.mkdir(exist_ok=True)
        self._openssl("req", "-x509", *_KEY, "-keyout", self._ca_key, "-days", "30", "-subj", f"/CN={name}", "-out", self.ca)

    def issue(self, file_name, *hosts, common_name=None):
        """(certificate, key) for DNS names and IP addresses; files of the same name are replaced, each as a whole."""
        certificate, key = self.folder / f"{file_name}.pem", self.folder / f"{file_name}.key"
        request, names, new, new_key = (self.folder / f"{file_name}.{end}" for end in ("csr", "names", "new", "newkey"))
        names.write_text("subjectAltName=" + ",".join(f"{'IP' if host[-1].isdigit() else 'DNS'}:{host}" for host in hosts or ["none.test"]))
        self._openssl("req", *_KEY, "-keyout", new_key, "-subj", f"/CN={common_name or file_name}", "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._ca_key, "-CAcreateserial", "-days", "30",
                      "-extfile", names, "-out", new)
        new_key.rename(key)
        new.rename(certificate)
        return certificate, key

    def _openssl(self, *words):
        subprocess.run(["openssl", *map(str, words)], cwd=self.folder, check=True, capture_output=True)
