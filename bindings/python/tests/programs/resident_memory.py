"""Measures how much memory calls leave behind."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Callable

#: How much the allocators of Python and C may keep, in KB.
TOLERANCE = 1024


def resident_kb() -> int:
    """Return the resident memory of this process in KB."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1])


def measure(name: str, count: int, run_calls: Callable[[int], None]) -> None:
    """Run the calls after a warm-up of a fifth of them, and fail if the process grew."""
    run_calls(count // 5)
    before = resident_kb()
    run_calls(count)
    growth = resident_kb() - before
    per_call = growth * 1024 / count
    print(f"{count} {name} calls: the process grew by {growth} KB, {per_call:.1f} bytes per call")
    assert growth < TOLERANCE, growth
