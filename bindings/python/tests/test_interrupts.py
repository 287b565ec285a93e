"""Calls that are given up: by Ctrl-C, by a cancelled task, by a client that is closed. Nothing that was paid for is lost."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from ctypes import c_uint64
from pathlib import Path
from types import FrameType
from typing import Any, Callable, Iterator, List

import pytest
from server import Server, number

import sastaotp
from sastaotp import AsyncClient, Client, _operations
from sastaotp.testing import Sandbox

KEY = "stp_0123456789abcdef"
#: How soon Ctrl-C must end a call, in seconds.
SOON = 0.150


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Whoever runs tests in the background may have them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press(after: float) -> List[float]:
    """Presses Ctrl-C in a while; the list gets the time when."""
    pressed: List[float] = []

    def send() -> None:
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(after, send).start()
    return pressed


def interrupted(call: Callable[[], Any], after: float = 0.3) -> float:
    """How long after Ctrl-C a call ended."""
    pressed = press(after)
    with pytest.raises(KeyboardInterrupt):
        call()
    return time.monotonic() - pressed[0]


@pytest.fixture
def hole() -> Iterator[str]:
    """An address whose connections hang: nobody accepts them, and there is no room for more."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for filler in fillers:
            filler.close()


def test_ctrl_c_ends_a_wait_and_the_activation_is_as_it_was(client: Client, figure: Callable[[str], None]) -> None:
    number = client.get_number("zz_ok", country="22", max_price=80)
    took = [interrupted(lambda: number.wait_for_code(timeout=60), 0.3 + part / 50) for part in range(5)]
    figure(f"Ctrl-C during a wait: KeyboardInterrupt after {max(took) * 1000:.0f} ms at most")
    assert max(took) < SOON
    assert len(number.wait_for_code(timeout=60).code) == 6
    assert number.complete().state == sastaotp.Settled.COMPLETED
    assert client.unclaimed() == ()


def test_ctrl_c_ends_a_connect_that_hangs(hole: str, figure: Callable[[str], None]) -> None:
    with Client(KEY, base_url=hole) as client:
        took = [interrupted(client.get_balance) for _ in range(3)]
    figure(f"Ctrl-C during a connect that hangs: KeyboardInterrupt after {max(took) * 1000:.0f} ms at most")
    assert max(took) < SOON


def slow_service(delay: float) -> Server:
    return Server(lambda query: (200, number() if query["action"].startswith("getNumber") else "STATUS_CANCEL"), delay)


def test_ctrl_c_during_a_purchase_leaves_what_it_brings_to_unclaimed() -> None:
    with slow_service(0.6) as server, Client(KEY, base_url=server.url) as client:
        assert interrupted(lambda: client.get_number("tg", country="22", max_price=80)) < SOON
        assert [listed.outcome for listed in client.unclaimed()] == ["pending"]
        time.sleep(0.8)
        (listed,) = client.unclaimed()
        assert listed.purchase is not None
        assert listed.purchase.activation_id == "38496653"
        assert listed.intent.service == "tg"


async def test_a_cancelled_purchase_is_listed_by_unclaimed_when_its_reply_comes() -> None:
    with slow_service(0.6) as server:
        async with AsyncClient(KEY, base_url=server.url) as client:
            task = asyncio.create_task(client.get_number("tg", country="22", max_price=80))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            (listed,) = await client.unclaimed()
            assert listed.outcome == sastaotp.Outcome.PENDING
            await asyncio.sleep(0.8)
            (listed,) = await client.unclaimed()
            assert listed.outcome == sastaotp.Outcome.BOUGHT
            assert listed.purchase is not None
            assert listed.purchase.activation_id == "38496653"
            await client.activation("38496653").poll()
            assert await client.unclaimed() == ()


def comes_as_its_caller_goes(client: Client, service: str) -> sastaotp.Unclaimed:
    """What is listed of a purchase that nobody takes, although it is there."""
    session = client._open()
    operation = _operations.get_number(
        service=service, country="22", max_price=200, accept_any_price=False, operator=None, multi_sms=False
    )
    ticket = c_uint64()
    session.begin(operation, ticket)
    select.select([session.fd], [], [], 10)
    session.give_up(operation, ticket.value)
    (listed,) = client.unclaimed()
    return listed


def test_a_number_that_comes_in_the_moment_of_ctrl_c_is_listed(client: Client) -> None:
    listed = comes_as_its_caller_goes(client, "tg")
    assert listed.purchase is not None
    assert client.activation(listed.purchase.activation_id).cancel().state == sastaotp.Settled.CANCELLED
    assert client.unclaimed() == ()


