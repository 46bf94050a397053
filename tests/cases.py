"""Tells ctest the cases of a doctest program by name: `unit/bridge/intake/intake: the law it holds`.

usage: cases.py NAME PROGRAM CTEST_FILE [PROPERTY VALUE]...

CMake runs it when PROGRAM has been built. doctest's own doctest_discover_tests cuts names at a semicolon.
"""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def entries(name: str, program: str, properties: list[str]) -> list[str]:
    """The lines of the file that ctest reads, two for each case. `properties`: names and values in turn."""
    listing = subprocess.run([program, "--list-test-cases", "--reporters=xml"], check=True, stdout=subprocess.PIPE)
    lines = []
    for case in ElementTree.fromstring(listing.stdout).iter("TestCase"):
        law = case.attrib["name"]
        # tests/unit/bridge/intake/intake_test.cc -> bridge/intake/intake
        place = case.attrib["filename"].split(f"tests/{name}/")[-1].removesuffix("_test.cc")
        entry = f"[==[{name}/{place}: {law}]==]"
        # A comma would stand between two patterns.
        pattern = law.replace("\\", "\\\\").replace(",", "\\,")
        lines.append(f"add_test({entry} [==[{program}]==] [==[--source-file=*{place}_test.cc]==]"
                     f" [==[--test-case={pattern}]==])")
        # doctest is content with no case at all.
        given = " ".join(f"[==[{word}]==]" for word in properties)
        lines.append(f'set_tests_properties({entry} PROPERTIES FAIL_REGULAR_EXPRESSION "test cases: +0 " {given})')
    return lines


def main() -> None:
    name, program, ctest_file, *properties = sys.argv[1:]
    Path(ctest_file).write_text("\n".join(entries(name, program, properties)) + "\n")


if __name__ == "__main__":
    main()
