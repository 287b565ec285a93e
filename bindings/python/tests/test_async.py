"""asyncio: a thousand waits at once, cancellation, and loops that come and go."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Callable, Dict, List, Tuple

import pytest
from server import Server

from sastaotp import AsyncClient, StatusKind
from sastaotp.testing import Sandbox

WAITS = 1000
#: The code comes with the second poll, and polls are 5 to 5.5 s apart: so long the slowest of a thousand takes.
IDEAL = 5.5
#: How late what else the loop has to do may be, in seconds.
LATE = 0.010


async def test_a_thousand_waits_take_their_time_and_leave_the_loop_alone(
    sastaotp_sandbox: Sandbox, figure: Callable[[str], None]
) -> None:
    key = sastaotp_sandbox.key()
    sastaotp_sandbox.control("seed", {"wallet": "100000.00"}, api_key=key)
    async with sastaotp_sandbox.async_client(key, max_connections=128) as client:
        numbers = await asyncio.gather(
            *(client.get_number("zz_ok", country="22", max_price=80) for _ in range(WAITS)),
        )
        lags: List[float] = []
        beating = asyncio.create_task(beat(lags))
        started = time.monotonic()
        codes = await asyncio.gather(*(number.wait_for_code(timeout=60) for number in numbers))
        took = time.monotonic() - started
        beating.cancel()
        assert all(len(sms.code) == 6 for sms in codes)
        late = max(lags)
        figure(
            f"{WAITS} waits: {took:.2f} s, {took / IDEAL:.2f} of the ideal; the loop was late by {late * 1000:.1f} ms at most"
        )
        assert took < 1.2 * IDEAL
        assert late < LATE


async def beat(lags: List[float]) -> None:
    """Notes how late the loop is, without the time in which the machine ran something else in the place of its thread."""
    loop = asyncio.get_running_loop()
    while True:
        due, before = loop.time() + 0.005, stood_by()
        await asyncio.sleep(0.005)
        lags.append(loop.time() - due - (stood_by() - before))


def stood_by() -> float:
    """How long this thread was ready to run and another was run, in seconds."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


async def test_wait_for_cancels_and_the_activation_is_as_it_was(async_client: AsyncClient) -> None:
    number = await async_client.get_number("zz_never", country="22", max_price=80)
    started = time.monotonic()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(number.wait_for_code(timeout=60), 0.3)
    assert time.monotonic() - started < 0.5
    pump = async_client._pump
    assert pump is not None
    assert not pump.is_busy
    assert (await number.poll()).status == StatusKind.WAITING
    assert (await number.cancel()).state == "cancelled"


def test_one_loop_after_the_other_uses_a_client(sastaotp_sandbox: Sandbox) -> None:
    client = sastaotp_sandbox.async_client()

    async def leave_something_open() -> None:
        number = await client.get_number("zz_never", country="22", max_price=80)
        # What is still open at the end of asyncio.run is cancelled by it.
        asyncio.create_task(number.wait_for_code(timeout=60))  # noqa: RUF006
        await asyncio.sleep(0.1)

    for _ in range(3):
        asyncio.run(leave_something_open())
    asyncio.run(client.close())


async def test_two_loops_at_once_are_told_to_take_a_client_each(async_client: AsyncClient) -> None:
    number = await async_client.get_number("zz_never", country="22", max_price=80)
    waiting = asyncio.create_task(number.wait_for_code(timeout=60))
    await asyncio.sleep(0.1)

    def other() -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            asyncio.run(call())

    async def call() -> None:
        await async_client.get_balance()

    await asyncio.get_running_loop().run_in_executor(None, other)
    waiting.cancel()


def test_a_loop_that_watches_no_descriptors_is_served_by_the_clock(sastaotp_sandbox: Sandbox) -> None:
    class Deaf(asyncio.SelectorEventLoop):
        def add_reader(self, *_: object) -> None:
            raise NotImplementedError

    async def buy() -> int:
        async with sastaotp_sandbox.async_client() as client:
            numbers = await asyncio.gather(*(client.get_number("tg", country="22", max_price=200) for _ in range(10)))
            return len({number.id for number in numbers})

    loop = Deaf()
    try:
        assert loop.run_until_complete(buy()) == 10
    finally:
        loop.close()


async def test_the_history_is_gone_through_page_by_page(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    sastaotp_sandbox.control("seed", {"wallet": "100000.00"}, api_key=key)
    async with sastaotp_sandbox.async_client(key) as client:
        bought = await asyncio.gather(*(client.get_number("tg", country="22", max_price=200) for _ in range(205)))
        orders = [order async for order in client.orders()]
        assert len({order.activation_id for order in orders}) == len(bought) == len(orders)
        assert [order async for order in client.orders(status="cancelled")] == []
    with sastaotp_sandbox.client(key) as blocking:
        assert [order.order_id for order in blocking.orders()] == [order.order_id for order in orders]


async def test_pages_that_are_shorter_than_asked_do_not_end_the_history() -> None:
    def page(query: Dict[str, str]) -> Tuple[int, object]:
        first = 45 - 20 * (int(query["page"]) - 1)
        return 200, {"total": 45, "orders": [{"order_id": number} for number in range(first, max(first - 20, 0), -1)]}

    with Server(page) as server:
        async with AsyncClient("stp_pages", base_url=server.url) as client:
            assert [int(order.order_id or "") async for order in client.orders()] == list(range(45, 0, -1))
        assert len(server.seen) == 3
