"""Names that the programs of test_ends.py use. Arguments: the service's address and an API key."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from asyncio.selector_events import BaseSelectorEventLoop
from typing import Any, Coroutine
from urllib.request import urlopen

import sastaotp

URL, KEY = sys.argv[1:]
# Background processes start with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


def accept_signals() -> None:
    """Raise the signals that the parent process writes to the standard input on Windows.

    A process can send no signal to another one there.
    """
    if sys.platform == "win32":
        threading.Thread(target=raise_signals, daemon=True).start()


def raise_signals() -> None:
    while True:
        lines = os.read(0, 16)
        if not lines:
            return
        for number in lines.split():
            signal.raise_signal(int(number))


#: What to buy.
TG = {"service": "tg", "country": "22", "max_price": 80}


def client(**settings: Any) -> sastaotp.Client:
    return sastaotp.Client(KEY, base_url=URL, **settings)


def async_client(**settings: Any) -> sastaotp.AsyncClient:
    return sastaotp.AsyncClient(KEY, base_url=URL, **settings)


def wait_until_requested() -> None:
    """Block until the service has received the request of a purchase."""
    while urlopen(f"{URL}?action=isRequested").read() != b"yes":
        time.sleep(0.02)


async def requested() -> None:
    """Wait until the service has received the request of a purchase."""
    await asyncio.get_running_loop().run_in_executor(None, wait_until_requested)


async def with_timeout(purchase: Coroutine[Any, Any, Any]) -> None:
    """Run ``asyncio.wait_for``, whose time is over soon after the purchase was requested."""
    task = asyncio.ensure_future(purchase)
    await requested()
    await asyncio.wait_for(task, 0.05)


def sleep() -> None:
    """Wait for the signal that ends the program."""
    print("asleep", flush=True)
    for _ in range(1200):
        # On Windows, only Ctrl-C ends a sleep early.
        time.sleep(0.05)


def die() -> None:
    """End the program without any cleaning up."""
    sys.stdout.flush()
    os.kill(os.getpid(), getattr(signal, "SIGKILL", 9))


def watch_no_descriptor() -> None:
    """Make event loops refuse descriptors, like the default one on Windows."""

    def refuse(*_: object) -> None:
        raise NotImplementedError

    setattr(BaseSelectorEventLoop, "add_reader", refuse)  # noqa: B010
