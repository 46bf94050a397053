"""Packs a wheel anew, as small as its format allows: the same files with the same times, in the order of their names,
where a file system's own would be another one on another machine.

    pack.py WHEEL

Run by build.sh with the tools of requirements.txt. What zopfli finds any unzip reads; it is five hundredths smaller
than zlib's best, and takes a minute. The same contents make the same bytes.
"""

import struct
import sys
import zipfile
from pathlib import Path
from zlib import crc32

from zopfli import zlib

# APPNOTE.TXT 6.3.10 of PKWARE: 4.3.7 local file header, 4.3.12 central directory, 4.3.16 its end.
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_UNIX = 3 << 8  # who made it: file modes are Unix's
_NEEDS = 20  # version 2.0: deflate
_UTF8 = 0x800  # names are UTF-8


def _deflated(data: bytes) -> bytes:
    """Without zlib's frame, of two bytes before and four behind."""
    return zlib.compress(data, numiterations=15, blocksplittingmax=0)[2:-4]


def _packed(entry: zipfile.ZipInfo, data: bytes) -> "tuple[tuple, bytes, bytes]":
    """What both headers say, the name, and the bytes."""
    small = _deflated(data) if data else b""
    deflated = bool(data) and len(small) < len(data)
    if not deflated:
        small = data
    year, month, day, hour, minute, second = entry.date_time
    date, time = (year - 1980) << 9 | month << 5 | day, hour << 11 | minute << 5 | second // 2
    name = entry.filename.encode()
    method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    said = (_NEEDS, _UTF8, method, time, date, crc32(data), len(small), len(data), len(name), 0)
    return said, name, small


def in_order(entries: "list[zipfile.ZipInfo]") -> "list[zipfile.ZipInfo]":
    """What is told about the package comes last, and RECORD behind all that it lists."""

    def place(entry: zipfile.ZipInfo) -> tuple:
        name = entry.filename
        return name.endswith(".dist-info/RECORD"), ".dist-info/" in name, name

    return sorted(entries, key=place)


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """RECORD's lines have an order, too. It tells no checksum of itself."""
    data = archive.read(entry)
    return b"".join(sorted(data.splitlines(keepends=True))) if entry.filename.endswith(".dist-info/RECORD") else data


def pack(wheel: Path) -> bytes:
    body, directory = bytearray(), bytearray()
    with zipfile.ZipFile(wheel) as archive:
        entries = in_order(archive.infolist())
        for entry in entries:
            said, name, small = _packed(entry, _read(archive, entry))
            directory += _CENTRAL.pack(b"PK\1\2", _UNIX | _NEEDS, *said, 0, 0, 0, entry.external_attr, len(body)) + name
            body += _LOCAL.pack(b"PK\3\4", *said) + name + small
    end = _END.pack(b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return bytes(body + directory + end)


def _listed(archive: zipfile.ZipFile) -> list:
    return [
        (entry.filename, entry.date_time, entry.external_attr, _read(archive, entry))
        for entry in in_order(archive.infolist())
    ]


def main() -> None:
    wheel = Path(sys.argv[1])
    packed = wheel.with_suffix(".packed")
    packed.write_bytes(pack(wheel))
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(packed) as after:
        if _listed(before) != _listed(after):
            sys.exit(f"pack: error: {packed} is not what {wheel} is")
    print(f"pack: {wheel.stat().st_size} bytes are {packed.stat().st_size} now")
    packed.replace(wheel)


if __name__ == "__main__":
    main()
