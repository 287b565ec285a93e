"""All prices as typed objects, against requests.get(url).json(): CPU time of this process, in turn, in one run.

Prints a line for each and the ratio, and fails where it is above 2. The server is a process of its own. The body goes as it
is, and then as gzip, where both ask for it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable

import requests

import sastaotp

ROUNDS = 11
MOST = 2.0
SERVER = Path(__file__).parents[1] / "tests" / "server.py"


def cpu(work: Callable[[], int]) -> float:
    """CPU time of all threads of this process, in milliseconds."""
    started = time.process_time()
    assert work() == 75_600
    return (time.process_time() - started) * 1000


def compare(compressed: str) -> float:
    server = subprocess.Popen([sys.executable, str(SERVER), compressed], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    client = sastaotp.Client("stp_0123456789abcdef", base_url=url)

    def ours() -> int:
        return len(list(client.get_prices()))

    def theirs() -> int:
        reply = requests.get(url, params={"action": "getPrices"}, headers={"X-API-Key": "k"}, timeout=30)
        return sum(map(len, reply.json()["data"].values()))

    try:
        for work in (ours, theirs):
            cpu(work)
        pairs = [(cpu(ours), cpu(theirs)) for _ in range(ROUNDS)]
    finally:
        client.close()
        server.kill()
        server.wait()
        server.stdout.close()
    mine, other = (statistics.median(column) for column in zip(*pairs))
    ratio = statistics.median(one / two for one, two in pairs)
    print(f"{compressed:9} get_prices {mine:5.1f} ms, requests {other:5.1f} ms of CPU: {ratio:.2f} times as much")
    return ratio


def main() -> None:
    ratios = [compare(compressed) for compressed in ("identity", "gzip")]
    if max(ratios) > MOST:
        sys.exit(f"benches/prices.py: more than {MOST} times the CPU of requests")


if __name__ == "__main__":
    main()
