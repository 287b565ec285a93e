"""A hundred numbers at once: bought, waited for and settled, in one thread.

Against a sandbox of its own; with SASTAOTP_API_KEY set, with your account, for money: 80 rupees for each at most.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack
from decimal import Decimal

import sastaotp
from sastaotp.testing import Sandbox

MOST = Decimal(80)


async def one(client: sastaotp.AsyncClient, service: str) -> str | None:
    """The code of a number; None where none came, and the price is refunded."""
    try:
        async with client.lease(service, country="22", max_price=MOST) as number:
            return (await number.wait_for_code(timeout=300)).code
    except sastaotp.WaitTimeout:
        return None


async def main(count: int) -> None:
    async with AsyncExitStack() as stack:
        if "SASTAOTP_API_KEY" in os.environ:
            client = await stack.enter_async_context(sastaotp.AsyncClient(budget=count * MOST))
            service = "tg"
        else:
            sandbox = stack.enter_context(Sandbox())
            client = await stack.enter_async_context(sandbox.async_client(budget=count * MOST))
            service = "zz_ok"
        started = time.monotonic()
        results = await asyncio.gather(*(one(client, service) for _ in range(count)), return_exceptions=True)
        codes = [result for result in results if isinstance(result, str)]
        failures = [result for result in results if isinstance(result, BaseException)]
        print(f"{len(codes)} codes of {count} numbers in {time.monotonic() - started:.1f} s")
        for failure in failures:
            print("failed:", failure)
        print("left of the budget:", await client.budget_left())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
