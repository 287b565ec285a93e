"""Calls ended by Ctrl-C, a cancelled task or a closed client. No purchase gets lost."""

from __future__ import annotations

import asyncio
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
from conftest import HANG, Join, press_ctrl_c, until, until_async, until_submitted
from stub_service import StubService, empty_history, is_purchase, purchase_reply

import sastaotp
from sastaotp import AsyncClient, Client, UnclaimedOutcome, _native_queue, _operations
from sastaotp.testing import Sandbox

KEY = "stp_0123456789abcdef"
#: More lines than run after the start of a callback.
LINES = 1000


@pytest.fixture(autouse=True)
def _sigint_raises() -> Iterator[None]:
    """Make SIGINT raise KeyboardInterrupt: background processes start with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt(call: Callable[[], Any], when: Callable[[], object]) -> None:
    """Run a call, and press Ctrl-C once a condition is true."""
    pressed: List[float] = []

    def press() -> None:
        until(when)
        pressed.append(time.monotonic())
        press_ctrl_c()

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        call()
    assert time.monotonic() - pressed[0] < HANG


@pytest.fixture
def hanging_address() -> Iterator[str]:
    """An address where connecting hangs: no program accepts, and the backlog is full."""
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


def test_interrupted_wait_leaves_the_activation_unchanged(
    client: Client, joins: List[Join]
) -> None:
    number = client.get_number("zz_ok", country="22", max_price=80)
    for _ in range(5):
        joins.clear()
        interrupt(lambda: number.wait_for_code(timeout=4 * HANG), when=lambda: joins)
    assert len(number.wait_for_code(timeout=60).code) == 6
    assert number.complete().state == sastaotp.SettlementState.COMPLETED
    assert client.unclaimed() == ()


@pytest.mark.skipif(sys.platform == "win32", reason="a full backlog refuses connections there")
def test_ctrl_c_ends_a_hanging_connect(hanging_address: str, joins: List[Join]) -> None:
    with Client(KEY, base_url=hanging_address) as client:
        for _ in range(3):
            joins.clear()
            interrupt(client.get_balance, when=lambda: len(joins) > 2)


def test_blocked_call_checks_for_interrupts_every_50_ms(client: Client, joins: List[Join]) -> None:
    number = client.get_number("zz_never", country="22", max_price=80)
    joins.clear()
    interrupt(lambda: number.wait_for_code(timeout=4 * HANG), when=lambda: len(joins) > 2)
    assert {join.timeout_ms for join in joins} == {50}


def holding_service(release: threading.Event) -> StubService:
    """A service that sells a number and holds the reply until an event is set."""

    def reply(parameters: Any) -> Any:
        if parameters["action"] == "getOrders":
            return 200, empty_history()
        return 200, purchase_reply() if is_purchase(parameters) else "STATUS_WAIT_CODE"

    return StubService(reply, release)


def test_interrupted_purchase_is_listed_as_unclaimed() -> None:
    release = threading.Event()
    with holding_service(release) as service, Client(KEY, base_url=service.url) as client:
        interrupt(
            lambda: client.get_number("tg", country="22", max_price=80),
            when=lambda: service.purchases,
        )
        assert [entry.outcome for entry in client.unclaimed()] == [UnclaimedOutcome.PENDING]
        release.set()
        until(lambda: client.unclaimed()[0].outcome == UnclaimedOutcome.BOUGHT)
        (entry,) = client.unclaimed()
        assert entry.purchase is not None
        assert entry.purchase.activation_id == "38496653"
        assert entry.intent.service == "tg"


async def test_cancelled_purchase_is_listed_as_unclaimed() -> None:
    release = threading.Event()
    with holding_service(release) as service:
        async with AsyncClient(KEY, base_url=service.url) as client:
            task = asyncio.create_task(client.get_number("tg", country="22", max_price=80))
            await until_async(lambda: service.purchases)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            (entry,) = await client.unclaimed()
            assert entry.outcome == UnclaimedOutcome.PENDING
            release.set()
            while entry.outcome == UnclaimedOutcome.PENDING:
                await asyncio.sleep(0.01)
                (entry,) = await client.unclaimed()
            assert entry.outcome == UnclaimedOutcome.BOUGHT
            assert entry.purchase is not None
            assert entry.purchase.activation_id == "38496653"
            number = await client.activation("38496653")
            assert await client.unclaimed() == ()
            del number
            # A look settles nothing.
            assert len(await client.unclaimed()) == 1


def abandon_completed_purchase(client: Client, service: str) -> sastaotp.Unclaimed:
    """Abandon a purchase whose completion has arrived, and return its entry in the list."""
    session = client._open_session()
    operation = _operations.get_number(
        service=service,
        country="22",
        any_country=False,
        max_price=200,
        accept_any_price=False,
        operator=None,
        multi_sms=False,
    )
    ticket = c_uint64()
    session.submit(operation, ticket)
    select.select([session.fd], [], [], HANG)
    session.abandon(operation, ticket.value, is_delivered=False)
    (entry,) = client.unclaimed()
    return entry


def test_number_completed_during_ctrl_c_is_listed(client: Client) -> None:
    entry = abandon_completed_purchase(client, "tg")
    assert entry.purchase is not None
    settlement = client.activation(entry.purchase.activation_id).cancel()
    assert settlement.state == sastaotp.SettlementState.CANCELLED
    assert client.unclaimed() == ()


def test_unknown_outcome_is_listed_until_it_is_settled(client: Client) -> None:
    entry = abandon_completed_purchase(client, "zz_lost_reply")
    assert (entry.outcome, entry.purchase) == (UnclaimedOutcome.UNKNOWN, None)
    assert type(entry.error) is sastaotp.OutcomeUnknownError
    assert entry.error.intent == entry.intent
    assert "UNKNOWN" in repr(entry)
    assert entry.intent.id in str(entry)
    found = client.reconcile(entry.intent, timeout=3)
    (candidate,) = found.candidates
    assert candidate.evidence
    assert not found.complete
    assert found.reason
    assert [unclaimed.intent for unclaimed in client.unclaimed()] == [entry.intent]
    client.resolve(entry.intent, activation_id=candidate.activation_id)
    assert client.activation(candidate.activation_id or "").cancel().state == "cancelled"
    assert client.unclaimed() == ()


@pytest.mark.usefixtures("delivery")
@pytest.mark.parametrize("is_read", [False, True])
@pytest.mark.parametrize("service", ["tg", "zz_lost_reply"])
async def test_purchase_completed_during_cancellation_is_listed(
    async_client: AsyncClient, service: str, is_read: bool
) -> None:
    task = asyncio.create_task(async_client.get_number(service, country="22", max_price=200))
    # The first turn of the loop starts the task, and the second submits the purchase.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reader = async_client._reader
    assert reader is not None
    # This blocks the loop until the completion has arrived.
    session = reader.session
    if reader._fd is None:
        until(lambda: session.arrived)
    else:
        select.select([session.fd], [], [], HANG)
    if is_read:
        reader._read_completions()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (entry,) = await async_client.unclaimed()
    if service == "tg":
        assert entry.purchase is not None
    else:
        assert entry.outcome == UnclaimedOutcome.UNKNOWN
        (candidate,) = (await async_client.reconcile(entry.intent, timeout=3)).candidates
        await async_client.resolve(entry.intent, activation_id=candidate.activation_id)
        await (await async_client.activation(candidate.activation_id or "")).cancel()
        assert await async_client.unclaimed() == ()


class Interruption:
    """Presses Ctrl-C before a line of the package, given as a number.

    Counting starts with the first line for which ``starts`` is true.
    """

    FOLDER = str(Path(sastaotp.__file__).parent)

    def __init__(self, line: int, starts: Callable[[FrameType], bool]) -> None:
        self.line = line
        self.starts = starts
        self.count = -1
        self.pressed = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self.FOLDER):
            return None
        if event == "line":
            if self.count < 0 and self.starts(frame):
                self.count = 0
            if self.count >= 0:
                self.count += 1
            if self.count == self.line:
                self.pressed = True
                sys.settrace(None)
                raise KeyboardInterrupt
        return self

    def during(self, call: Callable[[], Any]) -> Any:
        """Return the result of a call, or None if it was interrupted."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            return call()
        except KeyboardInterrupt:
            return None
        finally:
            sys.settrace(before)


