"""Money, times, words and results as Python has them."""

from __future__ import annotations

import copy
import decimal
import json
import pickle
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from server import Server, number, prices

import sastaotp
from sastaotp import Client, Intent, Price
from sastaotp._units import millis, moment, money_text, rupees

KEY = "stp_0123456789abcdef"


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (0, "0.00"),
        (18_500_000, "18.50"),
        (18_499_999, "18.499999"),
        (-1, "-0.000001"),
        (80_000_000, "80.00"),
        (2**63 - 1, "9223372036854.775807"),
        (1_230_000, "1.23"),
        (1_234_500, "1.2345"),
    ],
)
def test_rupees_are_exact_in_any_context(micros: int, shown: str) -> None:
    context = decimal.Context(prec=3, traps=[decimal.Inexact, decimal.Rounded])
    with decimal.localcontext(context):
        assert str(rupees(micros)) == shown
    assert rupees(micros) * 1_000_000 == micros


@pytest.mark.parametrize(
    ("given", "text"),
    [(20, "20"), ("18.50", "18.50"), (Decimal("18.5"), "18.5"), (Decimal("2E+1"), "20"), (Decimal("1E-6"), "0.000001")],
)
def test_money_goes_in_as_it_is_written(given: Any, text: str) -> None:
    assert money_text(given, "price") == text


@pytest.mark.parametrize(
    ("given", "expected"),
    [(0, 0), (1, 1000), (0.0005, 1), (1.0001, 1001), (0.1 + 0.2, 300), (timedelta(minutes=5), 300_000)],
)
def test_a_wait_is_never_shorter_than_asked(given: Any, expected: int) -> None:
    assert millis(given, "timeout") == expected


@pytest.mark.parametrize("seconds", [10**14, 2**63])
def test_a_number_that_never_expires_is_shown(seconds: int) -> None:
    with Server((200, {**number(), "expires_in": seconds})) as server, Client(KEY, base_url=server.url) as client:
        purchase = client.get_number("tg", country="22", max_price=80).purchase
    assert purchase is not None
    assert purchase.expires_in in (None, timedelta.max)
    assert "38496653" in repr(purchase)


def test_times_are_aware() -> None:
    assert moment(1_500) == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=timezone.utc)
    assert moment(2**62) == datetime.max.replace(tzinfo=timezone.utc)
    assert moment(None) is None


def test_a_number_has_what_its_purchase_said(client: Client) -> None:
    bought = client.get_number("zz_ok", country="22", max_price=Decimal("80.00"))
    assert bought.price == Decimal("10.00")
    assert bought.expires_at is not None
    assert bought.purchase is not None
    assert bought.purchase.expires_in == timedelta(minutes=20)
    left = bought.expires_at - datetime.now(timezone.utc)
    assert timedelta(minutes=19) < left <= timedelta(minutes=20)
    assert bought.purchase.raw["phone_number"] == bought.phone_number
    assert "raw" not in repr(bought.purchase)
    assert repr(client.activation("1")) == "<Activation 1>"


def test_results_are_frozen_and_can_be_copied_and_sent() -> None:
    with Server((200, number())) as server, Client(KEY, base_url=server.url) as client:
        purchase = client.get_number("tg", country="22", max_price=80).purchase
    assert purchase is not None
    with pytest.raises(AttributeError):
        purchase.note = "x"  # type: ignore[misc]
    for twin in (copy.deepcopy(purchase), pickle.loads(pickle.dumps(purchase))):
        assert (twin, hash(twin), twin.raw) == (purchase, hash(purchase), purchase.raw)
    assert purchase.price == Decimal("18.50")


def test_a_field_that_the_service_adds_is_in_raw() -> None:
    with Server((200, {**number(), "lucky": [7]})) as server, Client(KEY, base_url=server.url) as client:
        purchase = client.get_number("tg", country="22", max_price=80).purchase
    assert purchase is not None
    assert purchase.raw["lucky"] == [7]


