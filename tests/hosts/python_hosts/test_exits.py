"""Programs that exit at random moments of buying and waiting neither crash nor hang.

Each has a journal, and the next program knows every number that the sandbox charged.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sastaotp
from sastaotp.testing import Sandbox

PROGRAM = Path(__file__).parent / "programs" / "exits.py"
FREE_THREADED = os.environ["FREE_THREADED_PYTHON"]
#: How often each host exits.
EXITS = int(os.environ.get("SASTAOTP_EXITS", "40"))
#: The number of parts of a host's exits, which run at the same time.
PARTS = 4
HANG = 400
HOSTS = ["plain", "asyncio", "uvloop", "gevent", "free-threaded"]


def run_until_exit(sandbox: Sandbox, host: str, key: str, journal: Path, seed: int) -> str:
    """Run a program to its exit, and return how it was to end."""
    python = FREE_THREADED if host == "free-threaded" else sys.executable
    name = "plain" if host == "free-threaded" else host
    done = subprocess.run(
        [python, str(PROGRAM), name, sandbox.url, key, str(journal), str(seed)],
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    status, end, _ = done.stdout.split()
    assert done.returncode == int(status), (done.returncode, done.stdout, done.stderr)
    if end != "raise":
        assert "Traceback" not in done.stderr, done.stderr
    for sign in ("Fatal Python error", "Exception ignored", "panicked"):
        assert sign not in done.stderr, done.stderr
    return end


def check_journal(sandbox: Sandbox, key: str, journal: Path) -> Counter[str]:
    """Open the journal as the next program does, and find every order that is open."""
    with sandbox.client(key, journal=journal, late_booking=0.001) as client:
        listed = client.unclaimed()
        known = {entry.purchase.activation_id for entry in listed if entry.purchase}
        unknown = [entry for entry in listed if not entry.purchase]
        open_orders = {order.activation_id for order in client.orders(status="pending")}
        assert known <= {order.activation_id for order in client.orders()}
        missing = open_orders - known
        assert len(missing) <= len(unknown), f"{missing} are forgotten"
        for entry in listed:
            settle(client, entry)
        assert client.unclaimed() == ()
        assert [*client.orders(status="pending")] == []
    charges = sandbox.control("ledger", api_key=key)["charges"]
    return Counter(charged=charges, open=len(open_orders), unknown=len(unknown))


def settle(client: sastaotp.Client, entry: sastaotp.Unclaimed) -> None:
    if entry.purchase:
        client.activation(entry.purchase.activation_id).settle()
        return
    found = client.reconcile(entry.intent)
    if found.candidates:
        id = found.candidates[0].activation_id
        assert id is not None
        client.resolve(entry.intent, activation_id=id)
        client.activation(id).settle()
    else:
        assert found.complete, found.reason
        client.resolve(entry.intent, not_made=True)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("host", HOSTS)
def test_exits_at_random_moments_forget_nothing(
    sastaotp_sandbox: Sandbox,
    tmp_path: Path,
    record_property: Any,
    host: str,
    part: int,
) -> None:
    seeds = random.Random(f"{host} {part}")
    ends: Counter[str] = Counter()
    figures: Counter[str] = Counter()
    for turn in range(EXITS // PARTS):
        key, seed = sastaotp_sandbox.key(), seeds.getrandbits(32)
        sastaotp_sandbox.control("seed", {"wallet": "100000.00"}, api_key=key)
        journal = tmp_path / str(turn)
        ends[run_until_exit(sastaotp_sandbox, host, key, journal, seed)] += 1
        if journal.exists():
            figures += check_journal(sastaotp_sandbox, key, journal)
    figures["exits"] = ends.total()
    record_property("exits", [host, dict(figures)])
    # At least one number was sold, so the test tests something.
    assert figures["charged"] > 0
