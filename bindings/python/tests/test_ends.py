"""Ends of programs: each names on stderr the purchases that are in flight, unknown or open."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import pytest
from stub_service import Reply, StubService, empty_history, is_purchase, purchase_reply

PROGRAMS = Path(__file__).parent / "programs"
#: The activation id and the number that the service sells.
ID, NUMBER = "38496653", "919876543210"
#: How long a slow purchase takes, in seconds.
SLOW = 0.7
#: Longer than a program runs.
NEVER = 60.0


class End(NamedTuple):
    """A program and its end."""

    name: str
    program: str
    #: The words of the only line that reports a purchase. None if no purchase is reported.
    reported: Optional[str] = ID
    #: How long the service takes for a purchase, in seconds. The time starts at its request, or
    #: after the signals, or when a program that waits for the request is answered.
    delay: float = 0.0
    #: The signals to send: when the purchase was requested, when the program sleeps, or every half
    #: second.
    signals: Tuple[Tuple[int, str], ...] = ()
    #: The exit status, if it matters.
    status: Optional[int] = 0
    #: The reply to a purchase, if it is not a sold number.
    reply: Any = None
    #: The reply to a cancellation.
    cancel: str = "ACCESS_CANCEL"


REQUESTED, ASLEEP, REPEATED = "requested", "asleep", "repeated"
INT_REQUESTED = ((signal.SIGINT, REQUESTED),)
TERM_REQUESTED = ((signal.SIGTERM, REQUESTED),)
TERM_ASLEEP = ((signal.SIGTERM, ASLEEP),)

ENDS = [
    End(
        "closed client with an open order",
        """
        with client() as client:
            number = client.get_number(**TG)
        """,
    ),
    End(
        "client that was not closed",
        """
        client = client()
        number = client.get_number(**TG)
        """,
    ),
    End("client and number that were dropped", "client().get_number(**TG)"),
    End(
        "function whose client and number are gone",
        """
        def buy():
            return client().get_number(**TG).id

        buy()
        client().get_balance()
        """,
    ),
    End(
        "sys.exit inside with",
        """
        with client() as client:
            number = client.get_number(**TG)
            sys.exit(3)
        """,
        status=3,
    ),
    End(
        "sys.exit without with",
        """
        number = client().get_number(**TG)
        sys.exit(3)
        """,
        status=3,
    ),
    End(
        "uncaught exception inside with",
        """
        with client() as client:
            number = client.get_number(**TG)
            1 / 0
        """,
        status=1,
    ),
    End(
        "uncaught exception without with",
        """
        number = client().get_number(**TG)
        1 / 0
        """,
        status=1,
    ),
    End(
        "wait that timed out",
        """
        with client() as client:
            client.get_number(**TG).wait_for_code(timeout=0.1)
        """,
        status=1,
    ),
    End(
        "Ctrl-C inside with during a purchase",
        """
        with client() as client:
            client.get_number(**TG)
        """,
        delay=SLOW,
        signals=INT_REQUESTED,
        status=None,
    ),
    End(
        "Ctrl-C without with during a purchase",
        "client().get_number(**TG)",
        delay=SLOW,
        signals=INT_REQUESTED,
        status=None,
    ),
    End(
        "Ctrl-C again and again: it ends the wait for the reply",
        """
        with client(end_wait=60) as client:
            client.get_number(**TG)
        """,
        reported="intent_id",
        delay=NEVER,
        signals=(*INT_REQUESTED, (signal.SIGINT, REPEATED)),
        status=None,
    ),
    End(
        "purchase that outlasts end_wait",
        """
        with client(end_wait=0.1) as client:
            client.get_number(**TG)
        """,
        reported="intent_id",
        delay=NEVER,
        signals=INT_REQUESTED,
        status=None,
    ),
    End(
        "purchase with an unknown outcome",
        """
        with client() as client:
            client.get_number(**TG)
        """,
        reported="intent_id",
        reply=(200, "<html>Something went wrong</html>"),
        status=1,
    ),
    End(
        "timeout shorter than the purchase",
        """
        with client(timeout=5) as client:
            client.get_number(**TG)
        """,
        delay=6.0,
        status=1,
    ),
    End(
        "SIGTERM inside with during a purchase",
        """
        with client() as client:
            client.get_number(**TG)
        """,
        delay=SLOW,
        signals=TERM_REQUESTED,
        status=143,
    ),
    End(
        "SIGTERM inside with and an open order",
        """
        with client() as client:
            number = client.get_number(**TG)
            sleep()
        """,
        signals=TERM_ASLEEP,
        status=143,
    ),
    End(
        "SIGTERM with a handler of the program",
        """
        import signal

        signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
        number = client().get_number(**TG)
        sleep()
        """,
        signals=TERM_ASLEEP,
        status=5,
    ),
    End(
        "SIGTERM inside async with during a purchase",
        """
        async def main():
            async with async_client() as client:
                await client.get_number(**TG)

        asyncio.run(main())
        """,
        delay=SLOW,
        signals=TERM_REQUESTED,
        status=143,
    ),
    End(
        "Ctrl-C in asyncio.run during a purchase",
        """
        async def main():
            async with async_client() as client:
                await client.get_number(**TG)

        asyncio.run(main())
        """,
        delay=SLOW,
        signals=INT_REQUESTED,
        status=None,
    ),
    End(
        "Ctrl-C in asyncio.run without async with",
        """
        async def main():
            await async_client().get_number(**TG)

        asyncio.run(main())
        """,
        delay=SLOW,
        signals=INT_REQUESTED,
        status=None,
    ),
    End(
        "asyncio.wait_for that timed out inside async with",
        """
        async def main():
            async with async_client() as client:
                with suppress(asyncio.TimeoutError):
                    await with_timeout(client.get_number(**TG))

        asyncio.run(main())
        """,
        delay=SLOW,
    ),
    End(
        "asyncio.wait_for that timed out without async with",
        """
        async def main():
            with suppress(asyncio.TimeoutError):
                await with_timeout(async_client().get_number(**TG))

        asyncio.run(main())
        """,
        delay=SLOW,
    ),
    End(
        "cancelled task",
        """
        async def main():
            client = async_client()
            task = asyncio.create_task(client.get_number(**TG))
            await requested()
            task.cancel()

        asyncio.run(main())
        """,
        delay=SLOW,
    ),
    End(
        "task that is forgotten when main returns",
        """
        async def main():
            client = async_client()
            asyncio.create_task(client.get_number(**TG))
            await requested()

        asyncio.run(main())
        """,
        delay=SLOW,
    ),
    End(
        "event loop that is closed during a purchase",
        """
        loop = asyncio.new_event_loop()
        client = async_client()
        task = loop.create_task(client.get_number(**TG))
        task._log_destroy_pending = False
        loop.run_until_complete(requested())
        loop.close()
        """,
        delay=SLOW,
    ),
    End(
        "asyncio number that was dropped",
        """
        async def main():
            async with async_client() as client:
                await client.get_number(**TG)

        asyncio.run(main())
        """,
    ),
    End(
        "close of an asyncio client that is cancelled",
        """
        async def main():
            async with async_client(end_wait=60) as client:
                with suppress(asyncio.TimeoutError):
                    await with_timeout(client.get_number(**TG))

        async def outer():
            task = asyncio.create_task(main())
            await requested()
            while not task.done():
                task.cancel()
                await asyncio.sleep(0.3)

        asyncio.run(outer())
        """,
        reported="intent_id",
        delay=NEVER,
    ),
    End(
        "daemon thread during a purchase",
        """
        client = client()
        threading.Thread(target=client.get_number, kwargs=TG, daemon=True).start()
        wait_until_requested()
        """,
        delay=SLOW,
    ),
    End(
        "thread during a purchase",
        """
        client = client()
        threading.Thread(target=client.get_number, kwargs=TG).start()
        """,
        delay=SLOW,
    ),
    End(
        "thread whose client closes during a purchase",
        """
        def buy(client):
            with suppress(sastaotp.SastaotpError):
                client.get_number(**TG)

        with client() as client:
            threading.Thread(target=buy, args=(client,)).start()
            wait_until_requested()
        """,
        delay=SLOW,
    ),
    End(
        "thread pool during a purchase",
        """
        from concurrent.futures import ThreadPoolExecutor

        client = client()
        ThreadPoolExecutor().submit(client.get_number, **TG)
        """,
        delay=SLOW,
    ),
    End(
        "forked child that ends",
        """
        if os.fork() == 0:
            number = client().get_number(**TG)
        else:
            os.wait()
        """,
    ),
    End(
        "forked child with its parent's client",
        """
        client = client()
        client.get_balance()
        if os.fork() == 0:
            with client:
                number = client.get_number(**TG)
        else:
            os.wait()
        """,
    ),
    End(
        "fork while the parent has an open order",
        """
        client = client()
        number = client.get_number(**TG)
        if os.fork() != 0:
            os.wait()
        """,
    ),
    End(
        "fork while the parent has an unclaimed order",
        """
        client().get_number(**TG)
        if os.fork() == 0:
            client().get_balance()
        else:
            os.wait()
        """,
    ),
    End(
        "child of multiprocessing",
        """
        import multiprocessing

        def buy():
            number = client().get_number(**TG)

        process = multiprocessing.get_context("fork").Process(target=buy)
        process.start()
        process.join()
        """,
    ),
    End(
        "lease that is too young to cancel",
        """
        with client() as client, client.lease(**TG):
            sys.exit(3)
        """,
        status=3,
        cancel="EARLY_CANCEL_DENIED",
    ),
    End(
        "lease that is not left",
        """
        lease = client().lease(**TG)
        number = lease.__enter__()
        """,
    ),
    End(
        "stderr that was closed",
        """
        number = client().get_number(**TG)
        sys.stderr = None
        """,
    ),
    End(
        "two clients of one key",
        """
        first, second = client(), client()
        first.get_number(**TG)
        second.get_balance()
        """,
    ),
    End(
        "kept number",
        """
        with client() as client:
            client.get_number(**TG).keep()
        """,
        reported=None,
    ),
    End(
        "kept lease",
        """
        with client() as client:
            lease = client.lease(**TG)
            with lease:
                lease.keep()
        """,
        reported=None,
    ),
    End(
        "cancelled number",
        """
        with client() as client:
            client.get_number(**TG).cancel()
        """,
        reported=None,
    ),
    End(
        "lease that SIGTERM ends",
        """
        with client() as client, client.lease(**TG):
            sleep()
        """,
        reported=None,
        signals=TERM_ASLEEP,
        status=143,
    ),
    End(
        "lease that is settled without its client being closed",
        """
        with client().lease(**TG):
            pass
        """,
        reported=None,
    ),
    End(
        "refused purchase",
        """
        with client() as client, suppress(sastaotp.NoNumbersError):
            client.get_number(**TG)
        """,
        reported=None,
        reply=(200, "NO_NUMBERS"),
    ),
    End(
        "unknown outcome that was resolved",
        """
        with client() as client:
            try:
                client.get_number(**TG)
            except sastaotp.OutcomeUnknownError as error:
                client.resolve(error.intent, not_made=True)
        """,
        reported=None,
        reply=(200, "<html>Something went wrong</html>"),
    ),
]

if sys.platform == "win32":
    ENDS = [end for end in ENDS if "fork" not in end.program]
else:
    # Each end with asyncio again, with event loops like the default one on Windows.
    ENDS += [
        end._replace(
            name=f"{end.name}, without descriptor",
            program=f"watch_no_descriptor()\n{textwrap.dedent(end.program)}",
        )
        for end in ENDS
        if "async" in end.program
    ]

#: Ends with a purchase of the real sandbox, which stops after the report.
SANDBOX_PROGRAM = """
import threading
import time

