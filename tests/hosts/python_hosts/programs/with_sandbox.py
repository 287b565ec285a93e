"""Buys a number of the sandbox that the package contains, and receives its code."""

from sastaotp.testing import Sandbox

with Sandbox() as sandbox, sandbox.client() as client:
    with client.lease("zz_ok", country="22", max_price=80) as number:
        print("the code is", number.wait_for_code(timeout=300).code)
