"""Buys a hundred numbers at once, waits for their codes and settles them, in one thread.

It uses its own sandbox. If SASTAOTP_API_KEY is set, it uses your account instead and costs money:
up to 80 rupees per number.
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

MAX_PRICE = Decimal(80)


async def receive_code(client: sastaotp.AsyncClient, service: str) -> str | None:
    """Return the code of a new number. None if no code arrives: the price is then refunded."""
    lease = client.lease(service, country="22", max_price=MAX_PRICE)
    try:
        async with lease as number:
            return (await number.wait_for_code(timeout=300)).code
    except sastaotp.WaitTimeoutError:
        if lease.settlement is None:
            raise
        # A code may have arrived during the cancellation.
        code = lease.settlement.code
        return None if code is None else code.code


async def main(count: int) -> None:
    async with AsyncExitStack() as stack:
        budget = count * MAX_PRICE
        if "SASTAOTP_API_KEY" in os.environ:
            client = await stack.enter_async_context(sastaotp.AsyncClient(budget=budget))
            service = "tg"
        else:
            sandbox = stack.enter_context(Sandbox())
            client = await stack.enter_async_context(sandbox.async_client(budget=budget))
            service = "zz_ok"
        started = time.monotonic()
        results = await asyncio.gather(
            *(receive_code(client, service) for _ in range(count)), return_exceptions=True
        )
        elapsed = time.monotonic() - started
        codes = [result for result in results if isinstance(result, str)]
        failures = [result for result in results if isinstance(result, BaseException)]
        print(f"received {len(codes)} codes for {count} numbers in {elapsed:.1f} s")
        for failure in failures:
            print("failed:", failure)
            # Looks for a purchase with an unknown outcome, instead of buying again.
            if isinstance(failure, sastaotp.OutcomeUnknownError):
                found = await client.reconcile(failure.intent)
                print("candidates:", [order.activation_id for order in found.candidates])
        print("left of the budget:", await client.budget_left())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
