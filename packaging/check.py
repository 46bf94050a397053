"""Checks that a wheel runs where its name says: on any Linux with that C library, and with nothing else.

    check.py WHEEL

Run by build.sh with the tools of requirements.txt. Prints what is wrong and ends with 1, or what was looked at.
"""

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from pack import in_order

_PROGRAMS = ("flarebridge", "flarebridge-upload")
_NAME = re.compile(r"flarebridge-[\w.]+-py3-none-(manylinux_2_(\d+)_(x86_64|aarch64))\.whl")
_MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}  # elf.h
# glibc's own; all of them are a part of every system that pip takes the wheel on.
_LIBC = re.compile(r"(libc|libm|libpthread|libdl|librt|ld-linux[\w-]*)\.so\.\d+")
_MOST_BYTES = 4_000_000
_PINS = Path(__file__).with_name("sources.txt")
_ROOT = Path(__file__).resolve().parents[1]


def _needed(elf: ELFFile) -> Iterator[str]:
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            for tag in section.iter_tags("DT_NEEDED"):
                yield tag.needed


def _tags(elf: ELFFile) -> dict:
    sections = (section for section in elf.iter_sections() if isinstance(section, DynamicSection))
    return {tag.entry.d_tag: tag.entry.d_val for section in sections for tag in section.iter_tags()}


def _glibc_versions(elf: ELFFile) -> Iterator[str]:
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, versions in section.iter_versions():
                yield from (version.name for version in versions)


def _is_newer(version: str, minor: int) -> bool:
    numbers = re.fullmatch(r"GLIBC_2\.(\d+)(?:\.\d+)?", version)
    return numbers is None or int(numbers[1]) > minor


def _problems_of_program(path: Path, minor: int, machine: str) -> Iterator[str]:
    with path.open("rb") as file:
        elf = ELFFile(file)
        foreign = [name for name in _needed(elf) if not _LIBC.fullmatch(name)]
        newer = sorted({version for version in _glibc_versions(elf) if _is_newer(version, minor)})
        tags = _tags(elf)
        if elf.header.e_machine != _MACHINES[machine]:
            yield f"{path.name} is for {elf.header.e_machine}"
        if foreign:
            yield f"{path.name} needs {', '.join(foreign)}"
        if newer:
            yield f"{path.name} uses symbols of {', '.join(newer)}"
        if elf.header.e_type != "ET_DYN":
            yield f"{path.name} is not position-independent"
        if not any(segment.header.p_type == "PT_GNU_RELRO" for segment in elf.iter_segments()):
            yield f"{path.name} has no segment that is read-only after relocation"
        if not tags.get("DT_FLAGS", 0) & 0x8:  # DF_BIND_NOW (elf.h)
            yield f"{path.name} does not bind its symbols at its start"
        if tags.keys() & {"DT_RPATH", "DT_RUNPATH"}:
            yield f"{path.name} looks for libraries in a folder of its own"
        if elf.get_section_by_name(".symtab"):
            yield f"{path.name} is not stripped"
    if str(_ROOT).encode() in path.read_bytes():
        yield f"{path.name} has the name of {_ROOT} in it, and is another one wherever it is built"


def _problems_of_files(archive: zipfile.ZipFile) -> Iterator[str]:
    """The programs may be executed, the command is there, all is in order, and each library has its licence."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    programs = [f"flarebridge/bin/{name}" for name in _PROGRAMS]
    commands = [name for name in entries if name.endswith(".data/scripts/flarebridge")]
    for name in [*programs, *(commands or ["the command flarebridge"])]:
        if name not in entries:
            yield f"{name} is missing"
        elif not (entries[name].external_attr >> 16) & 0o111:
            yield f"{name} can't be executed"
    if list(entries.values()) != in_order(list(entries.values())):
        yield "its files are not in the order of their names, and would be in another one elsewhere"
    licences = {name.rsplit("/", 1)[1] for name in entries if ".dist-info/licenses/" in name}
    pins = [line.split() for line in _PINS.read_text().splitlines() if not line.startswith("#")]
    for name in ["LICENSE", *(f"{pin[1]}-{pin[2].split(':')[-1]}.txt" for pin in pins)]:
        if name not in licences:
            yield f"the licence {name} is missing"


def _problems_of_tag(wheel: Path, tag: str) -> Iterator[str]:
    done = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", str(wheel)], capture_output=True, text=True, check=False
    )
    words = " ".join((done.stdout + done.stderr).split())
    if done.returncode != 0 or f'platform tag: "{tag}"' not in words:
        yield f"auditwheel does not find it to be {tag}: {words}"


def problems(wheel: Path) -> list[str]:
    """All that is wrong with the wheel."""
    name = _NAME.fullmatch(wheel.name)
    if not name:
        return [f"{wheel.name} is no name of a portable wheel"]
    found = list(_problems_of_tag(wheel, name[1]))
    if wheel.stat().st_size > _MOST_BYTES:
        found.append(f"it has {wheel.stat().st_size} bytes; at most {_MOST_BYTES} are wanted")
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        found += _problems_of_files(archive)
        for program in _PROGRAMS:
            path = Path(archive.extract(f"flarebridge/bin/{program}", folder))
            found += _problems_of_program(path, int(name[2]), name[3])
    return found


def main() -> int:
    wheel = Path(sys.argv[1])
    found = problems(wheel)
    for problem in found:
        print(f"check: error: {wheel.name}: {problem}", file=sys.stderr)
    if not found:
        print(f"check: {wheel} is whole: {wheel.stat().st_size} bytes, needs glibc alone")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
