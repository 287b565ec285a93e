"""Exits with open waits.

Arguments: the sandbox's address; threads, tasks, both, or "tasks without descriptor".
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time

from end_prelude import watch_no_descriptor

import sastaotp

URL, KIND = sys.argv[1:]


def wait_in_threads() -> None:
    client = sastaotp.Client(f"exit_{os.getpid()}", base_url=URL)
    for _ in range(4):
        number = client.get_number("zz_never", country="22", accept_any_price=True)
        threading.Thread(target=number.wait_for_code, daemon=True).start()


async def wait_in_tasks() -> None:
    client = sastaotp.AsyncClient(f"exit_{os.getpid()}", base_url=URL)
    tasks = []
    for _ in range(4):
        number = await client.get_number("zz_never", country="22", accept_any_price=True)
        tasks.append(asyncio.create_task(number.wait_for_code()))
    await asyncio.sleep(0.05)


if KIND == "tasks without descriptor":
    watch_no_descriptor()
if KIND in ("threads", "both"):
    wait_in_threads()
if KIND != "threads":
    asyncio.run(wait_in_tasks())
time.sleep(0.05)
print("waiting")
