"""Kills greenlets while they buy and wait. Every number that was sold is held or listed.

Arguments: the library, the address, an API key, a seed.
"""

from greenlets import KIND, GreenletExit, Timeout, kill, result, spawn  # isort: skip

import gc
import random
import sys
import time

import sastaotp

url, key, seed = sys.argv[1:]
chance = random.Random(int(seed))
held = []
outcomes = {"bought": 0, "killed": 0, "timeout": 0}


def buy(client):
    """Buy a number and wait for its code, within a random time."""
    try:
        with Timeout(chance.uniform(0, 2)):
            number = client.get_number("zz_never", country="22", max_price=80)
            held.append(number)
            outcomes["bought"] += 1
            number.wait_for_code(timeout=300)
    except Timeout:
        outcomes["timeout"] += 1
    except GreenletExit:
        # Without a `raise`: eventlet would keep the traceback, and with it the number.
        outcomes["killed"] += 1


with sastaotp.Client(key, base_url=url) as client:
    greenlets = [spawn(buy, client) for _ in range(100)]
    for greenlet in chance.sample(greenlets, 50):
        time.sleep(chance.uniform(0, 0.02))
        kill(greenlet)
    for greenlet in greenlets:
        try:
            result(greenlet)
        except GreenletExit:
            pass
    # The replies to purchases whose greenlets were killed may still arrive.
    while any(entry.outcome == "pending" for entry in client.unclaimed()):
        time.sleep(0.02)
    holding = {number.id for number in held}
    assert len(holding) == outcomes["bought"]
    listed = {entry.purchase.activation_id for entry in client.unclaimed()}
    assert not holding & listed
    charged = {order.activation_id for order in client.orders()}
    assert charged == holding | listed, (len(charged), len(holding), len(listed))
    # Then no handle holds a number, and all are listed.
    held.clear()
    del greenlets, greenlet
    listed = ()
    while {entry.purchase.activation_id for entry in listed} != charged:
        # Greenlets refer to them, in cycles and in timers of eventlet's hub.
        gc.collect()
        time.sleep(0.05)
        listed = client.unclaimed()
    for entry in listed:
        client.activation(entry.purchase.activation_id).cancel()
    assert client.unclaimed() == ()
    print(KIND, len(charged), outcomes)
