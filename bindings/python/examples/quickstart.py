"""A number bought, its code received, the order settled.

Against a sandbox of its own; with SASTAOTP_API_KEY set, with your account, for money.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

import sastaotp
from sastaotp.testing import Sandbox


def main() -> None:
    with ExitStack() as stack:
        if "SASTAOTP_API_KEY" in os.environ:
            client = stack.enter_context(sastaotp.Client())
            service = "tg"
        else:
            client = stack.enter_context(stack.enter_context(Sandbox()).client())
            service = "zz_ok"
        (india,) = client.find_country("India")
        print("the wallet has", client.get_balance().amount)
        lease = client.lease(service, country=india.code, max_price=80)
        with lease as number:
            print("bought", number.phone_number, "for", number.price)
            print("the code is", number.wait_for_code(timeout=300).code)
        if lease.settlement is not None:
            print("the order is", lease.settlement.state)


if __name__ == "__main__":
    main()
