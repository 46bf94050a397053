"""Writes the table of releases into docs/proven.md from pytest's reports.

usage: table.py RESULTS DOCUMENT
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

_SUITES = ["shim", "conformance", "forwarding", "kinds", "installing", "poc", "bridge"]
_BEGIN, _END = "<!-- matrix: begin -->", "<!-- matrix: end -->"


def cell(report: Path) -> str:
    """ "12", "12, 1 skipped" or "1 of 12 failed"."""
    if not report.exists():
        return "not run"
    totals = [dict(suite.attrib) for suite in ElementTree.parse(report).getroot().iter("testsuite")]
    count = {key: sum(int(total[key]) for total in totals) for key in ("tests", "failures", "errors", "skipped")}
    wrong = count["failures"] + count["errors"]
    if wrong:
        return f"**{wrong} of {count['tests']} failed**"
    passed = str(count["tests"] - count["skipped"])
    return f"{passed}, {count['skipped']} skipped" if count["skipped"] else passed


def table(results: Path) -> str:
    """Tests that passed, a row per environment."""
    names = {report.name.rsplit(".", 2)[0] for report in results.glob("*.xml")}
    lines = ["| NVFlare | Python | " + " | ".join(_SUITES) + " |", "|---" * (len(_SUITES) + 2) + "|"]
    for name in sorted(names, key=lambda name: [int(part) for part in name.replace("-py", ".").split(".")]):
        version, python = name.split("-py")
        cells = [cell(results / f"{name}.{suite}.xml") for suite in _SUITES]
        lines.append(f"| {version} | {python} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    results, readme = Path(sys.argv[1]), Path(sys.argv[2])
    text = readme.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        sys.exit(f"{readme} has no place for the table ({_BEGIN} ... {_END})")
    readme.write_text(f"{before}{_BEGIN}\n{table(results)}\n{_END}{after}")
    print(table(results))


if __name__ == "__main__":
    main()
