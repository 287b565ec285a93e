"""Purchases that no caller holds: listed, kept, resolved, sent once; and warnings about money."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, Dict, List

import pytest
from conftest import until, until_async
from stub_service import StubService, empty_history, is_purchase, purchase_reply

import sastaotp
from sastaotp import AsyncClient, Client, SastaotpWarning, UnclaimedOutcome, _ends
from sastaotp.testing import Sandbox

KEY = "stp_0123456789abcdef"
NEVER_CODE: Dict[str, Any] = {"service": "zz_never", "country": "22", "max_price": 80}


def selling(reply: Any, hold: Any = None) -> StubService:
    """A service with an empty history, whose purchases are answered with this reply."""

    def answer(parameters: Dict[str, str]) -> Any:
        if parameters["action"] == "getOrders":
            return 200, empty_history()
        return 200, reply if is_purchase(parameters) else "STATUS_WAIT_CODE"

    return StubService(answer, hold)


def listed_ids(client: Client) -> List[str]:
    return [entry.purchase.activation_id for entry in client.unclaimed() if entry.purchase]


def test_number_is_listed_when_its_last_handle_is_gone(client: Client) -> None:
    number = client.get_number(**NEVER_CODE)
    other = client.activation(number.id)
    assert other.phone_number == number.phone_number
    id = number.id
    del number
    assert client.unclaimed() == ()
    del other
    assert listed_ids(client) == [id]
    (entry,) = client.unclaimed()
    assert id in str(entry)
    # A look and a failed call settle nothing.
    client.get_status(id)
    with pytest.raises(sastaotp.ConfigError):
        client.activation(id).complete()
    assert listed_ids(client) == [id]
    claimed = client.activation(id)
    assert client.unclaimed() == ()
    assert claimed.cancel().state == "cancelled"
    del claimed
    assert client.unclaimed() == ()


async def test_asyncio_number_is_listed_when_its_last_handle_is_gone(
    async_client: AsyncClient,
) -> None:
    number = await async_client.get_number(**NEVER_CODE)
    id = number.id
    assert await async_client.unclaimed() == ()
    del number
    (entry,) = await async_client.unclaimed()
    assert entry.purchase is not None
    assert entry.purchase.activation_id == id
    await async_client.get_status(id)
    assert len(await async_client.unclaimed()) == 1
    await (await async_client.activation(id)).keep()
    assert await async_client.unclaimed() == ()


def test_failed_cancel_removes_nothing(client: Client) -> None:
    id = client.get_number("zz_early_cancel", country="22", max_price=80).id
    for _ in range(2):
        (entry,) = client.unclaimed()
        assert entry.purchase is not None
        with pytest.raises(sastaotp.TooEarlyError):
            client.activation(entry.purchase.activation_id).cancel()
    assert listed_ids(client) == [id]


async def test_failed_asyncio_call_removes_nothing(async_client: AsyncClient) -> None:
    id = (await async_client.get_number("zz_early_cancel", country="22", max_price=80)).id
    wrong: Any = "later"

    async def settle_wrongly() -> None:
        await (await async_client.activation(id)).settle(on_too_early=wrong)

    async def cancel() -> None:
        await (await async_client.activation(id)).cancel()

    for call in (cancel, settle_wrongly):
        with pytest.raises(sastaotp.SastaotpError):
            await call()
        assert len(await async_client.unclaimed()) == 1


def test_clients_of_a_key_share_the_list(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(key) as client:
        # The first client is dropped without being closed.
        id = sastaotp_sandbox.client(key).get_number(**NEVER_CODE).id
        gc.collect()
        assert listed_ids(client) == [id]
        client.activation(id).keep()
        assert client.unclaimed() == ()
    with sastaotp_sandbox.client() as stranger:
        assert stranger.unclaimed() == ()


def test_dropped_clients_do_not_accumulate(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    before = len(_ends._sessions)
    ids = [sastaotp_sandbox.client(key).get_number(**NEVER_CODE).id for _ in range(5)]
    for _ in range(20):
        sastaotp_sandbox.client(key).get_balance()
    gc.collect()
    with sastaotp_sandbox.client(key) as client:
        # One of them is left to report the open orders.
        assert len(_ends._sessions) <= before + 3
        assert sorted(listed_ids(client)) == sorted(ids)
        for id in ids:
            client.activation(id).cancel()


def test_kept_number_is_not_listed(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    client.get_number(**NEVER_CODE).keep()
    assert client.unclaimed() == ()
    client.close()
    assert capsys.readouterr().err == ""


def test_completing_without_a_code_must_be_stated(client: Client) -> None:
    number = client.get_number(**NEVER_CODE)
    with pytest.raises(sastaotp.ConfigError, match="no code"):
        number.complete()
    assert number.complete(without_code=True).state == "completed"


def test_intent_is_sent_once(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(key) as client, sastaotp_sandbox.client(key) as second:
        intent = client.intend(**NEVER_CODE)
        number = client.buy(intent)
        for other in (client, second):
            with pytest.raises(sastaotp.AlreadySentError, match=number.id) as caught:
                other.buy(sastaotp.Intent.from_json(intent.to_json()))
            assert caught.value.kind == "already_sent"
            assert caught.value.charge == sastaotp.Charge.NOT_CHARGED
            assert not isinstance(caught.value, sastaotp.OutcomeUnknownError)
        number.cancel()
    sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 1}, api_key=key)


async def test_unknown_intent_is_not_sent_again(async_client: AsyncClient) -> None:
    with pytest.raises(sastaotp.OutcomeUnknownError) as lost:
        await async_client.get_number("zz_lost_reply", country="22", max_price=80)
    with pytest.raises(sastaotp.AlreadySentError) as caught:
        await async_client.buy(lost.value.intent)
    assert isinstance(caught.value, sastaotp.OutcomeUnknownError)
    assert caught.value.retry == sastaotp.Retry.AFTER_RECONCILE
    assert caught.value.intent == lost.value.intent
    found = await async_client.reconcile(lost.value.intent, timeout=3)
    (candidate,) = found.candidates
    await async_client.resolve(lost.value.intent, activation_id=candidate.activation_id)
    await (await async_client.activation(candidate.activation_id or "")).cancel()
    assert await async_client.unclaimed() == ()


def test_resolving_frees_the_reservation() -> None:
    with (
        selling("<html>Something went wrong</html>") as service,
        Client(KEY, base_url=service.url, budget=100) as client,
    ):
        with pytest.raises(sastaotp.OutcomeUnknownError) as lost:
            client.get_number("tg", country="22", max_price=80)
        assert client.budget_left() == 20
        (entry,) = client.unclaimed()
        assert entry.outcome == UnclaimedOutcome.UNKNOWN
        assert entry.error is not None
        found = client.reconcile(lost.value.intent, timeout=0)
        assert (found.candidates, found.complete) == ((), False)
        assert found.reason
        client.resolve(lost.value.intent, not_made=True)
        assert client.budget_left() == 100
        assert client.unclaimed() == ()
        again = client.reconcile(lost.value.intent, timeout=0)
        assert (again.candidates, again.complete) == ((), False)
        assert again.reason == "the caller resolved it as not made"
        # The caller may correct its answer.
        client.resolve(lost.value.intent, activation_id="1")
        assert client.budget_left() == 20
        client.resolve(lost.value.intent, not_made=True)
        assert client.budget_left() == 100


def test_failed_search_is_an_unknown_outcome() -> None:
    def answer(parameters: Dict[str, str]) -> Any:
        return (403, "BAD_KEY") if parameters["action"] == "getOrders" else (200, "<html>")

    with StubService(answer) as service, Client(KEY, base_url=service.url, timeout=9) as client:
        with pytest.raises(sastaotp.OutcomeUnknownError) as lost:
            client.get_number("tg", country="22", max_price=80)
        with pytest.raises(sastaotp.OutcomeUnknownError) as caught:
            client.reconcile(lost.value.intent, timeout=0)
        assert caught.value.charge == sastaotp.Charge.UNKNOWN
        assert len(client.unclaimed()) == 1
        client.resolve(lost.value.intent, not_made=True)


def test_timeout_ends_the_call_and_not_the_purchase() -> None:
    release = threading.Event()
    with (
        selling(purchase_reply(), release) as service,
        Client(KEY, base_url=service.url, timeout=5) as client,
    ):
        with pytest.raises(sastaotp.OutcomeUnknownError) as caught:
            client.get_number("tg", country="22", max_price=80)
        assert caught.value.kind == "timeout"
        (entry,) = client.unclaimed()
        assert entry.outcome == UnclaimedOutcome.PENDING
        release.set()
        until(lambda: listed_ids(client) == ["38496653"])
        client.activation("38496653").keep()


def test_purchases_of_one_kind_run_at_the_same_time() -> None:
    release = threading.Event()
    with (
        selling(purchase_reply(), release) as service,
        Client(KEY, base_url=service.url) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        purchases = [pool.submit(client.get_number, "tg", country="22", max_price=80)]
        # The first purchase reads the history before it is sent.
        until(lambda: len(service.purchases) == 1)
        for _ in range(7):
            purchases.append(pool.submit(client.get_number, "tg", country="22", max_price=80))
        until(lambda: len(service.purchases) == 8)
        with warnings.catch_warnings():
            # The service sells one id eight times.
            warnings.simplefilter("ignore", SastaotpWarning)
            release.set()
            for purchase in purchases:
                purchase.result().keep()


def overcharging() -> StubService:
    return selling({**purchase_reply(), "price": 90})


def test_overcharge_is_a_warning_at_the_callers_line() -> None:
    with overcharging() as service, Client(KEY, base_url=service.url) as client:
        with pytest.warns(SastaotpWarning, match="38496653.*90") as caught:
            number = client.get_number("tg", country="22", max_price=80)
        assert {warning.filename for warning in caught} == {__file__}
        assert number.price == Decimal(90)
        assert number.purchase is not None
        assert len(caught) == len(number.purchase.warnings)
        number.keep()


async def test_overcharge_is_a_warning_with_asyncio() -> None:
    with overcharging() as service:
        async with AsyncClient(KEY, base_url=service.url) as client:
            with pytest.warns(SastaotpWarning, match="38496653") as caught:
                number = await client.get_number("tg", country="22", max_price=80)
            assert {warning.filename for warning in caught} == {__file__}
            await number.keep()


def test_warning_as_an_error_does_not_lose_the_number(caplog: pytest.LogCaptureFixture) -> None:
    with overcharging() as service, Client(KEY, base_url=service.url) as client:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            number = client.get_number("tg", country="22", max_price=80)
        assert number.id in caplog.text
        number.keep()


def test_sigterm_raises_inside_with_and_nowhere_else(sastaotp_sandbox: Sandbox) -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    first, second = sastaotp_sandbox.client(), sastaotp_sandbox.client()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with first:
        with second:
            pass
        with pytest.raises(SystemExit) as caught:
            signal.raise_signal(signal.SIGTERM)
        assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with sastaotp_sandbox.client(exit_on_sigterm=False):
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    def enter_in_a_thread() -> None:
        with sastaotp_sandbox.client():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    with ThreadPoolExecutor(1) as pool:
        pool.submit(enter_in_a_thread).result()

    def handler(*_: object) -> None:
        pass

    signal.signal(signal.SIGTERM, handler)
    try:
        with sastaotp_sandbox.client():
            assert signal.getsignal(signal.SIGTERM) is handler
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


async def test_close_waits_for_purchases_in_flight(capsys: pytest.CaptureFixture[str]) -> None:
    release = threading.Event()
    with selling(purchase_reply(), release) as service:
        client = AsyncClient(KEY, base_url=service.url)
        task = asyncio.create_task(client.get_number("tg", country="22", max_price=80))
        await until_async(lambda: service.purchases)
        task.cancel()
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0.2)
        assert not closing.done()
        release.set()
        await closing
        assert "38496653" in capsys.readouterr().err