def test_an_unknown_outcome_that_comes_in_the_moment_of_ctrl_c_is_listed_until_it_is_looked_for(client: Client) -> None:
    listed = comes_as_its_caller_goes(client, "zz_lost_reply")
    assert (listed.outcome, listed.purchase) == (sastaotp.Outcome.UNKNOWN, None)
    assert type(listed.error) is sastaotp.OutcomeUnknownError
    assert listed.error.intent == listed.intent
    assert "UNKNOWN" in repr(listed)
    assert len(client.reconcile(listed.intent).candidates) == 1
    assert client.unclaimed() == ()


@pytest.mark.parametrize("drained", [False, True])
@pytest.mark.parametrize("service", ["tg", "zz_lost_reply"])
async def test_what_comes_in_the_moment_of_a_cancellation_is_listed(
    async_client: AsyncClient, service: str, drained: bool
) -> None:
    task = asyncio.create_task(async_client.get_number(service, country="22", max_price=200))
    # The task asks for it in the first turn of the loop, and it begins in the second.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    pump = async_client._pump
    assert pump is not None
    # The loop stands still until the number is there.
    select.select([pump.session.fd], [], [], 10)
    if drained:
        pump._drain()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (listed,) = await async_client.unclaimed()
    if service == "tg":
        assert listed.purchase is not None
    else:
        assert listed.outcome == sastaotp.Outcome.UNKNOWN
        assert len((await async_client.reconcile(listed.intent)).candidates) == 1
        assert await async_client.unclaimed() == ()


