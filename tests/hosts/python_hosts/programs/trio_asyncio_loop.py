"""Receives a code in trio, with the asyncio client in an event loop of trio-asyncio."""

import sys

import sastaotp
import trio_asyncio

url, key = sys.argv[1:]


async def buy():
    async with sastaotp.AsyncClient(key, base_url=url) as client:
        async with client.lease("zz_ok", country="22", max_price=80) as number:
            return (await number.wait_for_code(timeout=300)).code


async def main():
    print("the code is", await trio_asyncio.aio_as_trio(buy)())


trio_asyncio.run(main)
