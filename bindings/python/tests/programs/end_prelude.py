"""Names that the programs of test_ends.py use. Arguments: the service's address and an API key."""

from __future__ import annotations

import sys
import time
from typing import Any

import sastaotp

URL, KEY = sys.argv[1:]
#: What to buy.
TG = {"service": "tg", "country": "22", "max_price": 80}


def client(**settings: Any) -> sastaotp.Client:
    return sastaotp.Client(KEY, base_url=URL, **settings)


def async_client(**settings: Any) -> sastaotp.AsyncClient:
    return sastaotp.AsyncClient(KEY, base_url=URL, **settings)


def sleep() -> None:
    """Wait for the signal that ends the program."""
    print("asleep", flush=True)
    time.sleep(60)
