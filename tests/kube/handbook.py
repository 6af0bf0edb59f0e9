"""docs/KUBERNETES.md: what the tests configure and run is taken from there, word for word, with the lab's names in the place of its own."""
import re
from pathlib import Path

_FILE = Path(__file__).resolve().parents[2] / "docs/KUBERNETES.md"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


class Handbook:
    """`names`: {a word of the text: what it is here}."""

    def __init__(self, names):
        self._names, text = names, _FILE.read_text()
        parts = re.split(r"^## (.*)$", text, flags=re.M)
        self._chapters = dict(zip(parts[1::2], parts[2::2]))

    def block(self, chapter, having):
        """The one block of code of a chapter that has these words."""
        return self._here(self._raw(chapter, having))

    def line(self, chapter, beginning):
        """The one line of a chapter's blocks of code that begins so, without its comment."""
        [line] = {line for _, block in _BLOCK.findall(self._chapters[chapter]) for line in block.splitlines() if line.startswith(beginning)}
        return self._here(line.split(" #")[0].strip())

    def _raw(self, chapter, having):
        found = [block for _, block in _BLOCK.findall(self._chapters[chapter]) if having in block]
        assert len(found) == 1, f"docs/KUBERNETES.md, {chapter}: {len(found)} blocks have '{having}'"
        return found[0]

    def _here(self, text):
        for word in sorted(self._names, key=len, reverse=True):
            text = text.replace(word, self._names[word])
        return text
