"""Buys a number, waits for its code and settles the order.

It uses its own sandbox. If SASTAOTP_API_KEY is set, it uses your account instead and costs money.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

import sastaotp
from sastaotp.testing import Sandbox

LONGEST_WAIT = 300


def wait(number: sastaotp.Activation) -> sastaotp.Sms:
    """Wait in slices of a second to show progress. The service is still polled every 5 seconds."""
    is_terminal = sys.stdout.isatty()
    try:
        for second in range(LONGEST_WAIT):
            if is_terminal or second % 10 == 0:
                line = f"waiting {second} s, {LONGEST_WAIT - second} s left"
                if is_terminal:
                    print(f"\r{line} ", end="", flush=True)
                else:
                    print(line, flush=True)
            try:
                return number.wait_for_code(timeout=1)
            except sastaotp.WaitTimeoutError:
                pass
    finally:
        if is_terminal:
            print()
    return number.wait_for_code(timeout=1)


def main() -> None:
    with ExitStack() as stack:
        if "SASTAOTP_API_KEY" in os.environ:
            client = stack.enter_context(sastaotp.Client())
            service = "tg"
        else:
            client = stack.enter_context(stack.enter_context(Sandbox()).client())
            service = "zz_ok"
        # Several countries can share a name; each code has its own prices.
        india = client.find_country("India")[0]
        print("the wallet has", client.get_balance().amount)
        lease = client.lease(service, country=india.code, max_price=80)
        with lease as number:
            print("bought", number.phone_number, "for", number.price)
            print("the code is", wait(number).code)
        if lease.settlement is not None:
            print("the order is", lease.settlement.state)


if __name__ == "__main__":
    main()