def test_words_of_a_later_version_are_kept() -> None:
    order = msgspec.json.decode(b'{"status":"paused","activation_id":"1","raw":{},"new":1}', type=sastaotp.Order)
    assert order.status == "paused"
    assert str(order.status) == "paused"
    assert order.status is not None
    assert order.status.name == "PAUSED"
    assert sastaotp.OrderStatus("pending") is sastaotp.OrderStatus.PENDING


def test_all_prices_are_typed_and_exact() -> None:
    body = prices()
    with Server((200, body)) as server, Client(KEY, base_url=server.url) as client:
        listed = client.get_prices()
        assert len(server.seen) == 1
    assert len(listed) == 75_600
    assert listed.raw == body
    for price in listed:
        expected = body["data"][price.country][price.service]
        assert (price.cost, price.count) == (Decimal(str(expected["cost"])), expected["count"])
    assert isinstance(listed[0], Price)


def test_an_intent_is_saved_and_read_again(client: Client) -> None:
    intent = client.intend("tg", country="22", max_price="76.94", operator="any", multi_sms=True)
    again = Intent.from_json(intent.to_json())
    assert (again, hash(again), repr(again)) == (intent, hash(intent), repr(intent))
    assert pickle.loads(pickle.dumps(intent)) == intent
    assert (intent.service, intent.country, intent.operator, intent.multi_sms) == ("tg", "22", "any", True)
    assert intent.max_price == Decimal("76.94")
    assert intent.started_at is not None
    assert datetime.now(timezone.utc) - intent.started_at < timedelta(seconds=10)
    # What a later version adds is given back to the library.
    later = json.dumps({**json.loads(intent.to_json()), "later": 1})
    assert json.loads(Intent.from_json(later).to_json())["later"] == 1
    for text in ("", "[]", "{}", '{"action":1}', "\ud800"):
        with pytest.raises(ValueError, match="saved intent"):
            Intent.from_json(text)


@pytest.mark.parametrize("watermark", [2**53 + 1, 2**64 - 1])
def test_an_intent_that_node_saved_with_a_large_watermark_is_read_and_written_as_the_library_does(
    client: Client, watermark: int
) -> None:
    saved = json.loads(client.intend("tg", country="22", max_price=80).to_json())
    number = Intent.from_json(json.dumps({**saved, "watermark": watermark}))
    text = Intent.from_json(json.dumps({**saved, "watermark": str(watermark)}))
    assert text.watermark == watermark
    assert (text, hash(text)) == (number, hash(number))
    assert json.loads(text.to_json())["watermark"] == watermark
    assert client.buy(text).phone_number


def test_a_number_is_bought_again(client: Client) -> None:
    first = client.get_number("zz_multi", country="22", max_price=80, multi_sms=True)
    assert first.wait_for_code(timeout=30).code
    assert first.complete().state == "completed"
    again = first.reget()
    assert again.phone_number == first.phone_number
    assert again.id != first.id


def test_settings_reach_the_service() -> None:
    with Server((200, {"status": "OK", "balance": "1.50", "currency": "INR"})) as server:
        for key_in in (None, *sastaotp.KeyIn):
            with Client(KEY, base_url=server.url, user_agent="tests/1", key_in=key_in, max_connections=512) as client:
                assert client.get_balance().amount == Decimal("1.50")
    (default, _), (header, _), (bearer, _), (_, query) = server.seen
    assert default["User-Agent"] == "tests/1"
    assert default["X-API-Key"] == header["X-API-Key"] == KEY
    assert bearer["Authorization"] == f"Bearer {KEY}"
    assert f"api_key={KEY}" in query


def test_the_budget_is_exact(client: Client, sastaotp_sandbox: Any) -> None:
    assert client.budget_left() is None
    with sastaotp_sandbox.client(budget=Decimal("25.000001")) as thrifty:
        thrifty.get_number("zz_never", country="22", max_price="10")
        assert thrifty.budget_left() == Decimal("15.000001")
        with pytest.raises(sastaotp.BudgetError):
            thrifty.get_number("zz_never", country="22", max_price="15.000002")
