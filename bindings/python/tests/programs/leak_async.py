"""Makes 100,000 awaited calls, some failing or cancelled, and fails if the process grows.

Argument: the sandbox's address.
"""

from __future__ import annotations

import asyncio
import sys

from resident_memory import measure

import sastaotp

CALLS = 100_000
BATCH = 50


async def run_batch(client: sastaotp.AsyncClient) -> None:
    calls = [asyncio.ensure_future(client.get_balance()) for _ in range(BATCH - 2)]
    failing = asyncio.ensure_future(client.get_status("999999"))
    cancelled = asyncio.ensure_future(client.get_balance())
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(*calls)
    results = await asyncio.gather(failing, cancelled, return_exceptions=True)
    assert isinstance(results[0], sastaotp.NotFoundError)


async def run_batches(client: sastaotp.AsyncClient, count: int) -> None:
    for _ in range(count // BATCH):
        await run_batch(client)


def main() -> None:
    client = sastaotp.AsyncClient("growth", base_url=sys.argv[1])
    loop = asyncio.new_event_loop()
    measure("awaited", CALLS, lambda count: loop.run_until_complete(run_batches(client, count)))
    loop.run_until_complete(client.close())
    loop.close()


main()
