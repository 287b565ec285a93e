"""100,000 calls of a blocking client, some of which fail: the process must not grow. Its argument is a sandbox's address."""

from __future__ import annotations

import sys
from contextlib import suppress

from memory import measure

import sastaotp

CALLS = 100_000


def main() -> None:
    with sastaotp.Client("growth", base_url=sys.argv[1]) as client:

        def calls(count: int) -> None:
            for at in range(count):
                if at % 100 == 0:
                    with suppress(sastaotp.NotFoundError):
                        client.get_status("999999")
                else:
                    client.get_balance()

        measure("blocking", CALLS, calls)


main()
