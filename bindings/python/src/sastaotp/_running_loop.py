"""Finds the running event loop of asyncio, and reports what to do if there is none."""

from __future__ import annotations

import asyncio
import sys

from ._errors import UsageError


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop of asyncio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise UsageError(_advice()) from None


def _advice() -> str:
    if _trio_runs():
        return (
            "AsyncClient needs asyncio, and trio runs this task: use Client, and call its methods "
            "with trio.to_thread.run_sync, or run AsyncClient with trio-asyncio"
        )
    return (
        "AsyncClient needs asyncio, and no event loop of asyncio runs here: call it in a coroutine "
        "that asyncio.run runs, or use Client"
    )


def _trio_runs() -> bool:
    """Return whether trio runs the caller. The program has imported trio then."""
    lowlevel = sys.modules.get("trio.lowlevel")
    in_trio_task = getattr(lowlevel, "in_trio_task", None)
    return in_trio_task is not None and bool(in_trio_task())
