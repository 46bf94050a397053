"""What a policy's fields may be: of the site's file, and of a job's arguments. Pure; any thread."""

from typing import Any, NamedTuple, Optional

# What a policy may name.
KINDS = ("scalars", "histograms", "params", "tags", "texts", "images", "tables", "files", "console", "system")
# Without a word of the site's: tables and files, which may hold anything, and console output stay; images are small. Of
# a site's machine the server hears how busy it is, in numbers; its host and paths are in runs that are written on the
# site only.
DEFAULT_KINDS = ("scalars", "histograms", "params", "tags", "texts", "images", "system")
DEFAULT_MAX_BYTES = {"images": 256 << 10}
FIELDS = ("include", "exclude", "kinds", "digits", "max_bytes")


class Rule(NamedTuple):
    """One side's word. None: it says nothing of that."""

    include: Optional[tuple]
    exclude: tuple
    kinds: Optional[frozenset]
    digits: Optional[int]
    max_bytes: dict

    @staticmethod
    def of(fields: Any) -> "Rule":
        """Of what a file or a job gives. Raises ValueError with what is wrong."""
        if not isinstance(fields, dict):
            raise ValueError(f"a policy must be a dict, not {type(fields).__name__}")
        for name in fields:
            if name not in FIELDS:
                raise ValueError(f"a policy has no field {name!r}; there are {', '.join(FIELDS)}")
        include, exclude = fields.get("include"), fields.get("exclude")
        kinds = fields.get("kinds")
        if kinds is not None:
            kinds = frozenset(_texts("kinds", kinds, "a kind or a list of kinds"))
            for kind in sorted(kinds - set(KINDS)):
                raise ValueError(f"kinds names {kind!r}, which is not known; there are {', '.join(KINDS)}")
        digits = fields.get("digits")
        if digits is not None and (type(digits) is not int or not 1 <= digits <= 17):
            raise ValueError(f"digits must be a whole number from 1 to 17, not {digits!r}")
        return Rule(
            None if include is None else _texts("include", include, "a glob or a list of globs"),
            () if exclude is None else _texts("exclude", exclude, "a glob or a list of globs"),
            kinds,
            digits,
            _sizes(fields.get("max_bytes")),
        )

    def with_defaults(self) -> "Rule":
        """As a site's: what it does not say is said for it."""
        kinds = frozenset(DEFAULT_KINDS) if self.kinds is None else self.kinds
        return self._replace(kinds=kinds, max_bytes={**DEFAULT_MAX_BYTES, **self.max_bytes})


def fields_of_a_job(include: Any, exclude: Any, policy: Any) -> dict:
    """One policy of the three arguments by which a job gives it. Raises ValueError with what is wrong."""
    further = {} if policy is None else policy
    if not isinstance(further, dict):
        raise ValueError(f"policy must be a dict, not {further!r}")
    for name in ("include", "exclude"):
        if name in further:
            raise ValueError(f"policy has {name!r}, which is an argument of its own")
    fields = {"include": include, "exclude": exclude, **further}
    Rule.of(fields)
    return {name: value for name, value in fields.items() if value is not None}


def _texts(name: str, given: Any, right: str) -> tuple:
    texts = (given,) if isinstance(given, str) else given
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{name} must be {right}, not {given!r}")
    return tuple(texts)


def _sizes(given: Any) -> dict:
    if given is None:
        return {}
    sizes = {kind: given for kind in KINDS} if type(given) is int else given
    if not isinstance(sizes, dict) or not all(type(size) is int and size >= 0 for size in sizes.values()):
        raise ValueError(f"max_bytes must be a number of bytes, or a dict from kinds to such numbers, not {given!r}")
    for kind in sizes:
        if kind not in KINDS:
            raise ValueError(f"max_bytes names the kind {kind!r}, which is not known; there are {', '.join(KINDS)}")
    return dict(sizes)
