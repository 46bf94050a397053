"""How figures stand in a Markdown table, and how a table gets into a document."""

import re
import statistics
import sys
from pathlib import Path


def spread(values: list[float], digits: int, unit: str) -> str:
    """The median, and least to most if there are more than one."""
    middle = f"{statistics.median(values):,.{digits}f} {unit}".strip()
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def write_between_marks(readme: Path, name: str, text: str) -> None:
    """Replaces what is between the marks of that name. Ends the program with a message if they are not there."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    written, found = pattern.subn(lambda _match: f"{begin}\n{text}\n{end}", readme.read_text())
    if not found:
        sys.exit(f"{readme} has no place for the table ({begin} ... {end})")
    readme.write_text(written)
