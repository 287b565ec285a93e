"""Leases: settling, keeping, and leases that cannot be settled."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import List

import pytest
from conftest import HANG, fork, needs_fork, until_async, until_submitted

import sastaotp
from sastaotp import AsyncClient, Client, SettlementState
from sastaotp.testing import Sandbox

#: Every setStatus answers with a server error.
SET_STATUS_FAILS = {"match": {"action": "setStatus"}, "fault": "H07", "times": 0}


def warnings(caplog: pytest.LogCaptureFixture) -> str:
    records = [record for record in caplog.records if record.levelno == logging.WARNING]
    return "\n".join(record.getMessage() for record in records)


def test_lease_with_a_code_is_completed(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(key) as client:
        lease = client.lease("zz_ok", country="22", max_price=80)
        with lease as number:
            assert number.phone_number
            assert number.wait_for_code(timeout=30).code
        assert lease.settlement is not None
        assert lease.settlement.state == SettlementState.COMPLETED
        sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 0}, api_key=key)


def test_lease_without_a_code_is_refunded(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(key) as client:
        lease = client.lease("zz_never", country="22", max_price=80)
        with pytest.raises(sastaotp.WaitTimeoutError), lease as number:
            number.wait_for_code(timeout=0.5)
        assert lease.settlement is not None
        assert lease.settlement.state == SettlementState.CANCELLED
        sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 1}, api_key=key)


def test_kept_lease_leaves_the_order_open(client: Client) -> None:
    lease = client.lease("zz_never", country="22", max_price=80)
    with lease as number:
        lease.keep()
    assert number.get_status().kind == sastaotp.StatusKind.WAITING
    assert client.unclaimed() == ()


def test_lease_buys_nothing_before_it_is_entered(client: Client) -> None:
    client.lease("zz_never", country="22", max_price=80)
    assert len(client.get_orders()) == 0


def test_unsettled_lease_raises_and_is_listed(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    lease = client.lease("zz_early_cancel", country="22", max_price=80, on_too_early="fail")
    with pytest.raises(sastaotp.TooEarlyError) as caught, lease as number:
        pass
    assert caught.value.retry_after is not None
    (listed,) = client.unclaimed()
    assert listed.purchase is not None
    assert listed.purchase.activation_id == number.id
    assert number.id in warnings(caplog)


def test_settling_failure_does_not_hide_the_blocks_error(client: Client) -> None:
    lease = client.lease("zz_early_cancel", country="22", max_price=80, on_too_early="fail")
    with pytest.raises(ZeroDivisionError), lease:
        raise ZeroDivisionError
    assert len(client.unclaimed()) == 1


def test_interrupted_lease_does_not_wait_to_cancel(client: Client) -> None:
    started = time.monotonic()
    lease = client.lease("zz_early_cancel", country="22", max_price=80)
    with pytest.raises(KeyboardInterrupt), lease:
        raise KeyboardInterrupt
    # The service would demand 120 seconds.
    assert time.monotonic() - started < HANG
    assert len(client.unclaimed()) == 1


async def test_lease_of_a_cancelled_task_is_settled(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    is_bought = asyncio.Event()

    async def use(client: AsyncClient) -> None:
        async with client.lease("zz_never", country="22", max_price=80) as number:
            is_bought.set()
            await number.wait_for_code(timeout=4 * HANG)

    async with sastaotp_sandbox.async_client(key) as client:
        task = asyncio.create_task(use(client))
        await asyncio.wait_for(is_bought.wait(), HANG)
        await until_submitted(client)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 1}, api_key=key)
        assert await client.unclaimed() == ()


def test_code_during_cancellation_is_in_the_settlement(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    lease = client.lease("zz_cancel_race", country="22", max_price=80)
    with pytest.raises(sastaotp.WaitTimeoutError), lease as number:
        number.wait_for_code(timeout=0.5)
    assert lease.settlement is not None
    assert lease.settlement.state == SettlementState.COMPLETED
    assert lease.settlement.code is not None
    assert number.code == lease.settlement.code
    assert "a code arrived" in warnings(caplog)
    assert number.id in warnings(caplog)
    assert lease.settlement.code.code not in warnings(caplog)


def test_code_survives_a_failed_completion(
    sastaotp_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    key = sastaotp_sandbox.key()
    sastaotp_sandbox.control("faults", SET_STATUS_FAILS, api_key=key)

    def receive_code(client: Client) -> str:
        with client.lease("zz_ok", country="22", max_price=80) as number:
            return number.wait_for_code(timeout=30).code

    with sastaotp_sandbox.client(key, timeout=HANG) as client:
        assert len(receive_code(client)) == 6
        (listed,) = client.unclaimed()
        assert listed.purchase is not None
        assert listed.purchase.activation_id in warnings(caplog)


async def test_code_survives_a_failed_completion_with_asyncio(
    sastaotp_sandbox: Sandbox,
) -> None:
    key = sastaotp_sandbox.key()
    sastaotp_sandbox.control("faults", SET_STATUS_FAILS, api_key=key)
    async with sastaotp_sandbox.async_client(key, timeout=HANG) as client:
        async with client.lease("zz_ok", country="22", max_price=80) as number:
            code = (await number.wait_for_code(timeout=30)).code
        assert number.code is not None
        assert number.code.code == code
        assert len(await client.unclaimed()) == 1


def test_lease_is_entered_once(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(key) as client:
        lease = client.lease("zz_never", country="22", max_price=80)
        with lease, pytest.raises(sastaotp.UsageError, match="entered before"), lease:
            pass
        sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 1}, api_key=key)


def test_lease_is_settled_after_its_client_closed(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    client = sastaotp_sandbox.client(key)
    with client.lease("zz_never", country="22", max_price=80):
        client.close()
    sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 1}, api_key=key)


async def test_failing_task_does_not_lose_other_refunds(
    sastaotp_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    key = sastaotp_sandbox.key()
    tasks: List[asyncio.Task[None]] = []
    bought: List[str] = []

    async def use(client: AsyncClient) -> None:
        async with client.lease("zz_never", country="22", max_price=80) as number:
            bought.append(number.id)
            await number.wait_for_code(timeout=4 * HANG)

    async def fail() -> None:
        await until_async(lambda: len(bought) == 3)
        raise ZeroDivisionError

    async def use_all() -> None:
        # The first failure ends this block and closes the client while the others still run.
        async with sastaotp_sandbox.async_client(key) as client:
            tasks.extend(asyncio.create_task(use(client)) for _ in range(3))
            await asyncio.gather(*tasks, fail())

    with pytest.raises(ZeroDivisionError):
        await use_all()
    sastaotp_sandbox.control("assert", {"charges": 3, "refunds": 3}, api_key=key)
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(end) for end in ends} == {sastaotp.CallCancelledError}
    assert warnings(caplog) == ""


async def test_lease_cancelled_while_settling_logs_why(
    sastaotp_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    key = sastaotp_sandbox.key()

    async def use(client: AsyncClient) -> None:
        async with client.lease("zz_early_cancel", country="22", max_price=80):
            pass

    def is_refused() -> bool:
        log = sastaotp_sandbox.control("log", api_key=key)["log"]
        return any(request["action"] == "setStatus" for request in log)

    async with sastaotp_sandbox.async_client(key) as client:
        task = asyncio.create_task(use(client))
        # Now the lease waits until the order may be cancelled.
        await until_async(is_refused)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert "settling its lease failed (CancelledError)" in warnings(caplog)
        assert len(await client.unclaimed()) == 1


@needs_fork
def test_forked_child_does_not_settle_the_order(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(key) as client:
        lease = client.lease("zz_never", country="22", max_price=80)
        with lease as number:
            child = fork(lambda: lease.__exit__(None, None, None))
            assert os.waitpid(child, 0)[1] == 0
            assert number.get_status().kind == sastaotp.StatusKind.WAITING
        sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 1}, api_key=key)
