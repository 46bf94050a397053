"""What may leave a site: globs on the names of metrics. Pure; any thread."""

from fnmatch import fnmatchcase
from typing import Any, Optional, Union

from .events import Record, name_of

# Records that hold several metrics, each under its key.
_DICTS = {"METRICS", "SCALARS", "PARAMETERS", "TAGS"}


class Policy:
    """Which metrics of a record may leave the site."""

    def __init__(self, include: Optional[Union[str, list[str]]], exclude: Optional[Union[str, list[str]]]):
        """Globs as fnmatch has them, case counts; None includes all and excludes nothing. Raises ValueError."""
        self._include = _globs("include", include)
        self._exclude = _globs("exclude", exclude)
        self._known: dict[str, bool] = {}
        self.allows_all = self._include is None and self._exclude is None

    def allows(self, name: Any) -> bool:
        """True if a metric of this name may leave the site."""
        if self.allows_all:
            return True
        name = str(name)
        known = self._known.get(name)
        if known is None:
            known = (self._include is None or _fits(name, self._include)) and not _fits(name, self._exclude or [])
            if len(self._known) < 10000:
                self._known[name] = known
        return known

    def apply(self, record: Record) -> Optional[Record]:
        """The record with what may leave; None if that is nothing. The given one is not changed."""
        if self.allows_all:
            return record
        if name_of(record.data_type) in _DICTS and isinstance(record.value, dict):
            kept = {key: value for key, value in record.value.items() if self.allows(key)}
            if len(kept) == len(record.value):
                return record
            return record._replace(value=kept) if kept else None
        return record if self.allows(record.tag) else None


def _globs(name: str, given: Any) -> Optional[list[str]]:
    if given is None:
        return None
    globs = [given] if isinstance(given, str) else given
    if not isinstance(globs, (list, tuple)) or not all(isinstance(glob, str) for glob in globs):
        raise ValueError(f"{name} must be a glob or a list of globs, not {given!r}")
    return list(globs)


def _fits(name: str, globs: list[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
