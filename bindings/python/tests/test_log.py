"""Logs and warnings show no text of a reply: no SMS code, no phone number, no secret."""

from __future__ import annotations

import logging
import warnings
from typing import Any, Dict, Iterator, List

import pytest
from stub_service import StubService, empty_history, is_purchase, purchase_reply

import sastaotp
from sastaotp import AsyncClient, Client
from sastaotp._log_text import log_text

KEY = "stp_0123456789abcdef"
CODE = "492817"
NUMBER = "919876543210"
SECRET = "swordfish"
#: A failure of the service that quotes an SMS.
QUOTE = f"ERROR_{CODE}: Your code is {CODE}, sent to {NUMBER}: {SECRET}"
QUOTES = [
    (200, QUOTE),
    (200, CODE),
    (500, QUOTE),
    (200, {"status": "ERROR", "error": QUOTE}),
    (400, {"status": "error", "code": CODE, "error": SECRET, "message": QUOTE}),
    (200, f"<html>{QUOTE}</html>"),
]
SETTINGS: Dict[str, Any] = {"timeout": 0.5, "end_wait": 0}


@pytest.fixture
def shown(caplog: pytest.LogCaptureFixture) -> Iterator[List[str]]:
    """Everything that is logged or warned, once the test has called ``collect``."""
    caplog.set_level(logging.DEBUG)
    texts: List[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
        texts += [str(warning.message) for warning in caught] + [caplog.text]
    assert "settling its lease failed" in "".join(texts)
    for hidden in (CODE, NUMBER, SECRET):
        assert hidden not in "".join(texts)


def quoting_service(quote: Any, *, has_code: bool = False) -> StubService:
    """A service that sells a number, and answers everything else with the quote."""

    def reply(parameters: Dict[str, str]) -> Any:
        if is_purchase(parameters):
            return 200, purchase_reply()
        if parameters["action"] == "getOrders":
            return 200, empty_history()
        if has_code and parameters["action"].startswith("getStatus"):
            return 200, f"STATUS_OK:{CODE}"
        return quote

    return StubService(reply)


@pytest.mark.parametrize("quote", QUOTES)
def test_errors_quote_a_reply_and_logs_do_not(quote: Any, shown: List[str]) -> None:
    quoted: List[str] = []
    with quoting_service(quote) as service, Client(KEY, base_url=service.url, **SETTINGS) as client:
        with pytest.raises(sastaotp.SastaotpError) as caught:
            client.get_balance()
        quoted += [str(caught.value), str(caught.value.raw)]
        # The error of the settlement is raised.
        with (
            pytest.raises(sastaotp.SastaotpError) as caught,
            client.lease("tg", country="22", max_price=80, on_too_early="fail"),
        ):
            pass
        quoted += [str(caught.value), str(caught.value.raw)]
        with (
            pytest.raises(ZeroDivisionError),
            client.lease("tg", country="22", max_price=80, on_too_early="fail"),
        ):
            raise ZeroDivisionError
    assert CODE in "".join(quoted)


@pytest.mark.parametrize("quote", QUOTES)
async def test_logs_of_the_asyncio_client_do_not_quote(quote: Any, shown: List[str]) -> None:
    with quoting_service(quote) as service:
        async with AsyncClient(KEY, base_url=service.url, **SETTINGS) as client:
            lease = client.lease("tg", country="22", max_price=80, on_too_early="fail")
            with pytest.raises(sastaotp.SastaotpError):
                async with lease:
                    pass


def test_received_code_is_not_logged(shown: List[str]) -> None:
    with (
        quoting_service((200, QUOTE), has_code=True) as service,
        Client(KEY, base_url=service.url, **SETTINGS) as client,
        client.lease("tg", country="22", max_price=80) as number,
    ):
        assert number.wait_for_code(timeout=10).code == CODE


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("NO_NUMBERS", "no_numbers, NO_NUMBERS, HTTP status 200"),
        ("STATUS_OK:492817", "no_numbers, another code, HTTP status 200"),
        ("492817", "no_numbers, another code, HTTP status 200"),
        ("QWERTY", "no_numbers, another code, HTTP status 200"),
        (None, "no_numbers, HTTP status 200"),
    ],
)
def test_logged_text_has_kind_code_and_status(code: Any, expected: str) -> None:
    error = sastaotp.NoNumbersError(QUOTE)
    error.kind, error.code, error.http_status = "no_numbers", code, 200
    assert log_text(error) == expected


def test_foreign_error_is_logged_by_its_class() -> None:
    assert log_text(ValueError(QUOTE)) == "ValueError"


def test_warning_that_is_an_error_is_logged_without_the_reply(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reply = {**purchase_reply(), "status": f"odd {SECRET}"}
    with StubService((200, reply)) as service, Client(KEY, base_url=service.url) as client:
        number = client.get_number("tg", country="22", max_price=80)
    assert number.purchase is not None
    assert SECRET in "".join(number.purchase.warnings)
    assert "its purchase has warnings" in caplog.text
    assert SECRET not in caplog.text
