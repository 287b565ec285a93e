"""Kills a greenlet whose purchase is in flight. Arguments: the library, the address, an API key.

A line of the standard input says that the service holds the purchase, and the line "killed" of the
output that it may answer.
"""

from greenlets import GreenletExit, Timeout, kill, spawn  # isort: skip

import sys
import time

import sastaotp

url, key = sys.argv[1:]
ends = []


def buy(client):
    try:
        client.get_number("tg", country="22", max_price=80)
    except (GreenletExit, Timeout) as end:
        ends.append(type(end).__name__)


with sastaotp.Client(key, base_url=url) as client:
    greenlet = spawn(buy, client)
    # The greenlet starts, and sends the purchase.
    time.sleep(0)
    sys.stdin.readline()
    kill(greenlet)
    assert ends == ["GreenletExit"], ends
    (entry,) = client.unclaimed()
    assert entry.outcome == "pending"
    print("killed", flush=True)
    while entry.outcome == "pending":
        time.sleep(0.02)
        (entry,) = client.unclaimed()
    assert entry.outcome == "bought"
    print(entry.purchase.activation_id, "is listed")
    client.activation(entry.purchase.activation_id).keep()
