"""Short names for contents."""
import hashlib


def digest(*parts):
    """Of bytes or text; the same parts give the same name."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "big") + data)
    return sha.hexdigest()[:12]
