"""Compares get_prices with requests.get(url).json(): CPU time for 75,600 prices.

Both run in turn in this process, against a server in another process, first without and then with
gzip. Prints a line for each encoding, and fails if get_prices takes more than twice the CPU time.
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
MAX_RATIO = 2.0
SERVER = Path(__file__).parents[1] / "tests" / "stub_service.py"


def cpu_ms(fetch: Callable[[], int]) -> float:
    """Return the CPU time of all threads of this process, in milliseconds."""
    started = time.process_time()
    assert fetch() == 75_600
    return (time.process_time() - started) * 1000


def compare(encoding: str) -> float:
    server = subprocess.Popen(
        [sys.executable, str(SERVER), encoding], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    client = sastaotp.Client("stp_0123456789abcdef", base_url=url)

    def with_sastaotp() -> int:
        return len(list(client.get_prices()))

    def with_requests() -> int:
        parameters = {"action": "getPrices"}
        reply = requests.get(url, params=parameters, headers={"X-API-Key": "k"}, timeout=30)
        return sum(map(len, reply.json()["data"].values()))

    try:
        for fetch in (with_sastaotp, with_requests):
            cpu_ms(fetch)
        pairs = [(cpu_ms(with_sastaotp), cpu_ms(with_requests)) for _ in range(ROUNDS)]
    finally:
        client.close()
        server.kill()
        server.wait()
        server.stdout.close()
    ours, theirs = (statistics.median(column) for column in zip(*pairs))
    ratio = statistics.median(one / other for one, other in pairs)
    print(
        f"{encoding:9} get_prices {ours:5.1f} ms, requests {theirs:5.1f} ms of CPU: "
        f"{ratio:.2f} times as much"
    )
    return ratio


def main() -> None:
    ratios = [compare(encoding) for encoding in ("identity", "gzip")]
    if max(ratios) > MAX_RATIO:
        sys.exit(f"benches/prices.py: more than {MAX_RATIO} times the CPU time of requests")


if __name__ == "__main__":
    main()
