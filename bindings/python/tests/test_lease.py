"""Leases: what they settle, what they keep, and what becomes of those that cannot be settled."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

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
