"""Measures how much memory calls leave behind."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Callable

#: How much the allocators of Python and C may keep, in KB. A leak of 17 bytes per call exceeds it.
TOLERANCE = 512
#: In how many parts the calls are made.
PARTS = 10


def resident_kb() -> int:
    """Return the resident memory of this process in KB."""
    gc.collect()
    if sys.platform == "win32":
        return working_set_kb()
    status = Path("/proc/self/status")
    if not status.exists():
        return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(os.getpid())]))
    lines = status.read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1])


def working_set_kb() -> int:
    """Return the resident memory of this process on Windows in KB."""

    class Counters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS"""

        _fields_ = (
            ("size", ctypes.c_uint32),
            ("page_faults", ctypes.c_uint32),
            ("peak_working_set", ctypes.c_size_t),
            ("working_set", ctypes.c_size_t),
            ("pools_and_page_file", ctypes.c_size_t * 6),
        )

    counters = Counters(ctypes.sizeof(Counters))
    kernel32 = ctypes.CDLL("kernel32")
    process = ctypes.c_void_p(kernel32.GetCurrentProcess())
    assert kernel32.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.size)
    return int(counters.working_set) // 1024


def measure(name: str, count: int, run_calls: Callable[[int], None]) -> None:
    """Run the calls after a warm-up of a fifth of them, and fail if the process grew.

    Allocators keep more and more memory for a while, and then no more. So the growth is that from
    the highest of parts 3 to 5 to the lowest of parts 8 to 10: a leak grows in every part.
    """
    run_calls(count // 5)
    resident = []
    for _ in range(PARTS):
        run_calls(count // PARTS)
        resident.append(resident_kb())
    growth = min(resident[7:]) - max(resident[2:5])
    print(f"{count} {name} calls: the process grew by {growth} KB from part 5 to part 8 of {PARTS}")
    assert growth < TOLERANCE, resident
