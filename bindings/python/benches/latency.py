"""Measures a thousand waits in one event loop, and how soon Ctrl-C ends a blocked call.

It uses its own sandbox. Fails if the waits take 1.2 times the ideal, if they delay other callbacks
of the loop by 10 ms, or if Ctrl-C takes 150 ms. The figures depend on the machine: run it on a
quiet one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Callable

from sastaotp.testing import Sandbox

WAITS = 1000
#: The code arrives with the second poll, and the slowest poll comes 5.5 s after the first.
IDEAL = 5.5
MAX_RATIO = 1.2
#: The longest delay of another callback of the loop, in seconds.
MAX_LAG = 0.010
#: The longest time from Ctrl-C to KeyboardInterrupt, in seconds.
MAX_INTERRUPT = 0.150


async def measure_waits(sandbox: Sandbox) -> tuple[float, float]:
    """Return the seconds that a thousand waits take, and the longest delay of the loop."""
    key = sandbox.key()
    sandbox.control("seed", {"wallet": "100000.00"}, api_key=key)
    async with sandbox.async_client(key, max_connections=128) as client:
        numbers = await asyncio.gather(
            *(client.get_number("zz_ok", country="22", max_price=80) for _ in range(WAITS)),
        )
        lags: list[float] = []
        heartbeat = asyncio.create_task(measure_lag(lags))
        started = time.monotonic()
        await asyncio.gather(*(number.wait_for_code(timeout=60) for number in numbers))
        elapsed = time.monotonic() - started
        heartbeat.cancel()
    return elapsed, max(lags)


async def measure_lag(lags: list[float]) -> None:
    """Record how late the loop wakes, without the time in which the thread had no CPU."""
    loop = asyncio.get_running_loop()
    while True:
        due, before = loop.time() + 0.005, runnable_seconds()
        await asyncio.sleep(0.005)
        lags.append(loop.time() - due - (runnable_seconds() - before))


def runnable_seconds() -> float:
    """Return how long this thread was ready to run while other threads had the CPU."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


def measure_interrupt(call: Callable[[], object], after: float) -> float:
    """Return the seconds from Ctrl-C to the end of a blocked call."""
    pressed: list[float] = []

    def press() -> None:
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(after, press).start()
    try:
        call()
    except KeyboardInterrupt:
        return time.monotonic() - pressed[0]
    sys.exit("benches/latency.py: the call ended before Ctrl-C")


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Sandbox() as sandbox:
        elapsed, lag = asyncio.run(measure_waits(sandbox))
        print(
            f"{WAITS} waits: {elapsed:.2f} s, {elapsed / IDEAL:.2f} times the ideal; "
            f"the loop was up to {lag * 1000:.1f} ms late"
        )
        with sandbox.client() as client:
            number = client.get_number("zz_never", country="22", max_price=80)
            delays = [
                measure_interrupt(lambda: number.wait_for_code(timeout=60), 0.3 + part / 50)
                for part in range(5)
            ]
            number.cancel()
        print(f"Ctrl-C during a wait: KeyboardInterrupt after up to {max(delays) * 1000:.0f} ms")
    if elapsed > MAX_RATIO * IDEAL or lag > MAX_LAG or max(delays) > MAX_INTERRUPT:
        sys.exit("benches/latency.py: a figure is above its limit")


if __name__ == "__main__":
    main()
