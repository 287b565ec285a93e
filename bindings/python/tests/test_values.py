"""Money, times, enumerations, results and intents as Python objects."""

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
from conftest import HANG
from stub_service import StubService, price_reply, purchase_reply

import sastaotp
from sastaotp import Client, Intent, Price
from sastaotp._arguments import millis, money_text
from sastaotp._money_and_time import rupees, utc_datetime

KEY = "stp_0123456789abcdef"


def buy(reply: Any) -> sastaotp.Purchase:
    """Buy a number from a service that sends this reply."""
    with StubService((200, reply)) as service, Client(KEY, base_url=service.url) as client:
        purchase = client.get_number("tg", country="22", max_price=80).purchase
    assert purchase is not None
    return purchase


@pytest.mark.parametrize(
    ("micros", "text"),
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
def test_rupees_are_exact_in_any_context(micros: int, text: str) -> None:
    context = decimal.Context(prec=3, traps=[decimal.Inexact, decimal.Rounded])
    with decimal.localcontext(context):
        assert str(rupees(micros)) == text
    assert rupees(micros) * 1_000_000 == micros


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (20, "20"),
        ("18.50", "18.50"),
        (Decimal("18.5"), "18.5"),
        (Decimal("2E+1"), "20"),
        (Decimal("1E-6"), "0.000001"),
    ],
)
def test_money_is_sent_as_written(given: Any, text: str) -> None:
    assert money_text(given, "price") == text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0, 0),
        (1, 1000),
        (0.0005, 1),
        (1.0001, 1001),
        (0.1 + 0.2, 300),
        (timedelta(minutes=5), 300_000),
    ],
)
def test_time_spans_round_up(given: Any, expected: int) -> None:
    assert millis(given, "timeout") == expected


@pytest.mark.parametrize("seconds", [10**14, 2**63])
def test_huge_expiry_does_not_overflow(seconds: int) -> None:
    purchase = buy({**purchase_reply(), "expires_in": seconds})
    assert purchase.expires_in in (None, timedelta.max)
    assert "38496653" in repr(purchase)


def test_datetimes_are_aware() -> None:
    assert utc_datetime(1_500) == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=timezone.utc)
    assert utc_datetime(2**62) == datetime.max.replace(tzinfo=timezone.utc)
    assert utc_datetime(None) is None


def test_activation_has_the_data_of_its_purchase(client: Client) -> None:
    number = client.get_number("zz_ok", country="22", max_price=Decimal("80.00"))
    assert number.price == Decimal("10.00")
    assert number.price_micros == 10_000_000
    assert number.expires_at is not None
    assert number.expires_at.timestamp() * 1000 == pytest.approx(number.expires_at_ms)
    assert number.purchase is not None
    assert number.purchase.expires_in == timedelta(minutes=20)
    left = number.expires_at - datetime.now(timezone.utc)
    assert timedelta(minutes=19) < left <= timedelta(minutes=20)
    assert number.purchase.raw["phone_number"] == number.phone_number
    assert "raw" not in repr(number.purchase)
    assert repr(client.activation("1")) == "<Activation 1>"


def test_results_are_frozen_and_copyable() -> None:
    purchase = buy(purchase_reply())
    with pytest.raises(AttributeError):
        purchase.note = "x"  # type: ignore[misc]
    for other in (copy.deepcopy(purchase), pickle.loads(pickle.dumps(purchase))):
        assert (other, hash(other), other.raw) == (purchase, hash(purchase), purchase.raw)
    assert purchase.price == Decimal("18.50")


def test_unknown_fields_are_in_raw() -> None:
    purchase = buy({**purchase_reply(), "new_field": [7]})
    assert purchase.raw["new_field"] == [7]


def test_enumerations_keep_unknown_values() -> None:
    json_text = b'{"status":"paused","activation_id":"1","raw":{},"new":1}'
    order = msgspec.json.decode(json_text, type=sastaotp.Order)
    assert order.status == "paused"
    assert str(order.status) == "paused"
    assert order.status is not None
    assert order.status.name == "PAUSED"
    assert sastaotp.OrderStatus("pending") is sastaotp.OrderStatus.PENDING


def test_all_prices_are_typed_and_exact() -> None:
    body = price_reply()
    with StubService((200, body)) as service, Client(KEY, base_url=service.url) as client:
        prices = client.get_prices()
        assert len(service.requests) == 1
    assert len(prices) == 75_600
    assert prices.raw == body
    for row in prices:
        expected = body["data"][row.country][row.service]
        assert (row.price, row.available) == (Decimal(str(expected["cost"])), expected["count"])
    assert isinstance(prices[0], Price)


