"""Offers, and purchases of one of several countries."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

import sastaotp
from sastaotp import AsyncClient, Client, ConfigError, NoNumbersError, OutcomeUnknownError
from sastaotp.testing import Sandbox


def refuse(sandbox: Sandbox, key: str, country: str, **fault: Any) -> None:
    """Make the purchases in a country meet a fault; by default the service has no numbers there."""
    match = {"action": "getNumber", "country": country}
    rule = fault or {"fault": "html_page", "body": "NO_NUMBERS"}
    sandbox.control("faults", {"match": match, "times": 0, **rule}, api_key=key)


def shown(attempts: tuple[sastaotp.Attempt, ...]) -> list[tuple[object, object]]:
    return [(attempt.country, attempt.refused) for attempt in attempts]


def test_offers_are_sorted_by_price(client: Client) -> None:
    offers = client.get_offers("tg", min_price="1.50", min_available=1)
    assert len(offers) > 3
    assert [offer.price for offer in offers] == sorted(
        offer.price for offer in offers if offer.price is not None
    )
    assert client.cheapest_offer("tg", min_price="1.50", min_available=1) == offers[0]
    india = client.get_offers("tg", countries=["22"], max_price=80)
    assert [(one.country, one.country_name, one.operator, one.price) for one in india] == [
        ("22", "India", None, Decimal("76.94"))
    ]
    assert client.cheapest_offer("tg", countries=("22",), max_price=1) is None


def test_purchase_moves_on_after_a_refusal(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    refuse(sastaotp_sandbox, key, "22")
    with sastaotp_sandbox.client(key, budget=100) as client:
        countries = ["22", "0"]
        number = client.get_number("zz_ok", countries=countries, max_price=80)
        assert number.purchase is not None
        assert shown(number.purchase.attempts) == [("22", "NO_NUMBERS"), ("0", None)]
        assert client.budget_left() == 90
        number.cancel()
        with client.lease("zz_ok", countries=countries, max_price=80) as leased:
            assert leased.purchase is not None
            assert shown(leased.purchase.attempts) == [("22", "NO_NUMBERS"), ("0", None)]
        with pytest.raises(NoNumbersError) as caught:
            client.get_number("zz_ok", countries=["22"], max_price=80, patience=0.5)
        assert shown(caught.value.attempts) == [("22", "NO_NUMBERS")]
        offers = client.get_offers("fb", countries=countries)
        bought = client.get_number("fb", offers=offers, max_price=80)
        assert bought.purchase is not None
        assert bought.purchase.attempts[-1].country == "0"
        bought.cancel()


def test_an_unknown_outcome_ends_the_call(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    refuse(sastaotp_sandbox, key, "22")
    refuse(sastaotp_sandbox, key, "0", fault="reply_lost", when="before_commit")
    with sastaotp_sandbox.client(key) as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            client.get_number("zz_ok", countries=["22", "0", "6"], max_price=80, patience=60)
        assert shown(caught.value.attempts) == [("22", "NO_NUMBERS"), ("0", None)]
        client.resolve(caught.value.intent, not_made=True)
    sastaotp_sandbox.control("assert", {"charges": 0}, api_key=key)


def test_a_minimum_price_skips_cheaper_countries(client: Client) -> None:
    with pytest.raises(NoNumbersError) as caught:
        client.get_number("zz_ok", country="22", min_price=50, max_price=80)
    (skipped,) = caught.value.attempts
    assert (skipped.price, skipped.refused) == (Decimal(10), "skipped: listed at 10.00")
    assert "price=Decimal" in repr(skipped)


def test_parameters_are_part_of_the_intent(client: Client) -> None:
    parameters = {"providerIds": "1,2", "ref": "a&b"}
    intent = client.intend("zz_ok", country="22", max_price=80, parameters=parameters)
    assert '"parameters":{"providerIds":"1,2","ref":"a&b"}' in intent.to_json()
    assert sastaotp.Intent.from_json(intent.to_json()) == intent
    client.buy(intent).cancel()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"countries": "22"}, "countries is '22': pass a list of texts"),
        ({"countries": [22]}, "countries contains 22: pass text, such as '22'"),
        ({"countries": [None]}, "countries contains None: pass text$"),
        ({"countries": 22}, "countries is 22: pass a list of texts"),
        ({"countries": []}, "the list is empty: set 1 to 100 countries"),
        ({"countries": ["22"], "country": "22"}, "both a list of countries and a country"),
        ({"offers": ["22"]}, "offers contains '22'"),
        ({"offers": sastaotp.Offer("22", "India")}, "offers is one Offer: pass a list"),
        ({"offers": 22}, "offers is 22: pass a list of offers"),
        ({"country": "22", "patience": -1}, "patience"),
        ({"country": "22", "min_price": 1.5}, "min_price"),
        ({"country": "22", "min_price": 81}, "above the maximum price"),
        ({"country": "22", "parameters": {"maxPrice": "9"}}, "maxPrice"),
        ({"country": "22", "parameters": {"ref": 7}}, r"parameters\[\"ref\"\] is 7: pass text"),
        (
            {"country": "22", "parameters": {"fixedPrice": True}},
            r"parameters\[\"fixedPrice\"\] is True: pass text, such as 'true'",
        ),
        ({"country": "22", "parameters": {7: "ref"}}, "parameters contains 7: pass text"),
        ({}, "set a country or an operator, or pass any_country=True"),
        ({"country": "any"}, "pass any_country=True"),
        ({"country": "22", "parameters": "ref"}, "parameters is 'ref'"),
    ],
)
def test_invalid_arguments_are_named(client: Client, arguments: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        client.get_number("zz_ok", max_price=80, **arguments)


async def test_async_client_tries_several_countries(async_client: AsyncClient) -> None:
    offer = await async_client.cheapest_offer("tg")
    assert offer is not None
    number = await async_client.get_number(
        "zz_ok", countries=("9999", "22"), max_price=80, patience=timedelta(minutes=1)
    )
    assert number.purchase is not None
    assert shown(number.purchase.attempts) == [("9999", "SERVICE_UNAVAILABLE"), ("22", None)]
    await number.cancel()
