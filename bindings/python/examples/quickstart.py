"""A number bought, its code received, the order settled.

Against a sandbox of its own; with SASTAOTP_API_KEY set, with your account, for money.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

import sastaotp
from sastaotp.testing import Sandbox

LONGEST_WAIT = 300


def wait(number: sastaotp.Activation) -> sastaotp.Sms:
    """Waits a second at a time, to show that it waits. The service is still asked only every five seconds."""
    terminal = sys.stdout.isatty()
    try:
        for second in range(LONGEST_WAIT):
            if terminal or second % 10 == 0:
                line = f"waiting {second} s, {LONGEST_WAIT - second} s left"
                print(f"\r{line} " if terminal else line, end="" if terminal else "\n", flush=True)
            try:
                return number.wait_for_code(timeout=1)
            except sastaotp.WaitTimeout:
                pass
    finally:
        if terminal:
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
        # Names repeat: each code has prices of its own.
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
