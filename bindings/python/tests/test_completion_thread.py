"""Event loops that cannot watch a descriptor: a thread takes the completions."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any, Dict, List

import pytest
from conftest import HANG, refuse_reader, until, until_async
from stub_service import StubService, empty_history, is_purchase, purchase_reply

from sastaotp import AsyncClient, _completion_thread, _operations
from sastaotp._completion_reader import CompletionReader
from sastaotp._completion_thread import CompletionThread
from sastaotp._native_queue import Batch, Session
from sastaotp.testing import Sandbox

KEY = "stp_0123456789abcdef"
TG: Dict[str, Any] = {"service": "tg", "country": "22", "max_price": 80}
#: A purchase of the sandbox that stays open.
OPEN: Dict[str, Any] = {"service": "zz_never", "country": "22", "max_price": 80}
#: In milliseconds: a thread that waits so long never ends because it is idle.
FOREVER_MS = 10_000_000


class LoopWithoutReaders(asyncio.SelectorEventLoop):
    """Refuses descriptors, like the default event loop on Windows."""

    add_reader = refuse_reader  # type: ignore[assignment]


def reader_of(client: AsyncClient) -> CompletionReader:
    assert client._reader is not None
    return client._reader


def thread_of(client: AsyncClient) -> CompletionThread:
    thread = reader_of(client)._thread
    assert thread is not None
    return thread


def count_starts(monkeypatch: pytest.MonkeyPatch) -> List[CompletionThread]:
    """Record the threads that are started."""
    started: List[CompletionThread] = []
    start = CompletionThread.start

    def record(thread: CompletionThread) -> None:
        started.append(thread)
        start(thread)

    monkeypatch.setattr(CompletionThread, "start", record)
    return started


async def buy_ten(client: AsyncClient) -> int:
    numbers = await asyncio.gather(
        *(client.get_number("tg", country="22", max_price=200) for _ in range(10))
    )
    return len({number.id for number in numbers})


@pytest.mark.parametrize("has_descriptor", [True, False])
@pytest.mark.parametrize("loop_class", [asyncio.SelectorEventLoop, LoopWithoutReaders])
def test_loop_watches_the_descriptor_if_it_can(
    sastaotp_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    loop_class: type,
    has_descriptor: bool,
) -> None:
    if not has_descriptor:
        monkeypatch.setattr(Session, "fd", -1)
    started = count_starts(monkeypatch)

    async def buy() -> int:
        async with sastaotp_sandbox.async_client() as client:
            return await buy_ten(client)

    loop = loop_class()
    try:
        assert loop.run_until_complete(buy()) == 10
    finally:
        loop.close()
    watches = has_descriptor and loop_class is asyncio.SelectorEventLoop
    assert bool(started) is not watches


@pytest.fixture
def loop() -> Any:
    """An event loop that watches no descriptor."""
    loop = LoopWithoutReaders()
    yield loop
    loop.close()


def test_calls_share_one_thread(
    sastaotp_sandbox: Sandbox, loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_completion_thread, "TAKE_TIMEOUT_MS", FOREVER_MS)
    started = count_starts(monkeypatch)

    async def call_often() -> None:
        async with sastaotp_sandbox.async_client() as client:
            for _ in range(20):
                await client.get_balance()
            assert thread_of(client).is_alive
        # Closing wakes and ends the thread: it would wait for hours.
        assert not started[0].is_alive

    loop.run_until_complete(call_often())
    assert len(started) == 1


def test_closed_client_is_freed_at_once(
    sastaotp_sandbox: Sandbox, loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_completion_thread, "TAKE_TIMEOUT_MS", FOREVER_MS)

    async def close() -> weakref.ref[Session]:
        async with sastaotp_sandbox.async_client() as client:
            await client.get_balance()
            return weakref.ref(reader_of(client).session)

    gc.disable()
    try:
        assert loop.run_until_complete(close())() is None
    finally:
        gc.enable()


def test_idle_thread_ends_and_another_follows(
    sastaotp_sandbox: Sandbox, loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_completion_thread, "TAKE_TIMEOUT_MS", 20)
    started = count_starts(monkeypatch)

    async def call_again() -> None:
        async with sastaotp_sandbox.async_client() as client:
            for calls in range(1, 4):
                await client.get_balance()
                await until_async(lambda: not any(thread.is_alive for thread in started))
                assert len(started) == calls
            assert reader_of(client).session.threads == []
            number = await client.get_number(**OPEN)
            # A thread lives as long as a wait, however many timeouts it has.
            wait = asyncio.ensure_future(number.wait_for_code(timeout=60))
            await until_async(lambda: thread_of(client).rounds > 5)
            assert not thread_of(client).has_ended
            wait.cancel()

    loop.run_until_complete(call_again())


def test_client_works_without_threads(
    sastaotp_sandbox: Sandbox, loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: CompletionThread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(CompletionThread, "start", refuse)

    async def buy() -> int:
        async with sastaotp_sandbox.async_client() as client:
            return await buy_ten(client)

    assert loop.run_until_complete(buy()) == 10


def is_of_thread(session: Session, batch: Batch) -> bool:
    return batch is not session._batch and bool(batch.unread.value)


def test_number_that_the_thread_has_taken_is_listed(
    sastaotp_sandbox: Sandbox, loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, missed = threading.Event(), threading.Event()
    read_taken, abandon = Session._read_taken, Session.abandon

    def store_late(session: Session, batch: Batch) -> None:
        if is_of_thread(session, batch):
            taken.set()
            assert missed.wait(HANG)
        read_taken(session, batch)

    def miss(session: Session, *arguments: Any, **options: Any) -> None:
        abandon(session, *arguments, **options)
        missed.set()

    async def cancel() -> None:
        async with sastaotp_sandbox.async_client() as client:
            monkeypatch.setattr(Session, "_read_taken", store_late)
            monkeypatch.setattr(Session, "abandon", miss)
            purchase = asyncio.ensure_future(client.get_number(**OPEN))
            # The first turn of the loop starts the task, and the second submits the purchase.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert taken.wait(HANG)
            purchase.cancel()
            with pytest.raises(asyncio.CancelledError):
                await purchase
            (entry,) = await client.unclaimed()
            assert entry.purchase is not None

    loop.run_until_complete(cancel())
    assert missed.is_set()


def test_number_abandoned_on_the_thread_is_listed(
    sastaotp_sandbox: Sandbox, loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The garbage collector can end a forgotten coroutine on any thread.
    read_taken = Session._read_taken
    abandoned: List[int] = []

    async def buy() -> None:
        async with sastaotp_sandbox.async_client() as client:

            def abandon_first(session: Session, batch: Batch) -> None:
                if is_of_thread(session, batch) and not abandoned:
                    ((ticket, call),) = reader_of(client)._submitted.items()
                    abandoned.append(ticket)
                    reader_of(client)._abandon(call)
                read_taken(session, batch)

            monkeypatch.setattr(Session, "_read_taken", abandon_first)
            purchase = asyncio.ensure_future(client.get_number(**OPEN))
            await until_async(lambda: abandoned and thread_of(client).rounds > 0)
            purchase.cancel()
            (entry,) = await client.unclaimed()
            assert entry.purchase is not None
            assert reader_of(client).session._unwanted == set()

    loop.run_until_complete(buy())


def service_that_holds(release: threading.Event) -> StubService:
    def reply(parameters: Dict[str, str]) -> Any:
        if parameters["action"] == "getOrders":
            return 200, empty_history()
        return 200, purchase_reply() if is_purchase(parameters) else "STATUS_WAIT_CODE"

    return StubService(reply, release)


@pytest.mark.parametrize("arrives", ["before the loop is closed", "after it"])
def test_number_that_arrives_for_a_closed_loop_is_listed(arrives: str) -> None:
    release = threading.Event()
    with service_that_holds(release) as service:
        client = AsyncClient(KEY, base_url=service.url)
        loop = LoopWithoutReaders()
        task = loop.create_task(client.get_number(**TG))
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.run_until_complete(until_async(lambda: service.purchases))
        session, thread = reader_of(client).session, thread_of(client)
        if arrives == "after it":
            loop.close()
        release.set()
        if arrives == "after it":
            until(lambda: session.arrived or thread.has_ended)
        else:
            until(lambda: session.arrived)
            loop.close()

        async def listed() -> List[str]:
            async with client:
                await until_async(lambda: session.arrived or thread.has_ended)
                entries = await client.unclaimed()
                await (await client.activation("38496653")).keep()
                return [entry.intent.service or "" for entry in entries]

        second = LoopWithoutReaders()
        assert second.run_until_complete(listed()) == ["tg"]
        second.close()
        until(lambda: not thread.is_alive)


def test_thread_does_not_keep_the_report_from_close(
    sastaotp_sandbox: Sandbox, loop: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    # The thread takes the list of `finish` before the thread that waits for it.
    async def leave_open() -> str:
        client = sastaotp_sandbox.async_client()
        number = await client.get_number(**OPEN)
        session = reader_of(client).session
        for _ in range(20):
            listed = session.run(_operations.finish(0), lambda entries: entries)
            assert [entry.purchase.activation_id for entry in listed if entry.purchase] == [
                number.id
            ]
        await client.close()
        return number.id

    id = loop.run_until_complete(leave_open())
    assert id in capsys.readouterr().err
