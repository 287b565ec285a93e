"""Makes 100,000 blocking calls, some of which fail, and fails if the process grows.

Argument: the sandbox's address.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from resident_memory import measure

import sastaotp

CALLS = 100_000


def main() -> None:
    with sastaotp.Client("growth", base_url=sys.argv[1]) as client:

        def run_calls(count: int) -> None:
            for index in range(count):
                if index % 100 == 0:
                    with suppress(sastaotp.NotFoundError):
                        client.get_status("999999")
                else:
                    client.get_balance()

        measure("blocking", CALLS, run_calls)


main()
