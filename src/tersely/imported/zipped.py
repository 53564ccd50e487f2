"""A zip file whose members may be compressed with zstd, as inspect-ai 0.3.2xx writes it and older Pythons cannot read.

Python's zipfile reads the directory and every older method; a member of method 93 is read raw and unpacked with
``zstandard``. The library of inspect-ai would do as well, but brings fifty packages; ``zipfile-zstd`` changes zipfile
for the whole process.
"""

from __future__ import annotations

import importlib
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tersely.errors import UserError
from tersely.extras import install_command
from tersely.imported.reading import MOST

ZSTD = 93
"""The method's number (APPNOTE.TXT of PKWARE, 4.4.5)."""
_LOCAL_HEADER = 30
MOST_OF_ALL = 8 * MOST
"""Bytes of all members together that are read."""


def read_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the members that are wanted, one at a time, in the order of their names.

    UserError for members larger than ``MOST`` or that are damaged, and where zstd cannot be read here.
    """
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        # A name that stands twice was written anew: the last one holds.
        found = {info.filename: info for info in archive.infolist() if wanted(info.filename)}
        _require_bounded(path, found.values())
        for name in sorted(found):
            yield name, _member(archive, file, found[name])


def _require_bounded(path: Path, members: Any) -> None:
    sizes = [info.file_size for info in members]
    if max(sizes, default=0) > MOST or sum(sizes) > MOST_OF_ALL:
        raise UserError(f"{path} unpacks to {sum(sizes)} bytes: too many for a log to be read here")


def _member(archive: zipfile.ZipFile, file: Any, info: zipfile.ZipInfo) -> bytes:
    content = _packed_by_zstd(file, info) if info.compress_type == ZSTD else _known(archive, info)
    if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
        raise ValueError(f"{info.filename} is damaged")
    return content


def _known(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """At most a byte more than the directory says, whatever is packed."""
    with archive.open(info) as member:
        return member.read(info.file_size + 1)


def _packed_by_zstd(file: Any, info: zipfile.ZipInfo) -> bytes:
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER)
    # The lengths of name and extra field stand at the end of the local header, and may differ from the directory's.
    file.seek(sum(struct.unpack("<HH", header[26:30])), 1)
    return _unpacked(file.read(info.compress_size), info.file_size)


def _unpacked(packed: bytes, size: int) -> bytes:
    """At most a byte more than ``size``, whatever is packed."""
    try:
        zstandard = importlib.import_module("zstandard")
    except ModuleNotFoundError as error:
        raise UserError(
            f"this log is compressed with zstd, which takes a library: {install_command('logs')} (or write it as JSON: "
            "inspect log convert --to json LOG --output-dir DIR)"
        ) from error
    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed), read_across_frames=True) as reader:
            content: bytes = reader.read(size + 1)
    except zstandard.ZstdError as error:
        raise ValueError(f"what zstd packed is damaged: {error}") from error
    return content