from sastaotp.testing import Sandbox

sandbox = Sandbox()
key = sandbox.key()
rule = {"match": {"action": "getNumber"}, "delay_ms": 700}
sandbox.control("faults", rule, api_key=key)
client = sandbox.client(key)
bought = {"service": "zz_never", "country": "22", "max_price": 80}
threading.Thread(target=client.get_number, kwargs=bought, daemon=True).start()
while not sandbox.control("ledger", api_key=key)["in_flight_peak"]:
    time.sleep(0.02)
"""

IMPORTS = f"""
import asyncio
import os
import sys
import threading
import time
from contextlib import suppress

sys.path.insert(0, {str(PROGRAMS)!r})
from end_prelude import *

accept_signals()
"""


class Ended(NamedTuple):
    """The end of a program."""

    status: int
    stdout: str
    stderr: str

    @property
    def reports(self) -> List[str]:
        return [line for line in self.stderr.splitlines() if line.startswith("sastaotp: ")]


def run(end: End) -> Ended:
    """Run a program to its end, with a service of its own."""
    released, requested, acted = threading.Event(), threading.Event(), threading.Event()
    if not end.signals and not any(name in end.program for name in ("requested", "with_timeout")):
        acted.set()

    def reply(parameters: Dict[str, str]) -> Reply:
        action = parameters["action"]
        if is_purchase(parameters):
            requested.set()
            if end.delay:
                acted.wait(NEVER)
                released.wait(end.delay)
            return end.reply or (200, purchase_reply(ID))
        if action == "isRequested":
            if not requested.is_set():
                return 200, "no"
            acted.set()
            return 200, "yes"
        if action == "getOrders":
            return 200, empty_history()
        if action == "getBalance":
            return 200, "ACCESS_BALANCE:100"
        if action == "setStatus":
            return 200, end.cancel
        return 200, "STATUS_WAIT_CODE"

    program = IMPORTS + textwrap.dedent(end.program)
    with StubService(reply) as service:
        started = subprocess.Popen(
            [sys.executable, "-W", "default", "-c", program, service.url, "stp_0123456789abcdef"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
        )
        try:
            send_signals(end, started, requested)
            if end.signals:
                acted.set()
            stdout, stderr = started.communicate(timeout=120)
        finally:
            released.set()
            started.kill()
            started.wait()
    return Ended(started.returncode, stdout, stderr)


def send_signals(end: End, started: subprocess.Popen[str], requested: threading.Event) -> None:
    for number, moment in end.signals:
        if moment == REQUESTED:
            assert requested.wait(NEVER)
        elif moment == ASLEEP:
            assert started.stdout is not None
            assert started.stdout.readline() == "asleep\n"
        else:
            repeat_signal(started, number)
            return
        send_signal(started, number)


def send_signal(started: subprocess.Popen[str], number: int) -> None:
    if sys.platform == "win32":
        # The program raises it: see end_prelude.py.
        assert started.stdin is not None
        with suppress(OSError):
            print(number, file=started.stdin, flush=True)
    else:
        started.send_signal(number)


def repeat_signal(started: subprocess.Popen[str], number: int) -> None:
    end = time.monotonic() + NEVER / 2
    while started.poll() is None and time.monotonic() < end:
        time.sleep(0.5)
        send_signal(started, number)


@pytest.fixture(scope="module")
def ended() -> Iterator[Dict[str, Future[Ended]]]:
    """Run all programs, a few at a time."""
    with ThreadPoolExecutor(8) as pool:
        yield {end.name: pool.submit(run, end) for end in ENDS}


@pytest.mark.parametrize("end", ENDS, ids=[end.name for end in ENDS])
def test_end_names_each_unsettled_purchase(end: End, ended: Dict[str, Future[Ended]]) -> None:
    result = ended[end.name].result()
    if end.status is not None:
        assert result.status == end.status, result.stderr
    if end.reported is None:
        assert result.reports == [], result.stderr
        return
    (line,) = result.reports or [result.stderr]
    assert line.startswith("sastaotp: "), line
    assert end.reported in line
    if end.reported == ID:
        assert NUMBER in line
    else:
        saved = json.loads(line[line.index("{") :])
        assert saved["service"] == "tg"


def test_sandbox_outlives_the_report() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", SANDBOX_PROGRAM],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("sastaotp: buying zz_never in 22: activation "), done.stderr
    assert len(done.stderr.splitlines()) == 1