@pytest.mark.parametrize("method", ["get_number", "lease"])
def test_ctrl_c_on_any_line_loses_no_number(client: Client, method: str) -> None:
    def buy() -> Any:
        if method == "get_number":
            return client.get_number("zz_never", country="22", max_price=80)
        return client.lease("zz_never", country="22", max_price=80).__enter__()

    def has_completion(frame: FrameType) -> bool:
        return frame.f_code.co_name == "run" and bool(frame.f_locals.get("handle"))

    line = 0
    for line in range(1, 200):
        interruption = Interruption(line, has_completion)
        number = interruption.during(buy)
        entries = client.unclaimed()
        expected = (True, 1) if interruption.pressed else (False, 0)
        assert (number is None, len(entries)) == expected, f"line {line}"
        for entry in entries:
            assert entry.purchase is not None
            client.activation(entry.purchase.activation_id).cancel()
        if not interruption.pressed:
            break
    assert 10 < line < 199


@pytest.mark.usefixtures("delivery")
@pytest.mark.parametrize("callback", ["_submit_batch", "_read_completions"])
def test_ctrl_c_in_a_loop_callback_loses_nothing(sastaotp_sandbox: Sandbox, callback: str) -> None:
    loop = asyncio.new_event_loop()
    client = sastaotp_sandbox.async_client()
    line = 0
    try:
        for line in range(1, LINES):
            interruption = Interruption(line, lambda frame: frame.f_code.co_name == callback)
            task = loop.create_task(client.get_number("zz_never", country="22", max_price=80))
            interruption.during(
                lambda task=task: loop.run_until_complete(task)  # type: ignore[misc]
            )
            # The end of the task may have stopped the loop already.
            loop.call_soon(loop.stop)
            loop.run_forever()
            if task.done() and task.exception() is not None:
                # Ctrl-C struck inside the task, so its number is listed.
                assert interruption.pressed
                assert isinstance(task.exception(), KeyboardInterrupt)
                (entry,) = loop.run_until_complete(client.unclaimed())
                assert entry.purchase is not None
                claim = client.activation(entry.purchase.activation_id)
                number = loop.run_until_complete(claim)
            else:
                number = loop.run_until_complete(asyncio.wait_for(task, HANG))
            loop.run_until_complete(number.cancel())
            if not interruption.pressed:
                break
        assert 10 < line < LINES - 1
        assert loop.run_until_complete(client.unclaimed()) == ()
    finally:
        loop.run_until_complete(client.close())
        loop.close()


