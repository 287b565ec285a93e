"""Receives a code in trio, with the blocking client in threads, while a task keeps running."""

import sys
from functools import partial

import sastaotp
import trio

url, key = sys.argv[1:]


def buy(client):
    with client.lease("zz_ok", country="22", max_price=80) as number:
        return number.wait_for_code(timeout=300).code


async def main():
    with sastaotp.Client(key, base_url=url) as client:
        print("the code is", await trio.to_thread.run_sync(partial(buy, client)))
    try:
        await sastaotp.AsyncClient(key, base_url=url).get_balance()
    except sastaotp.UsageError as error:
        assert "asyncio" in str(error)
        assert "trio.to_thread.run_sync" in str(error)
    else:
        raise AssertionError("AsyncClient works in trio")


trio.run(main)