class Interruption:
    """Presses Ctrl-C before a line of the package: the one of this number, counted from where ``begins`` is true."""

    FOLDER = str(Path(sastaotp.__file__).parent)

    def __init__(self, at: int, begins: Callable[[FrameType], bool]) -> None:
        self.at = at
        self.begins = begins
        self.lines = -1
        self.pressed = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self.FOLDER):
            return None
        if event == "line":
            if self.lines < 0 and self.begins(frame):
                self.lines = 0
            if self.lines >= 0:
                self.lines += 1
            if self.lines == self.at:
                self.pressed = True
                sys.settrace(None)
                raise KeyboardInterrupt
        return self

    def during(self, call: Callable[[], Any]) -> Any:
        """What a call returns, or None where it was interrupted."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            return call()
        except KeyboardInterrupt:
            return None
        finally:
            sys.settrace(before)


@pytest.mark.parametrize("use", ["get_number", "lease"])
def test_ctrl_c_at_any_moment_after_a_purchase_loses_no_number(client: Client, use: str) -> None:
    def buy() -> Any:
        if use == "get_number":
            return client.get_number("zz_never", country="22", max_price=80)
        return client.lease("zz_never", country="22", max_price=80).__enter__()

    moment = 0
    for moment in range(1, 200):
        press = Interruption(moment, lambda frame: frame.f_code.co_name == "run" and bool(frame.f_locals.get("place")))
        number = press.during(buy)
        listed = client.unclaimed()
        assert (number is None, len(listed)) == ((True, 1) if press.pressed else (False, 0)), f"moment {moment}"
        for one in listed:
            assert one.purchase is not None
            client.activation(one.purchase.activation_id).cancel()
        if not press.pressed:
            break
    assert 10 < moment < 199


@pytest.mark.parametrize("callback", ["_begin", "_drain"])
def test_ctrl_c_at_any_moment_in_the_loop_leaves_what_is_under_way(sastaotp_sandbox: Sandbox, callback: str) -> None:
    loop = asyncio.new_event_loop()
    client = sastaotp_sandbox.async_client()
    moment = 0
    try:
        for moment in range(1, 200):
            press = Interruption(moment, lambda frame: frame.f_code.co_name == callback)
            task = loop.create_task(client.get_number("zz_never", country="22", max_price=80))
            press.during(lambda task=task: loop.run_until_complete(task))  # type: ignore[misc]
            if task.done() and press.pressed:
                # It struck where the task went on: its number is listed.
                assert isinstance(task.exception(), KeyboardInterrupt)
                (listed,) = loop.run_until_complete(client.unclaimed())
                assert listed.purchase is not None
                number = client.activation(listed.purchase.activation_id)
            else:
                number = loop.run_until_complete(asyncio.wait_for(task, 5))
            loop.run_until_complete(number.cancel())
            if not press.pressed:
                break
        assert 10 < moment < 199
        assert loop.run_until_complete(client.unclaimed()) == ()
    finally:
        loop.run_until_complete(client.close())
        loop.close()


def test_closing_ends_the_calls_of_other_threads(sastaotp_sandbox: Sandbox) -> None:
    client = sastaotp_sandbox.client()
    number = client.get_number("zz_never", country="22", max_price=80)
    ended: List[BaseException] = []

    def wait() -> None:
        try:
            number.wait_for_code(timeout=60)
        except sastaotp.Cancelled as error:
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.2)
    client.close()
    thread.join(2)
    assert len(ended) == 1


async def test_closing_ends_the_calls_of_other_tasks(sastaotp_sandbox: Sandbox) -> None:
    client = sastaotp_sandbox.async_client()
    number = await client.get_number("zz_never", country="22", max_price=80)
    task = asyncio.create_task(number.wait_for_code(timeout=60))
    await asyncio.sleep(0.1)
    await client.close()
    with pytest.raises(sastaotp.Cancelled):
        await asyncio.wait_for(task, 2)
    with pytest.raises(sastaotp.UsageError, match="closed"):
        await client.get_balance()


@pytest.mark.parametrize("gone", [False, True])
def test_closing_begins_no_purchase(gone: bool) -> None:
    async def close_early(client: AsyncClient) -> None:
        tasks = [asyncio.create_task(client.get_number(f"s{at}", country="22", max_price=80)) for at in range(100)]
        await asyncio.sleep(0)
        await client.close()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(end) for end in ends} == {sastaotp.Cancelled}

    with slow_service(0) as server:
        client = AsyncClient(KEY, base_url=server.url)
        if gone:
            # A loop that is closed between the asking and the beginning.
            loop = asyncio.new_event_loop()
            task = loop.create_task(client.get_number("tg", country="22", max_price=80))
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            loop.call_soon(loop.stop)
            loop.run_forever()
            loop.close()
            asyncio.run(client.close())
        else:
            asyncio.run(close_early(client))
        time.sleep(0.2)
        assert server.seen == []


async def test_numbers_that_are_left_while_the_library_is_busy_do_not_hold_the_loop_up() -> None:
    busy = threading.Event()

    def answer(query: Any) -> Any:
        if query["action"] == "getBalance":
            busy.wait(10)
        return 200, number() if query["action"].startswith("getNumber") else "STATUS_WAIT_CODE"

    with Server(answer) as server:
        async with AsyncClient(KEY, base_url=server.url, max_connections=1) as client:
            lease = client.lease("tg", country="22", max_price=80)
            number_of_it = await lease.__aenter__()
            balance = asyncio.create_task(client.get_balance())
            await asyncio.sleep(0.1)
            settling = asyncio.create_task(lease.__aexit__(None, None, None))
            await asyncio.sleep(0.1)
            settling.cancel()
            started = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await settling
            took = time.monotonic() - started
            busy.set()
            await asyncio.wait([balance])
            (listed,) = await client.unclaimed()
            assert listed.purchase is not None
            assert listed.purchase.activation_id == number_of_it.id
            assert took < 0.5


def messages(caplog: pytest.LogCaptureFixture) -> List[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_closing_says_what_is_in_nobodys_hands(caplog: pytest.LogCaptureFixture) -> None:
    with slow_service(0.5) as server:
        with Client(KEY, base_url=server.url) as client:
            interrupted(lambda: client.get_number("tg", country="22", max_price=80), 0.2)
        (said,) = [text for text in messages(caplog) if "the client is closed" in text]
        intent = sastaotp.Intent.from_json(said[said.index("{") :])
        assert (intent.service, intent.country) == ("tg", "22")
        caplog.clear()
        with Client(KEY, base_url=server.url) as client:
            client.get_number("tg", country="22", max_price=80).leave()
        (said,) = messages(caplog)
        assert "38496653" in said
        assert "919876543210" not in said


async def test_closing_says_what_is_in_nobodys_hands_of_asyncio_too(
    sastaotp_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with sastaotp_sandbox.async_client() as client:
        number = await client.get_number("zz_never", country="22", max_price=80)
        await number.leave()
    (said,) = messages(caplog)
    assert number.id in said


def test_an_intent_in_the_log_shows_no_phone_number(client: Client) -> None:
    saved = '{"action":"regetNumber","id":"7","phone_number":"919876543210","started_ms":1,"watermark":5}'
    shown = sastaotp.Intent.from_json(saved).without_phone_number()
    assert "919876543210" not in shown
    assert sastaotp.Intent.from_json(shown).reget_of == "7"
    intent = client.intend("tg", country="22", max_price=80)
    assert intent.without_phone_number() == intent.to_json()
