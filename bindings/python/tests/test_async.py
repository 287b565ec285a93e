"""asyncio: many waits at once, cancellation, several event loops, and the order history."""

from __future__ import annotations

import asyncio
from typing import Dict, List, Tuple

import pytest
from conftest import HANG, until_async, until_submitted
from stub_service import StubService

from sastaotp import AsyncClient, StatusKind
from sastaotp._completion_reader import SUBMIT_BATCH, CompletionReader
from sastaotp._native_queue import TAKE_BATCH, Completion
from sastaotp.testing import Sandbox

WAITS = 1000


@pytest.mark.usefixtures("delivery")
async def test_thousand_waits_share_one_loop(
    sastaotp_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = count_submissions_per_batch(monkeypatch)
    taken = count_completions_per_batch(monkeypatch)
    key = sastaotp_sandbox.key()
    sastaotp_sandbox.control("seed", {"wallet": "100000.00"}, api_key=key)
    async with sastaotp_sandbox.async_client(key, max_connections=128) as client:
        numbers = await asyncio.gather(
            *(client.get_number("zz_ok", country="22", max_price=80) for _ in range(WAITS)),
        )
        codes = await asyncio.gather(*(number.wait_for_code(timeout=60) for number in numbers))
    assert all(len(sms.code) == 6 for sms in codes)
    # Other callbacks of the loop run between the batches.
    assert max(submitted) <= SUBMIT_BATCH
    assert sum(submitted) >= 2 * WAITS
    assert max(taken) <= TAKE_BATCH
    assert sum(taken) >= 2 * WAITS


def count_submissions_per_batch(monkeypatch: pytest.MonkeyPatch) -> List[int]:
    """Record how many operations each callback submits."""
    counts: List[int] = []
    submit_batch = CompletionReader._submit_batch

    def record(reader: CompletionReader) -> None:
        waiting = len(reader._waiting)
        submit_batch(reader)
        counts.append(waiting - len(reader._waiting))

    monkeypatch.setattr(CompletionReader, "_submit_batch", record)
    return counts


def count_completions_per_batch(monkeypatch: pytest.MonkeyPatch) -> List[int]:
    """Record how many completions each callback delivers."""
    counts: List[int] = []
    read_completions, deliver = CompletionReader._read_completions, CompletionReader._deliver

    def record(reader: CompletionReader) -> None:
        counts.append(0)
        read_completions(reader)

    def count(reader: CompletionReader, ticket: int, completion: Completion) -> None:
        counts[-1] += 1
        deliver(reader, ticket, completion)

    monkeypatch.setattr(CompletionReader, "_read_completions", record)
    monkeypatch.setattr(CompletionReader, "_deliver", count)
    return counts


@pytest.mark.usefixtures("delivery")
async def test_wait_for_leaves_the_activation_unchanged(async_client: AsyncClient) -> None:
    number = await async_client.get_number("zz_never", country="22", max_price=80)
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(number.wait_for_code(timeout=2 * HANG), 0.3)
    assert loop.time() - started < HANG
    reader = async_client._reader
    assert reader is not None
    assert not reader.is_busy
    assert (await number.get_status()).kind == StatusKind.WAITING
    assert (await number.cancel()).state == "cancelled"


@pytest.mark.usefixtures("delivery")
def test_client_moves_from_loop_to_loop(sastaotp_sandbox: Sandbox) -> None:
    client = sastaotp_sandbox.async_client()

    async def leave_a_wait_open() -> None:
        number = await client.get_number("zz_never", country="22", max_price=80)
        # asyncio.run cancels the tasks that are still open at its end.
        asyncio.create_task(number.wait_for_code(timeout=60))  # noqa: RUF006
        await until_submitted(client)

    for _ in range(3):
        asyncio.run(leave_a_wait_open())
    asyncio.run(client.close())


@pytest.mark.usefixtures("delivery")
async def test_second_loop_at_once_is_refused(async_client: AsyncClient) -> None:
    number = await async_client.get_number("zz_never", country="22", max_price=80)
    waiting = asyncio.create_task(number.wait_for_code(timeout=60))
    await until_async(lambda: async_client._reader and async_client._reader.is_busy)

    def call_in_another_loop() -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            asyncio.run(call())

    async def call() -> None:
        await async_client.get_balance()

    await asyncio.get_running_loop().run_in_executor(None, call_in_another_loop)
    waiting.cancel()


@pytest.mark.usefixtures("delivery")
async def test_orders_iterates_over_every_page(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    sastaotp_sandbox.control("seed", {"wallet": "100000.00"}, api_key=key)
    async with sastaotp_sandbox.async_client(key) as client:
        numbers = await asyncio.gather(
            *(client.get_number("tg", country="22", max_price=200) for _ in range(205))
        )
        orders = [order async for order in client.orders()]
        assert len({order.activation_id for order in orders}) == len(numbers) == len(orders)
        assert [order async for order in client.orders(status="cancelled")] == []
    with sastaotp_sandbox.client(key) as blocking:
        ids = [order.order_id for order in blocking.orders()]
        assert ids == [order.order_id for order in orders]


async def test_short_pages_do_not_end_the_history() -> None:
    def page(parameters: Dict[str, str]) -> Tuple[int, object]:
        first = 45 - 20 * (int(parameters["page"]) - 1)
        ids = range(first, max(first - 20, 0), -1)
        return 200, {"total": 45, "orders": [{"order_id": id} for id in ids]}

    with StubService(page) as service:
        async with AsyncClient("stp_pages", base_url=service.url) as client:
            ids = [int(order.order_id or "") async for order in client.orders()]
        assert ids == list(range(45, 0, -1))
        assert len(service.requests) == 3
