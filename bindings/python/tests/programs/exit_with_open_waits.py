"""Exits with open waits.

Arguments: the sandbox's address; threads, tasks, both, or "tasks without descriptor".
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from ctypes import c_uint64
from typing import Any

from end_prelude import watch_no_descriptor

import sastaotp
from sastaotp._native_queue import Session

URL, KIND = sys.argv[1:]
#: The names of the operations that were submitted.
submitted: list[str] = []
submit = Session.submit


def record(session: Session, operation: Any, ticket: c_uint64) -> None:
    submit(session, operation, ticket)
    submitted.append(operation.name)


setattr(Session, "submit", record)  # noqa: B010


def count_waits() -> int:
    return submitted.count("wait_for_code")


def wait_in_threads() -> None:
    client = sastaotp.Client(f"exit_{os.getpid()}", base_url=URL)
    for _ in range(4):
        number = client.get_number("zz_never", country="22", accept_any_price=True)
        threading.Thread(target=number.wait_for_code, daemon=True).start()
    while count_waits() < 4:
        time.sleep(0.01)


async def wait_in_tasks() -> None:
    client = sastaotp.AsyncClient(f"exit_{os.getpid()}", base_url=URL)
    tasks, before = [], count_waits()
    for _ in range(4):
        number = await client.get_number("zz_never", country="22", accept_any_price=True)
        tasks.append(asyncio.create_task(number.wait_for_code()))
    while count_waits() < before + 4:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


if KIND == "tasks without descriptor":
    watch_no_descriptor()
if KIND in ("threads", "both"):
    wait_in_threads()
if KIND != "threads":
    asyncio.run(wait_in_tasks())
print("waiting")
