"""Buys, waits, settles and reconciles on threads of two processes until it is killed.

Arguments: the service's address, an API key and the folder of the journal. The child is forked with
the client of its parent, if the system has forks. Prints "try" before each purchase, and "bought"
with the id after it.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
import threading
from contextlib import suppress
from typing import Any

import sastaotp

THREADS = 3
#: The settings of every client of the journal. The sandbox books at once, so a search can end soon.
SETTINGS: dict[str, Any] = {"budget": 1_000_000, "timeout": 90, "late_booking": 0}


def settle_unclaimed(client: sastaotp.Client) -> None:
    """Settle the purchases that no handle holds, and reconcile the unknown ones."""
    client.settle_leftover_leases()
    for listed in client.unclaimed():
        with suppress(sastaotp.SastaotpError):
            if listed.purchase is not None:
                client.activation(listed.purchase.activation_id).settle()
            elif listed.outcome == sastaotp.UnclaimedOutcome.UNKNOWN:
                found = client.reconcile(listed.intent, timeout=0)
                ids = [order.activation_id for order in found.candidates if order.activation_id]
                if ids:
                    client.resolve(listed.intent, activation_id=ids[0])
                elif found.complete:
                    client.resolve(listed.intent, not_made=True)


def write(line: str) -> None:
    # One write: a killed program leaves no part of a line.
    os.write(1, f"{line}\n".encode())


def buy(client: sastaotp.Client, turn: int) -> None:
    """Buy a number, and end its use in one of five ways."""
    wanted: dict[str, Any] = {"country": "22", "max_price": 100}
    write("try")
    if turn % 5 == 0:
        with client.lease("zz_never", on_too_early="fail", **wanted) as number:
            write(f"bought {number.id}")
            number.get_status()
    else:
        number = client.get_number("zz_ok" if turn % 5 == 1 else "zz_never", **wanted)
        write(f"bought {number.id}")
        if turn % 5 == 1:
            number.wait_for_code(timeout=300)
            number.complete()
        elif turn % 5 == 2:
            number.cancel()
        elif turn % 5 == 3:
            number.settle()
        # Otherwise the number is dropped: it is listed.


def loop(client: sastaotp.Client, first: int) -> None:
    for turn in itertools.count(first):
        try:
            buy(client, turn)
        except sastaotp.SastaotpError as error:
            if not is_locked(error):
                write(f"{type(error).__name__}: {error}")
        if turn % 4 == 0:
            with suppress(sastaotp.JournalError):
                settle_unclaimed(client)


def is_locked(error: sastaotp.SastaotpError) -> bool:
    """Return whether the other program held the journal's lock too long: the machine is busy."""
    return isinstance(error, sastaotp.JournalError) and "holds the lock of the folder" in str(error)


def open_client(url: str, key: str, folder: str) -> sastaotp.Client:
    while True:
        try:
            return sastaotp.Client(key, base_url=url, journal=folder, **SETTINGS)
        except sastaotp.JournalError as error:
            if not is_locked(error):
                raise


def main() -> None:
    write("started")
    # Two processes that buy at the same moment make the core warn of possible duplicates.
    logging.getLogger("sastaotp").setLevel(logging.ERROR)
    url, key, folder = sys.argv[1:]
    shared = open_client(url, key, folder)
    if sys.platform != "win32":
        os.fork()
    for thread in range(THREADS):
        threading.Thread(target=loop, args=(shared, thread)).start()


if __name__ == "__main__":
    main()
