"""Checks that the folders' READMEs list every source file once, and that documents name only what is there.

A README lists what stands in the first column of its tables, relative to its own folder or to that of the heading
above, if that is a folder ("### wandb/log/"); `*` stands for any part of a path. A header stands for its .cc file.
Of names in the source only those of constants in docs/ are looked for.
"""

import os
import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path

_SOURCES = (".h", ".cc", ".c", ".py", ".sh")
_TOP = ("events", "receivers", "bridge", "python_shim", "jobs", "packaging", "tests")
_SKIPPED = ("build", "__pycache__")  # and what begins with a dot
_HEADING = re.compile(r"^#+ +([\w.-]+(?:/[\w.-]+)*)/$")
_NAME = re.compile(r"`([\w./*-]+(?:\.h|\.cc|\.c|\.py|\.sh))`")
_CONSTANT = re.compile(r"`(?:\w+::)*(k[A-Z]\w*|_[A-Z][A-Z_]+)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def _files(root: Path) -> list[str]:
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
        found += [(Path(folder) / name).relative_to(root).as_posix() for name in sorted(names)]
    return found


def _joined(folder: str, name: str) -> str:
    parts: list[str] = []
    for part in [*folder.split("/"), *name.split("/")]:
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _matching(pattern: str, files: list[str]) -> list[str]:
    return [file for file in files if fnmatchcase(file, pattern)]


def _stem(file: str, files: set[str]) -> str:
    """The file that a README names for this one: of a .cc file its header, if it has one."""
    header = file[: -len(".cc")] + ".h" if file.endswith(".cc") else ""
    return header if header in files else file


def _read(document: str, text: str, files: list[str]) -> tuple[list[str], list[str]]:
    """The files that a document lists, and what it names that is not there."""
    own = folder = "/".join(document.split("/")[:-1])
    ends = ["/" + file for file in files]
    listed, missing = [], []
    for line in text.splitlines():
        if line.startswith("#"):
            heading = _HEADING.match(line)
            folder = _joined(own, heading[1]) if heading else folder
        first_cell = line.split("|")[1] if line.startswith("|") else ""
        for name in _NAME.findall(line):
            # As listed here, as a path from this folder or from the top, or as the end of one.
            here = _matching(_joined(folder, name), files)
            if not (here or _matching(_joined(own, name), files) or _matching(f"*/{name}", ends)):
                missing.append(name)
            if f"`{name}`" in first_cell:
                listed += here
    return listed, missing


def _unknown_constants(root: Path, files: list[str]) -> list[str]:
    words = {word for file in files for word in re.findall(r"\w+", (root / file).read_text())}
    return [
        f"docs/{document.name}: names {name}, which no source has"
        for document in sorted((root / "docs").glob("*.md"))
        for name in _CONSTANT.findall(document.read_text())
        if name not in words
    ]


def problems(root: Path) -> list[str]:
    """Every file that no README lists or that two do, and every name in a document without a file."""
    found = []
    all_files = _files(root)
    files = [file for file in all_files if file.endswith(_SOURCES)]
    known = set(files)
    lists: dict[str, list[str]] = {file: [] for file in files}
    for document in [file for file in all_files if file.endswith(".md")]:
        text = (root / document).read_text()
        listed, missing = _read(document, text, files)
        if document.endswith("README.md"):
            for file in listed:
                lists[_stem(file, known)].append(document)
        found += [f"{document}: names {name}, which is not there" for name in missing]
        for target in _LINK.findall(text):
            if "://" not in target and not (root / document).parent.joinpath(target).exists():
                found.append(f"{document}: links to {target}, which is not there")
    found += _unknown_constants(root, files)
    for file, documents in lists.items():
        if not file.startswith(tuple(f"{top}/" for top in _TOP)) or _stem(file, known) != file:
            continue
        if not documents:
            found.append(f"{file}: no README of its folder or above lists it")
        if len(documents) > 1:
            found.append(f"{file}: listed {len(documents)} times, in {', '.join(sorted(set(documents)))}")
    return found


def main() -> int:
    found = problems(Path(__file__).resolve().parents[2])
    print("\n".join(found) or "readmes: every file is listed, and what documents name is there")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
