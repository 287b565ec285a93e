"""Measures what calls leave in memory."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Callable

#: What the allocators of Python and of C may keep beside, in KB.
NOISE = 1024


def resident() -> int:
    """Resident memory of this process, in KB."""
    gc.collect()
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1])


def measure(name: str, count: int, calls: Callable[[int], None]) -> None:
    """Makes the calls, after a fifth of them to get warm, and fails where the process grew."""
    calls(count // 5)
    before = resident()
    calls(count)
    grown = resident() - before
    print(f"{count} {name} calls: the process grew by {grown} KB, {grown * 1024 / count:.1f} bytes a call")
    assert grown < NOISE, grown
