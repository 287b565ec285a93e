"""Calls that are given up: by Ctrl-C, by a cancelled task, by a client that is closed. Nothing that was paid for is lost."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import threading
import time
from ctypes import c_uint64
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


def test_a_number_that_comes_in_the_moment_of_ctrl_c_is_listed(client: Client) -> None:
    session = client._open()
    operation = _operations.get_number(
        service="tg", country="22", max_price=200, accept_any_price=False, operator=None, multi_sms=False
    )
    ticket = c_uint64()
    session.begin(operation, ticket)
    select.select([session.fd], [], [], 10)
    # It is there, and its caller never takes it.
    session.give_up(operation, ticket.value)
    (listed,) = client.unclaimed()
    assert listed.purchase is not None
    assert client.activation(listed.purchase.activation_id).cancel().state == sastaotp.Settled.CANCELLED
    assert client.unclaimed() == ()


@pytest.mark.parametrize("drained", [False, True])
async def test_a_number_that_comes_in_the_moment_of_a_cancellation_is_listed(
    async_client: AsyncClient, drained: bool
) -> None:
    task = asyncio.create_task(async_client.get_number("tg", country="22", max_price=200))
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
    assert listed.purchase is not None


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
    with pytest.raises(RuntimeError, match="closed"):
        await client.get_balance()
