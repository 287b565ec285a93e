"""Checks the file of the shared library, and explains why the system cannot load it.

The loader of Linux does not check the length of a file, and ends the process with SIGBUS when it
reads a missing page.
"""

from __future__ import annotations

import os
import platform
import re
import struct
import sys
from pathlib import Path
from typing import Optional

from ._find_binaries import library_advice

#: A version of glibc among the names of a library.
GLIBC_VERSION = re.compile(rb"(?<=\0)GLIBC_(\d+)\.(\d+)(?=[\0.])")
_ELF, _PE = b"\x7fELF", b"MZ"
#: How a 64-bit Mach-O file and a file for several processors begin.
_MACH_O = (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
#: The names of the processors, by the numbers that ELF, PE and Mach-O have for them.
_PROCESSORS = {
    62: "x86_64",
    183: "aarch64",
    0x8664: "x86_64",
    0xAA64: "aarch64",
    0x01000007: "x86_64",
    0x0100000C: "aarch64",
}
_SAME_PROCESSOR = {"amd64": "x86_64", "arm64": "aarch64"}
_HEADER, _SEGMENT = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ")
#: The number of bytes that the headers of the file are within.
_HEAD = 4096


def check_length(path: Path) -> None:
    """Raise ImportError if the file ends before the parts that the loader of Linux maps."""
    with path.open("rb") as file:
        needed = _needed_length(file.read(_HEAD))
        length = file.seek(0, os.SEEK_END)
    if length < needed:
        raise ImportError(
            f"loading {path}: the file is truncated: it has {length:,} bytes of at least "
            f"{needed:,}: {library_advice()}"
        )


def _needed_length(head: bytes) -> int:
    """Return the least length of an ELF file with 64 bits. 0 for other files."""
    if not head.startswith(_ELF + b"\x02\x01"):
        return 0
    if len(head) < _HEADER.size:
        return _HEADER.size
    fields = _HEADER.unpack_from(head)
    first, size, count = fields[5], fields[9], fields[10]
    end = first + size * count
    if size != _SEGMENT.size or end > len(head):
        return int(end)
    segments = [_SEGMENT.unpack_from(head, first + size * index) for index in range(count)]
    ends = [offset + filled for kind, _, offset, _, _, filled, *_ in segments if kind]
    return int(max([end, *ends]))


def explain(path: Path, error: OSError) -> str:
    """Return the loader's reason, and the need of the file that is not met."""
    needs = _needs(path, str(error))
    return f"loading {path}: {error}: {needs + ': ' if needs else ''}{library_advice()}"


def _needs(path: Path, reason: str) -> str:
    try:
        content = path.read_bytes()
    except OSError:
        return ""
    made_for, here = _made_for(content[:_HEAD]), _this_system()
    if made_for is None:
        return "the file is damaged, or not a library"
    if made_for != here:
        return f"the file is a library for {made_for}, and this Python needs one for {here}"
    if sys.platform.startswith("linux"):
        return _needs_on_linux(content, reason)
    return ""


def _needs_on_linux(content: bytes, reason: str) -> str:
    # musl refuses a library of glibc because of the functions that it lacks.
    if "GLIBC_" in reason or "symbol not found" in reason or "ld-linux" in reason:
        versions = GLIBC_VERSION.findall(content)
        if versions:
            major, minor = max((int(major), int(minor)) for major, minor in versions)
            return f"it needs glibc {major}.{minor} or newer, and this system has {_c_library()}"
        return f"it is for another C library, and this system has {_c_library()}"
    if "failed to map segment" in reason or "Operation not permitted" in reason:
        return (
            "the file system must allow the execution of files: it may be mounted with noexec; a "
            "program of PyInstaller extracts its files to the folder that TMPDIR names"
        )
    if "ELF" in reason or "file too short" in reason or "cannot read file data" in reason:
        return "the file is damaged"
    return ""


def _made_for(head: bytes) -> Optional[str]:
    """Return the system and the processor of a library. None if it is not a library."""
    if head.startswith(_ELF) and len(head) >= 20:
        return _target("Linux", int.from_bytes(head[18:20], "little"))
    if head.startswith(_PE) and len(head) >= 64:
        offset = int.from_bytes(head[60:64], "little")
        return _target("Windows", int.from_bytes(head[offset + 4 : offset + 6], "little"))
    if head.startswith(_MACH_O) and len(head) >= 8:
        if head.startswith(_MACH_O[1]):
            return _this_system()
        return _target("Darwin", int.from_bytes(head[4:8], "little"))
    return None


def _target(system: str, number: int) -> str:
    return f"{system} on {_PROCESSORS.get(number, f'processor {number}')}"


def _this_system() -> str:
    machine = platform.machine().lower()
    if sys.maxsize < 2**32:
        machine = f"{machine} with 32 bits"
    return f"{platform.system()} on {_SAME_PROCESSOR.get(machine, machine)}"


def _c_library() -> str:
    """Return the name and the version of the C library of this system."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "another C library"
    except (AttributeError, OSError, ValueError):
        return "another C library"
