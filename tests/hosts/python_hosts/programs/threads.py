"""Worker threads buy numbers with one client, and one code is received on each thread."""

import sys
from concurrent.futures import ThreadPoolExecutor

import sastaotp

url, key = sys.argv[1:]


def buy(client):
    with client.lease("zz_ok", country="22", max_price=80) as number:
        return number.wait_for_code(timeout=300).code


def buy_in_a_new_client(_):
    # This thread is not the main thread, so the client handles no signal.
    with sastaotp.Client(key, base_url=url) as client:
        return buy(client)


with sastaotp.Client(key, base_url=url) as client, ThreadPoolExecutor(4) as pool:
    codes = [*pool.map(buy, [client] * 4), *pool.map(buy_in_a_new_client, range(4))]
assert len(codes) == 8
print("the code is", codes[0])
