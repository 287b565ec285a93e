"""Tests of the journal: the next program has the purchases of a killed one."""

from __future__ import annotations

import asyncio
import os
import random
import runpy
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Callable, Dict, List, Type

import pytest
from conftest import HANG, fork, needs_fork

import sastaotp
from sastaotp.testing import Sandbox

PROGRAMS = Path(__file__).parent / "programs"
TG: Dict[str, Any] = {"country": "22", "max_price": 100}
#: How many times the looping programs are killed.
KILLS = int(os.environ.get("SASTAOTP_KILLS", "3"))

#: The exit status of a killed program.
KILLED = 9 if sys.platform == "win32" else -signal.SIGKILL

IMPORTS = f"""
import asyncio
import os
import sys
import time

sys.path.insert(0, {str(PROGRAMS)!r})
from end_prelude import *
"""


def run_until_killed(program: str, sandbox: Sandbox, key: str, folder: Path) -> List[str]:
    """Run a program that kills itself, with the journal in its environment."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS + textwrap.dedent(program), sandbox.url, key],
        env={**os.environ, "SASTAOTP_JOURNAL": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    assert done.returncode == KILLED
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("settings", "error_class", "expected"),
    [
        ({"journal": ""}, sastaotp.ConfigError, "folder is empty"),
        ({"journal": 5}, sastaotp.ConfigError, "journal is 5"),
        ({"journal": b"/tmp"}, sastaotp.ConfigError, "journal is b'/tmp'"),
        ({"journal": "a\0b"}, sastaotp.ConfigError, "journal contains NUL"),
        ({"durability": "disk"}, sastaotp.ConfigError, "pass 'power' or 'process'"),
        ({"durability": None}, sastaotp.ConfigError, "pass 'power' or 'process'"),
        ({"journal_on_network": 1}, sastaotp.ConfigError, "pass True or False"),
        # This is a file, so there can be no folder.
        ({"journal": f"{__file__}/folder"}, sastaotp.JournalError, "test_journal.py"),
        ({"journal": Path(__file__)}, sastaotp.JournalError, "test_journal.py"),
    ],
)
def test_invalid_journal_is_refused(
    sastaotp_sandbox: Sandbox,
    settings: Dict[str, Any],
    error_class: Type[sastaotp.SastaotpError],
    expected: str,
) -> None:
    with pytest.raises(sastaotp.SastaotpError) as caught:
        sastaotp_sandbox.client(**settings)
    assert type(caught.value) is error_class
    assert expected in str(caught.value)
    assert caught.value.charge == sastaotp.Charge.NOT_CHARGED
    assert caught.value.retry == sastaotp.Retry.NEVER


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="this user can write to every folder"
)
def test_folder_must_be_writable(sastaotp_sandbox: Sandbox, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(sastaotp.JournalError, match="ermission"):
        sastaotp_sandbox.client(journal=tmp_path)


def test_clients_of_a_key_share_one_journal(sastaotp_sandbox: Sandbox, tmp_path: Path) -> None:
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(key, journal=tmp_path / "one"):
        with sastaotp_sandbox.client(key, journal=tmp_path / "one") as same:
            assert same.unclaimed() == ()
        with pytest.raises(sastaotp.JournalError, match="same folder and durability"):
            sastaotp_sandbox.client(key, journal=tmp_path / "other")
        with pytest.raises(sastaotp.JournalError, match="same folder and durability"):
            sastaotp_sandbox.client(key, journal=tmp_path / "one", durability="process")


def test_journal_does_not_contain_the_key(sastaotp_sandbox: Sandbox, tmp_path: Path) -> None:
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(key, journal=tmp_path, durability="process") as client:
        number = client.get_number("zz_never", **TG)
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert any(number.id.encode() in file.read_bytes() for file in files)
        assert not any(key.encode() in file.read_bytes() for file in files)
        number.cancel()


BUY_AND_DIE = """
client = client()
intent = client.intend("zz_ok", country="22", max_price=100)
print(intent.to_json())
number = client.buy(intent)
print(number.id, number.phone_number, number.wait_for_code(timeout=60).code)
client.lease("zz_never", country="22", max_price=100).__enter__()
client.lease("zz_early_cancel", country="22", max_price=100).__enter__()
die()
"""


def test_next_program_has_purchases_of_killed_one(
    sastaotp_sandbox: Sandbox, tmp_path: Path
) -> None:
    key = sastaotp_sandbox.key()
    saved, shown = run_until_killed(BUY_AND_DIE, sastaotp_sandbox, key, tmp_path)
    with sastaotp_sandbox.client(key, journal=tmp_path) as client:
        listed = {str(entry.intent.service): entry for entry in client.unclaimed()}
        assert sorted(listed) == ["zz_early_cancel", "zz_never", "zz_ok"]
        purchase = listed["zz_ok"].purchase
        assert purchase is not None

        with pytest.raises(sastaotp.AlreadySentError) as refused:
            client.buy(sastaotp.Intent.from_json(saved))
        assert refused.value.charge == sastaotp.Charge.NOT_CHARGED

        # The journal has the code: no request is needed.
        requests = len(sastaotp_sandbox.control("log", api_key=key)["log"])
        number = client.activation(purchase.activation_id)
        code = number.wait_for_code(timeout=0).code
        assert shown == f"{number.id} {purchase.phone_number} {code}"
        assert len(sastaotp_sandbox.control("log", api_key=key)["log"]) == requests
        assert number.settle().state == "completed"

        leases = client.settle_leftover_leases()
        settled = {str(lease.unclaimed.intent.service): lease for lease in leases}
        assert sorted(settled) == ["zz_early_cancel", "zz_never"]
        cancelled, early = settled["zz_never"], settled["zz_early_cancel"]
        assert cancelled.settlement is not None
        assert (cancelled.settlement.state, cancelled.error) == ("cancelled", None)
        assert (early.settlement, type(early.error)) == (None, sastaotp.TooEarlyError)
        (left,) = client.unclaimed()
        assert left.intent.service == "zz_early_cancel"
    sastaotp_sandbox.control("assert", {"charges": 3, "refunds": 1}, api_key=key)


async def test_async_client_settles_leftover_leases(
    sastaotp_sandbox: Sandbox, tmp_path: Path
) -> None:
    key = sastaotp_sandbox.key()
    program = """
    async def main():
        async with async_client() as client:
            for _ in range(3):
                await client.lease("zz_never", country="22", max_price=100).__aenter__()
            die()

    asyncio.run(main())
    """
    await asyncio.to_thread(run_until_killed, program, sastaotp_sandbox, key, tmp_path)
    async with sastaotp_sandbox.async_client(key, journal=tmp_path) as client:
        leases = await client.settle_leftover_leases(on_too_early="wait")
        assert [lease.settlement and lease.settlement.state for lease in leases] == [
            "cancelled"
        ] * 3
        assert await client.unclaimed() == ()
        assert await client.settle_leftover_leases() == ()
    sastaotp_sandbox.control("assert", {"charges": 3, "refunds": 3}, api_key=key)


def test_unknown_purchase_of_killed_program_is_found(
    sastaotp_sandbox: Sandbox, tmp_path: Path
) -> None:
    key = sastaotp_sandbox.key()
    program = """
    client = client()
    try:
        client.get_number("zz_lost_reply", country="22", max_price=100)
    except sastaotp.OutcomeUnknownError:
        die()
    """
    run_until_killed(program, sastaotp_sandbox, key, tmp_path)
    with sastaotp_sandbox.client(key, journal=tmp_path, late_booking=0) as client:
        (listed,) = client.unclaimed()
        assert listed.outcome == "unknown"
        (order,) = client.reconcile(listed.intent, timeout=0).candidates
        client.resolve(listed.intent, activation_id=order.activation_id)
        assert order.activation_id is not None
        client.activation(order.activation_id).cancel()
        assert client.unclaimed() == ()


def test_processes_share_the_budget(sastaotp_sandbox: Sandbox, tmp_path: Path) -> None:
    key = sastaotp_sandbox.key()
    program = """
    client = client(budget=1000)
    number = client.get_number("zz_never", country="22", max_price=100)
    print(number.price)
    die()
    """
    (price,) = run_until_killed(program, sastaotp_sandbox, key, tmp_path)
    with sastaotp_sandbox.client(key, journal=tmp_path, budget=1000) as client:
        assert client.budget_left() == 1000 - Decimal(price)
        (listed,) = client.unclaimed()
        assert listed.purchase is not None
        client.activation(listed.purchase.activation_id).cancel()
        assert client.budget_left() == 1000


@needs_fork
def test_forked_child_has_its_own_journal(sastaotp_sandbox: Sandbox, tmp_path: Path) -> None:
    key = sastaotp_sandbox.key()
    client = sastaotp_sandbox.client(key, journal=tmp_path, budget=1000)
    number = client.get_number("zz_never", **TG)
    dropped = client.get_number("zz_never", **TG).id
    assert [entry.purchase.activation_id for entry in client.unclaimed() if entry.purchase] == [
        dropped
    ]

    def in_the_child() -> None:
        # The purchases of the parent are not the child's, and count in its budget.
        assert client.unclaimed() == ()
        assert number.price is not None
        assert client.budget_left() == 1000 - 2 * number.price
        client.get_number("zz_never", **TG)

    assert os.waitpid(fork(in_the_child), 0)[1] == 0
    # Three purchases count; this reads the child's journal too.
    assert number.price is not None
    assert client.budget_left() == 1000 - 3 * number.price
    listed = [entry.purchase for entry in client.unclaimed()]
    assert len(listed) == 2
    for purchase in listed:
        assert purchase is not None
        assert purchase.activation_id != number.id
        client.activation(purchase.activation_id).cancel()
    number.cancel()
    assert client.unclaimed() == ()
    assert client.budget_left() == 1000
    client.close()


@needs_fork
def test_forked_children_make_different_intents(sastaotp_sandbox: Sandbox, tmp_path: Path) -> None:
    key = sastaotp_sandbox.key()

    def in_the_child() -> None:
        sastaotp_sandbox.client(key, journal=tmp_path).get_number("zz_never", **TG)

    for _ in range(2):
        assert os.waitpid(fork(in_the_child), 0)[1] == 0
    with sastaotp_sandbox.client(key, journal=tmp_path) as client:
        listed = client.unclaimed()
        assert len({entry.intent.to_json() for entry in listed}) == 2
        for entry in listed:
            assert entry.purchase is not None
            client.activation(entry.purchase.activation_id).cancel()


@needs_fork
def test_forked_child_does_not_hold_its_parents_journal(
    sastaotp_sandbox: Sandbox, tmp_path: Path
) -> None:
    key = sastaotp_sandbox.key()
    program = """
    client = client()
    number = client.get_number("zz_never", country="22", max_price=100)
    child = os.fork()
    if child == 0:
        os.close(1)
        time.sleep(600)
    print(child)
    die()
    """
    (child,) = run_until_killed(program, sastaotp_sandbox, key, tmp_path)
    try:
        with sastaotp_sandbox.client(key, journal=tmp_path) as client:
            (listed,) = client.unclaimed()
            assert listed.purchase is not None
            client.activation(listed.purchase.activation_id).cancel()
    finally:
        os.kill(int(child), -KILLED)


class Loop:
    """The program journal_loop.py in a separate process group."""

    def __init__(self, lines: List[str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAMS / "journal_loop.py"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._bought = threading.Event()
        self._started = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(lines,))
        self._reader.start()

    def _read(self, lines: List[str]) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                lines.append(line.strip())
                if line.startswith("bought"):
                    self._bought.set()
                self._started.set()
        self._bought.set()
        self._started.set()

    def kill(self, chance: random.Random) -> None:
        """Kill the program, its parent process first or both at once."""
        event = self._bought if chance.random() < 0.6 else self._started
        assert event.wait(10 * HANG), "the program hangs"
        time.sleep(chance.uniform(0, 0.4))
        if chance.random() < 0.4:
            self.process.kill()
            time.sleep(chance.uniform(0, 0.2))
        self.end()

    def end(self) -> None:
        """Kill both processes."""
        if sys.platform == "win32":
            self.process.kill()
        else:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()


def test_killed_programs_forget_no_order(
    sastaotp_sandbox: Sandbox, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    key = sastaotp_sandbox.key()
    sastaotp_sandbox.control("seed", {"wallet": "1000000.00"}, api_key=key)
    lines: List[str] = []
    chance = random.Random(88_172_645)
    arguments = (sastaotp_sandbox.url, key, str(tmp_path))
    loops = [Loop(lines, *arguments) for _ in range(2)]
    try:
        for kill in range(KILLS):
            loops[kill % 2].kill(chance)
            loops[kill % 2] = Loop(lines, *arguments)
        for loop in loops:
            loop.kill(chance)
    finally:
        for loop in loops:
            loop.end()

    unexpected = [line for line in lines if line.split()[0] not in ("started", "try", "bought")]
    assert unexpected == []
    bought = [line.split()[1] for line in lines if line.startswith("bought")]
    assert len(bought) == len(set(bought)), "a number was given to two"

    program = runpy.run_path(str(PROGRAMS / "journal_loop.py"))
    with sastaotp_sandbox.client(key, journal=tmp_path, **program["SETTINGS"]) as last:
        ledger = sastaotp_sandbox.control("ledger", api_key=key)
        charged = [entry for entry in ledger["entries"] if entry["kind"] == "charge"]
        assert len(charged) <= lines.count("try"), "a purchase was sent twice"
        listed = last.unclaimed()
        known = [entry.purchase.activation_id for entry in listed if entry.purchase]
        unknown = len(listed) - len(known)
        assert len(known) == len(set(known)), "an order is listed twice"
        open_orders = {order.activation_id for order in last.orders(status="pending")}
        missing = open_orders - set(known)
        assert len(missing) <= unknown, f"{missing} are forgotten, {unknown} are unknown"
        figure(
            f"journal: {KILLS} kills, {lines.count('try')} tries, {len(charged)} charged, "
            f"{len(open_orders)} open, {unknown} unknown"
        )

        # A purchase can only be found after others have their orders.
        for _ in range(3):
            # The shortest late booking is a millisecond.
            time.sleep(0.01)
            if last.unclaimed():
                program["settle_unclaimed"](last)
        assert last.unclaimed() == ()
        # The history shows how each order ended, also if a program was killed before the reply.
        assert [order for order in last.orders() if order.status == "pending"] == []
        spent = Decimal(sastaotp_sandbox.control("ledger", api_key=key)["spent"])
        assert last.budget_left() == program["SETTINGS"]["budget"] - spent
