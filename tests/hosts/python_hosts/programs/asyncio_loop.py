"""Receives a code on an event loop. Arguments: the address, an API key, asyncio or uvloop."""

import asyncio
import sys
import threading

import sastaotp

url, key, kind = sys.argv[1:]


async def main():
    assert (type(asyncio.get_running_loop()).__module__ == "uvloop") == (kind == "uvloop")
    async with sastaotp.AsyncClient(key, base_url=url) as client:
        async with client.lease("zz_ok", country="22", max_price=80) as number:
            sms = await number.wait_for_code(timeout=300)
            # The loop watches the library's descriptor, without a thread.
            assert threading.active_count() == 1
            print("the code is", sms.code)


if kind == "uvloop":
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())
