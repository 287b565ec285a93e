"""100,000 awaited calls, some of which fail or are cancelled: the process must not grow. Its argument is a sandbox's address."""

from __future__ import annotations

import asyncio
import sys

from memory import measure

import sastaotp

CALLS = 100_000
AT_ONCE = 50


async def some(client: sastaotp.AsyncClient) -> None:
    calls = [asyncio.ensure_future(client.get_balance()) for _ in range(AT_ONCE - 2)]
    failing = asyncio.ensure_future(client.get_status("999999"))
    cancelled = asyncio.ensure_future(client.get_balance())
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(*calls)
    results = await asyncio.gather(failing, cancelled, return_exceptions=True)
    assert isinstance(results[0], sastaotp.NotFoundError)


async def many(client: sastaotp.AsyncClient, count: int) -> None:
    for _ in range(count // AT_ONCE):
        await some(client)


def main() -> None:
    client = sastaotp.AsyncClient("growth", base_url=sys.argv[1])
    loop = asyncio.new_event_loop()
    measure("awaited", CALLS, lambda count: loop.run_until_complete(many(client, count)))
    loop.run_until_complete(client.close())
    loop.close()


main()
