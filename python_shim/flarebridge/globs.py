"""Names of values, and the globs of a policy that fit them. Pure; any thread.

A value has many names: its tag, its key, both joined, the path of nested keys, a file's path. Who excludes a name means
the value whatever it is called, so all of them are asked, and parts of them; who includes one means exactly that name.
"""

import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase

_MOST_PARTS = 32  # of a name; one with more is excluded where anything is


class Excluded:
    """Fits a value by any of its names, and by each part between / \\ and dots. Case does not count."""

    def __init__(self, globs: Iterable[str]):
        folded = {_folded(glob) for glob in globs}
        self._globs = folded | {_in_parts(glob) for glob in folded if _in_parts(glob)}

    def __bool__(self) -> bool:
        return bool(self._globs)

    def fit(self, names: Iterable[str]) -> bool:
        """`names`: that a value goes by, whole ones."""
        return bool(self._globs) and any(self._fits(name) for name in names)

    def _fits(self, name: str) -> bool:
        name = _folded(name)
        parts = _in_parts(name).split("/")
        if len(parts) > _MOST_PARTS:
            return True
        asked = {name}
        for first in range(len(parts)):
            for end in range(first + 1, len(parts) + 1):
                asked.add("/".join(parts[first:end]))
        return any(fnmatchcase(one, glob) for one in asked for glob in self._globs)


def fit_exactly(names: Iterable[str], globs: Iterable[str]) -> bool:
    """True if a glob fits one of the names as it stands. Case counts."""
    return any(fnmatchcase(name, glob) for name in names for glob in globs)


def _folded(text: str) -> str:
    """Without case, other forms of the same letters, and letters that can't be seen."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return text.casefold()


def _in_parts(text: str) -> str:
    """With one separator for all, and none at its ends."""
    return "/".join(part for part in text.replace("\\", "/").replace(".", "/").split("/") if part)
