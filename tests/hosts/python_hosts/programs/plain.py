"""Buys a number and receives its code. Arguments: the service's address and an API key."""

import sys

import sastaotp

url, key = sys.argv[1:]
with sastaotp.Client(key, base_url=url) as client:
    with client.lease("zz_ok", country="22", max_price=80) as number:
        print("the code is", number.wait_for_code(timeout=300).code)
