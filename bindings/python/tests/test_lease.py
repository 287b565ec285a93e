"""Leases: what they settle, what they keep, and what becomes of those that cannot be settled."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import List

import pytest
from conftest import fork

import sastaotp
from sastaotp import AsyncClient, Client, Settled
from sastaotp.testing import Sandbox


def test_a_lease_with_a_code_is_completed(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(key) as client:
        lease = client.lease("zz_ok", country="22", max_price=80)
        with lease as number:
            assert number.phone_number
            assert number.wait_for_code(timeout=30).code
        assert lease.settlement is not None
        assert lease.settlement.state == Settled.COMPLETED
        sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 0}, api_key=key)


def test_a_lease_without_a_code_is_refunded_and_the_error_of_its_block_stays(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(key) as client:
        lease = client.lease("zz_never", country="22", max_price=80)
        with pytest.raises(sastaotp.WaitTimeout), lease as number:
            number.wait_for_code(timeout=0.5)
        assert lease.settlement is not None
        assert lease.settlement.state == Settled.CANCELLED
        sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 1}, api_key=key)


def test_a_lease_that_is_kept_leaves_the_order_as_it_is(client: Client) -> None:
    lease = client.lease("zz_never", country="22", max_price=80)
    with lease as number:
        lease.keep()
    assert number.poll().status == sastaotp.StatusKind.WAITING
    assert client.unclaimed() == ()


def test_a_lease_that_nobody_enters_buys_nothing(client: Client) -> None:
    client.lease("zz_never", country="22", max_price=80)
    assert len(client.get_orders()) == 0


def test_a_lease_that_cannot_be_settled_raises_and_is_listed(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    lease = client.lease("zz_early_cancel", country="22", max_price=80, wait_out=False)
    with pytest.raises(sastaotp.TooEarlyError) as caught, lease as number:
        pass
    assert caught.value.retry_after is not None
    (listed,) = client.unclaimed()
    assert listed.purchase is not None
    assert listed.purchase.activation_id == number.id
    assert any(record.levelno == logging.WARNING and number.id in record.getMessage() for record in caplog.records)


def test_what_a_block_raised_is_not_hidden_by_what_settling_fails_with(client: Client) -> None:
    lease = client.lease("zz_early_cancel", country="22", max_price=80, wait_out=False)
    with pytest.raises(ZeroDivisionError), lease:
        raise ZeroDivisionError
    assert len(client.unclaimed()) == 1


def test_an_interrupted_lease_does_not_wait_the_early_period_out(client: Client) -> None:
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), client.lease("zz_early_cancel", country="22", max_price=80):
        raise KeyboardInterrupt
    assert time.monotonic() - started < 2
    assert len(client.unclaimed()) == 1


async def test_a_lease_of_a_cancelled_task_is_settled(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()

    async def use(client: AsyncClient) -> None:
        async with client.lease("zz_never", country="22", max_price=80) as number:
            await number.wait_for_code(timeout=60)

    async with sastaotp_sandbox.async_client(key) as client:
        task = asyncio.create_task(use(client))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 1}, api_key=key)
        assert await client.unclaimed() == ()


def warnings(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)


def test_a_code_that_comes_as_the_order_is_cancelled_is_in_the_settlement(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    lease = client.lease("zz_cancel_race", country="22", max_price=80)
    with pytest.raises(sastaotp.WaitTimeout), lease as number:
        number.wait_for_code(timeout=0.5)
    assert lease.settlement is not None
    assert lease.settlement.state == Settled.COMPLETED
    assert lease.settlement.code is not None
    assert number.code == lease.settlement.code
    assert "a code came" in warnings(caplog)
    assert number.id in warnings(caplog)
    assert lease.settlement.code.code not in warnings(caplog)


def test_a_code_is_not_lost_to_an_order_that_cannot_be_completed(
    sastaotp_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    key = sastaotp_sandbox.key()
    sastaotp_sandbox.control("faults", {"match": {"action": "setStatus"}, "fault": "H07", "times": 0}, api_key=key)

    def code_of(client: Client) -> str:
        with client.lease("zz_ok", country="22", max_price=80) as number:
            return number.wait_for_code(timeout=30).code

    with sastaotp_sandbox.client(key, timeout=2) as client:
        assert len(code_of(client)) == 6
        (listed,) = client.unclaimed()
        assert listed.purchase is not None
        assert listed.purchase.activation_id in warnings(caplog)


async def test_a_code_is_not_lost_to_an_order_that_cannot_be_completed_with_asyncio(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    sastaotp_sandbox.control("faults", {"match": {"action": "setStatus"}, "fault": "H07", "times": 0}, api_key=key)
    async with sastaotp_sandbox.async_client(key, timeout=2) as client:
        async with client.lease("zz_ok", country="22", max_price=80) as number:
            code = (await number.wait_for_code(timeout=30)).code
        assert number.code is not None
        assert number.code.code == code
        assert len(await client.unclaimed()) == 1


def test_a_lease_is_entered_once(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(key) as client:
        lease = client.lease("zz_never", country="22", max_price=80)
        with lease, pytest.raises(sastaotp.UsageError, match="entered before"), lease:
            pass
        sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 1}, api_key=key)


def test_a_lease_outlives_its_client(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    client = sastaotp_sandbox.client(key)
    with client.lease("zz_never", country="22", max_price=80):
        client.close()
    sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 1}, api_key=key)


async def test_a_task_that_fails_leaves_the_leases_of_others_to_be_refunded(
    sastaotp_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    key = sastaotp_sandbox.key()
    tasks: List[asyncio.Task[None]] = []

    async def use(client: AsyncClient) -> None:
        async with client.lease("zz_never", country="22", max_price=80) as number:
            await number.wait_for_code(timeout=60)

    async def fail() -> None:
        await asyncio.sleep(0.5)
        raise ZeroDivisionError

    async def use_all() -> None:
        # It ends with the first task that fails, and closes the client under the others.
        async with sastaotp_sandbox.async_client(key) as client:
            tasks.extend(asyncio.create_task(use(client)) for _ in range(3))
            await asyncio.gather(*tasks, fail())

    with pytest.raises(ZeroDivisionError):
        await use_all()
    sastaotp_sandbox.control("assert", {"charges": 3, "refunds": 3}, api_key=key)
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(end) for end in ends} == {sastaotp.Cancelled}
    assert warnings(caplog) == ""


async def test_a_lease_that_is_cancelled_twice_says_why_it_was_not_settled(
    sastaotp_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(client: AsyncClient) -> None:
        async with client.lease("zz_early_cancel", country="22", max_price=80):
            pass

    async with sastaotp_sandbox.async_client() as client:
        task = asyncio.create_task(use(client))
        # It waits the early period out.
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert "could not be settled: CancelledError" in warnings(caplog)
        assert len(await client.unclaimed()) == 1


def test_a_forked_child_leaves_the_order_of_its_parent_alone(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(key) as client:
        lease = client.lease("zz_never", country="22", max_price=80)
        with lease as number:
            assert os.waitstatus_to_exitcode(os.waitpid(fork(lambda: lease.__exit__(None, None, None)), 0)[1]) == 0
            assert number.poll().status == sastaotp.StatusKind.WAITING
        sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 1}, api_key=key)