def test_close_ends_calls_of_other_threads(sastaotp_sandbox: Sandbox, joins: List[Join]) -> None:
    client = sastaotp_sandbox.client()
    number = client.get_number("zz_never", country="22", max_price=80)
    ended: List[BaseException] = []

    def wait() -> None:
        try:
            number.wait_for_code(timeout=4 * HANG)
        except sastaotp.CallCancelledError as error:
            ended.append(error)

    joins.clear()
    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: joins)
    client.close()
    thread.join(HANG)
    assert len(ended) == 1


@pytest.mark.usefixtures("delivery")
async def test_close_ends_calls_of_other_tasks(sastaotp_sandbox: Sandbox) -> None:
    client = sastaotp_sandbox.async_client()
    number = await client.get_number("zz_never", country="22", max_price=80)
    task = asyncio.create_task(number.wait_for_code(timeout=4 * HANG))
    await until_submitted(client)
    await client.close()
    with pytest.raises(sastaotp.CallCancelledError):
        await asyncio.wait_for(task, HANG)
    with pytest.raises(sastaotp.UsageError, match="closed"):
        await client.get_balance()


@pytest.mark.usefixtures("delivery")
@pytest.mark.parametrize("loop_is_closed", [False, True])
def test_close_sends_no_waiting_purchase(loop_is_closed: bool) -> None:
    async def close_early(client: AsyncClient) -> None:
        tasks = [
            asyncio.create_task(client.get_number(f"s{index}", country="22", max_price=80))
            for index in range(100)
        ]
        await asyncio.sleep(0)
        await client.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} == {sastaotp.CallCancelledError}

    with StubService((200, purchase_reply())) as service:
        client = AsyncClient(KEY, base_url=service.url)
        if loop_is_closed:
            # The loop is closed after the task has started and before it submits.
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
        assert service.requests == []


