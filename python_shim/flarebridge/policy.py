"""What may leave a site: one decision over every value of a record. Pure; any thread.

A policy is made of rules (rules.py): the site's, and the job's, which can narrow it. A value leaves if all of them let
it. Who asks is gate.py.
"""

from typing import Any, Optional

from .events import Record, name_of
from .globs import Excluded, fit_exactly
from .judgement import KIND_OF, Judgement, rounded_to
from .known_names import KnownNames
from .rich_judgement import RICH, RichJudgement
from .rules import KINDS

_MOST_KNOWN = 10000  # names whose decision is remembered
_LONG = 2000  # characters of names that are not remembered


class Policy:
    """Rules that hold together."""

    def __init__(self, rules: list):
        self._includes = [rule.include for rule in rules if rule.include is not None]
        self._excluded = Excluded(glob for rule in rules for glob in rule.exclude)
        self.kinds = frozenset(KINDS).intersection(*(rule.kinds for rule in rules if rule.kinds is not None))
        self._digits = min((rule.digits for rule in rules if rule.digits is not None), default=None)
        sizes = [rule.max_bytes for rule in rules]
        self._max_bytes = {
            kind: min(size[kind] for size in sizes if kind in size) for kind in KINDS if any(kind in s for s in sizes)
        }
        self._any_name = not self._includes and not self._excluded
        self._free: dict = {}  # types as records have them -> whether they need no look
        self.last_free: Any = object()  # a type; most records have that of the one before
        self._known: dict = {}
        self._known_records = KnownNames(None if self._digits is None else self.rounded)

    def is_free(self, data_type: Any) -> bool:
        """True if records of this type leave as they are, whatever they hold: a fraction of a microsecond."""
        free = self._free.get(data_type)
        if free is None:
            free = self._needs_no_look(name_of(data_type))
            if len(self._free) < 100:
                self._free[data_type] = free
        if free:
            self.last_free = data_type
        return free

    def judge(self, record: Record) -> tuple:
        """The record with what may leave of it, or None, and a list of Kept.

        The given one is not changed; it is given back itself if all of it may leave.
        """
        if self.is_free(record.data_type):
            return record, []
        known = self._known_records.judge(record)
        if known is not None:
            return known
        judgement = RichJudgement if name_of(record.data_type) in RICH else Judgement
        left, kept = judgement(self, record).run()
        self._remember_names(record, left, kept)
        return left, kept

    def _remember_names(self, record: Record, left: Optional[Record], kept: list) -> None:
        """For the next one: if what leaves hangs on the names alone."""
        name = name_of(record.data_type)
        if KIND_OF.get(name) != "scalars" or "scalars" not in self.kinds or "scalars" in self._max_bytes:
            return
        if name == "SCALARS" and self.includes_names and not self.allows((record.tag,), (record.tag,)):
            return  # whether the tag leaves depends on which keys do
        self._known_records.remember(record, left, kept)

    def allows(self, names: tuple, exact: tuple) -> bool:
        """True if a value may leave that goes by `names`, and whose own name is one of `exact`."""
        if self._any_name:
            return True
        key = (names, exact)
        known = self._known.get(key)
        if known is None:
            known = not self._excluded.fit(names) and all(fit_exactly(exact, globs) for globs in self._includes)
            self._remember(key, known)
        return known

    def excludes(self, *names: str) -> bool:
        """True if one of the names is excluded."""
        return not self.allows_parent(names)

    def allows_parent(self, names: tuple) -> bool:
        """True if values may lie below: nothing of the names is excluded."""
        key = (names, None)
        known = self._known.get(key)
        if known is None:
            known = not self._excluded.fit(names)
            self._remember(key, known)
        return known

    @property
    def includes_names(self) -> bool:
        """True if only what is named may leave."""
        return bool(self._includes)

    def too_large(self, kind: str, size: int) -> bool:
        limit = self._max_bytes.get(kind)
        return limit is not None and size > limit

    def sees_values(self, kind: str) -> bool:
        """True if values of the kind are to be measured or rounded."""
        return kind in self._max_bytes or self._digits is not None

    @property
    def rounds(self) -> bool:
        """True if numbers are to be rounded."""
        return self._digits is not None

    def rounded(self, value: Any) -> Any:
        """A plain value with its numbers rounded; lists are new ones if anything in them changes."""
        if self._digits is None:
            return value
        return rounded_to(value, self._digits)

    def _remember(self, key: tuple, known: bool) -> None:
        if len(self._known) < _MOST_KNOWN and sum(map(len, key[0])) < _LONG:
            self._known[key] = known

    def _needs_no_look(self, type_name: str) -> bool:
        kind = KIND_OF.get(type_name, "files")
        needed = {"scalars", "texts", kind} | ({"files"} if kind == "texts" else set())  # a text with a path is a file
        needed |= {"histograms"} if kind == "scalars" else set()
        if type_name in RICH or type_name == "MODEL":  # which may carry one of these (events.TYPE_KEY)
            return False
        return self._any_name and self._digits is None and needed <= self.kinds and not needed & set(self._max_bytes)


