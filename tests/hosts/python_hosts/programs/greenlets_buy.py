"""Receives a code while another greenlet runs. Arguments: the library, the address, an API key."""

from greenlets import in_native_thread, kill, result, spawn  # isort: skip

import sys
import time

import sastaotp

url, key = sys.argv[1:]


def buy(client):
    with client.lease("zz_ok", country="22", max_price=80) as number:
        return number.wait_for_code(timeout=300).code


with sastaotp.Client(key, base_url=url) as client:
    number = client.get_number("zz_never", country="22", max_price=80)
    waiting = spawn(number.wait_for_code, timeout=300)
    # If the wait blocked the thread, it would be over before these sleeps.
    for _ in range(20):
        time.sleep(0.05)
    assert not waiting.dead
    # The wait has the lead. Without it, another greenlet leads.
    others = [spawn(buy, client) for _ in range(50)]
    time.sleep(0.2)
    kill(waiting)
    codes = [result(greenlet) for greenlet in others]
    # Native threads block, and the greenlets of this thread do not take their results.
    others = [spawn(buy, client) for _ in range(5)]
    codes += [in_native_thread(lambda: buy(client)) for _ in range(3)]
    codes += [result(greenlet) for greenlet in others]
    assert len(codes) == 58
    assert all(len(code) == 6 for code in codes)
    number.cancel()
    assert client.unclaimed() == ()
    print("the code is", codes[0])