def test_intent_survives_saving(client: Client) -> None:
    intent = client.intend("tg", country="22", max_price="76.94", operator="any", multi_sms=True)
    read = Intent.from_json(intent.to_json())
    assert (read, hash(read), repr(read)) == (intent, hash(intent), repr(intent))
    assert pickle.loads(pickle.dumps(intent)) == intent
    assert (intent.service, intent.country) == ("tg", "22")
    assert (intent.operator, intent.multi_sms) == ("any", True)
    assert (intent.max_price, intent.max_price_micros) == (Decimal("76.94"), 76_940_000)
    assert intent.started_at is not None
    assert intent.started_at.timestamp() * 1000 == pytest.approx(intent.started_at_ms)
    assert (intent.phone_number, intent.reget_of) == (None, None)
    assert datetime.now(timezone.utc) - intent.started_at < timedelta(seconds=HANG)


def test_intent_has_its_parameters(client: Client) -> None:
    parameters = {"ref": "my-shop", "fixedPrice": "true"}
    intent = client.intend("tg", country="22", max_price=80, parameters=parameters)
    assert intent.parameters == parameters
    intent.parameters.clear()
    assert Intent.from_json(intent.to_json()).parameters == parameters
    assert hash(intent) == hash(Intent.from_json(intent.to_json()))


def test_finish_lists_open_purchases(client: Client) -> None:
    assert client.finish() == ()
    number = client.get_number("zz_never", country="22", max_price=80)
    assert client.unclaimed() == ()
    (entry,) = client.finish(timeout=0)
    assert entry.purchase is not None
    assert entry.purchase.activation_id == number.id
    number.cancel()
    assert client.finish() == ()
    with pytest.raises(sastaotp.ConfigError, match="timeout"):
        client.finish(timeout=-1)


def test_intent_keeps_unknown_fields(client: Client) -> None:
    intent = client.intend("tg", country="22", max_price=80)
    newer = json.dumps({**json.loads(intent.to_json()), "new_field": 1})
    assert json.loads(Intent.from_json(newer).to_json())["new_field"] == 1


def test_invalid_intent_is_refused() -> None:
    for text in ("", "[]", "{}", '{"action":1}', "\ud800"):
        with pytest.raises(ValueError, match="saved intent"):
            Intent.from_json(text)


@pytest.mark.parametrize("watermark", ["12345", str(2**64 - 1)])
def test_watermark_is_text(client: Client, watermark: str) -> None:
    saved = json.loads(client.intend("tg", country="22", max_price=80).to_json())
    intent = Intent.from_json(json.dumps({**saved, "watermark": watermark}))
    assert intent.watermark == watermark
    assert json.loads(intent.to_json())["watermark"] == watermark
    assert client.buy(intent).phone_number


def test_watermark_as_a_number_is_refused(client: Client) -> None:
    saved = json.loads(client.intend("tg", country="22", max_price=80).to_json())
    with pytest.raises(sastaotp.ConfigError, match="watermark"):
        Intent.from_json(json.dumps({**saved, "watermark": 12345}))


def test_number_is_reget_after_completion(client: Client) -> None:
    first = client.get_number("zz_multi", country="22", max_price=80, multi_sms=True)
    assert first.wait_for_code(timeout=30).code
    assert first.complete().state == "completed"
    again = first.reget_number(max_price=80)
    assert again.phone_number == first.phone_number
    assert again.id != first.id


def test_settings_reach_the_service() -> None:
    reply = {"status": "OK", "balance": "1.50", "currency": "INR"}
    settings: Any = {"user_agent": "tests/1", "max_connections": 512}
    with StubService((200, reply)) as service:
        for location in (None, *sastaotp.ApiKeyLocation):
            settings["api_key_location"] = location
            with Client(KEY, base_url=service.url, **settings) as client:
                assert client.get_balance().amount == Decimal("1.50")
    (default, _), (header, _), (bearer, _), (_, path) = service.requests
    assert default["User-Agent"] == "tests/1"
    assert default["X-API-Key"] == header["X-API-Key"] == KEY
    assert bearer["Authorization"] == f"Bearer {KEY}"
    assert f"api_key={KEY}" in path


def test_budget_is_exact(client: Client, sastaotp_sandbox: Any) -> None:
    assert client.budget_left() is None
    with sastaotp_sandbox.client(budget=Decimal("25.000001")) as limited:
        limited.get_number("zz_never", country="22", max_price="10")
        assert limited.budget_left() == Decimal("15.000001")
        with pytest.raises(sastaotp.BudgetError):
            limited.get_number("zz_never", country="22", max_price="15.000002")