@pytest.mark.usefixtures("delivery")
async def test_releasing_a_lease_does_not_block_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def reply(parameters: Any) -> Any:
        if parameters["action"] == "getOrders":
            return 200, empty_history()
        if parameters["action"] == "getBalance":
            release.wait(2 * HANG)
        return 200, purchase_reply() if is_purchase(parameters) else "STATUS_WAIT_CODE"

    released: List[int] = []
    release_ticket = _native_queue.Session.release

    def record(session: _native_queue.Session, ticket: int) -> bool:
        released.append(ticket)
        return release_ticket(session, ticket)

    monkeypatch.setattr(_native_queue.Session, "release", record)
    with StubService(reply) as service:
        async with AsyncClient(KEY, base_url=service.url, max_connections=1) as client:
            lease = client.lease("tg", country="22", max_price=80)
            number = await lease.__aenter__()
            # The balance occupies the only connection, so settling has to wait.
            balance = asyncio.create_task(client.get_balance())
            await until_async(lambda: "action=getBalance" in service.requests[-1][1])
            reader = client._reader
            assert reader is not None
            (before,) = reader._submitted
            settling = asyncio.create_task(lease.__aexit__(None, None, None))
            await until_async(lambda: len(reader._submitted) == 2)
            (ticket,) = reader._submitted.keys() - {before}
            settling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await settling
            # Its operation and its number are released without a wait for the core.
            assert ticket in released
            assert len(released) == 2
            release.set()
            await asyncio.wait([balance])
            (entry,) = await client.unclaimed()
            assert entry.purchase is not None
            assert entry.purchase.activation_id == number.id


def reports(captured: pytest.CaptureFixture[str]) -> List[str]:
    """Return the purchases that were reported on stderr since the last call."""
    lines = captured.readouterr().err.splitlines()
    return [line for line in lines if line.startswith("sastaotp: ")]


def test_close_reports_unsettled_purchases(capsys: pytest.CaptureFixture[str]) -> None:
    release = threading.Event()
    with holding_service(release) as service:
        with Client(KEY, base_url=service.url, end_wait=0) as client:
            interrupt(
                lambda: client.get_number("tg", country="22", max_price=80),
                when=lambda: service.purchases,
            )
        (line,) = reports(capsys)
        intent = sastaotp.Intent.from_json(line[line.index("{") :])
        assert (intent.service, intent.country) == ("tg", "22")
        with Client(KEY, base_url=service.url) as client:
            release.set()
            until(lambda: client.unclaimed()[0].purchase)
        (line,) = reports(capsys)
        assert "38496653" in line
        assert "919876543210" in line
        # It was reported, and nothing has changed since.
        with Client(KEY, base_url=service.url):
            pass
        assert reports(capsys) == []


@pytest.mark.usefixtures("delivery")
async def test_async_close_reports_unsettled_purchases(
    sastaotp_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    async with sastaotp_sandbox.async_client() as client:
        number = await client.get_number("zz_never", country="22", max_price=80)
    (line,) = reports(capsys)
    assert number.id in line


def test_logged_intent_has_no_phone_number(client: Client) -> None:
    saved = (
        '{"intent_id":"0000000000000001","action":"regetNumber","id":"7",'
        '"phone_number":"919876543210",'
        '"started_at_ms":1,"watermark":"5"}'
    )
    logged = sastaotp.Intent.from_json(saved).without_phone_number()
    assert "919876543210" not in logged
    assert sastaotp.Intent.from_json(logged).reget_of == "7"
    intent = client.intend("tg", country="22", max_price=80)
    assert intent.without_phone_number() == intent.to_json()
