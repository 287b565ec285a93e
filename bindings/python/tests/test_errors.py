"""Errors: their classes and fields, wrong arguments, and purchases of unknown outcome."""

from __future__ import annotations

import builtins
import json
import pickle
import re
import socket
from types import ModuleType
from typing import Any, Callable, Dict, List, Tuple, Type, cast

import pytest
from conftest import HANG
from stub_service import StubService

import sastaotp
from sastaotp import Charge, Client, Phase, Retry, SastaotpError
from sastaotp._error_json import error_from_json
from sastaotp.testing import Sandbox

KEY = "stp_0123456789abcdef"

#: Each documented code, the class of its error, and whether it proves that nothing was bought.
CODES = [
    ("BAD_KEY", sastaotp.AuthenticationError, True),
    ("KEY_INACTIVE", sastaotp.AuthenticationError, True),
    ("ACCOUNT_BANNED", sastaotp.AuthenticationError, True),
    ("NO_BALANCE", sastaotp.InsufficientBalanceError, True),
    ("NO_NUMBERS", sastaotp.NoNumbersError, True),
    ("MAX_PRICE_EXCEEDED", sastaotp.PriceTooHighError, True),
    ("SERVICE_UNAVAILABLE", sastaotp.ServiceUnavailableError, True),
    ("BAD_ACTION", sastaotp.RejectedError, True),
    ("MISSING_PARAMS", sastaotp.RejectedError, True),
    ("NO_ACTIVATION", sastaotp.NotFoundError, False),
    ("ALREADY_FINISHED", sastaotp.AlreadyFinishedError, False),
    ("BAD_STATUS", sastaotp.RejectedError, False),
    ("CANCEL_FAILED", sastaotp.RejectedError, False),
    ("RETRY_FAILED", sastaotp.RejectedError, False),
    ("EARLY_CANCEL_DENIED", sastaotp.TooEarlyError, False),
    ("ERROR_SQL", sastaotp.ServerError, False),
    ("PROVIDER_ERROR", sastaotp.ServerError, False),
    ("SERVER_ERROR", sastaotp.ServerError, False),
]


@pytest.mark.parametrize(("code", "error_class", "proves_no_purchase"), CODES)
def test_documented_code_raises_its_class(
    code: str, error_class: Type[SastaotpError], proves_no_purchase: bool
) -> None:
    with (
        StubService((200, code)) as service,
        Client(KEY, base_url=service.url, timeout=HANG) as client,
    ):
        with pytest.raises(sastaotp.ApiError) as read:
            client.get_balance()
        assert type(read.value) is error_class
        assert (read.value.code, read.value.http_status, read.value.raw) == (code, 200, code)
        assert read.value.phase == Phase.SERVICE
        assert read.value.hint
        assert str(read.value).endswith(read.value.hint)
        assert code in str(read.value)
        assert read.value.charge == Charge.NOT_CHARGED

        with pytest.raises(SastaotpError) as purchase:
            client.get_number("tg", country="22", max_price=80)
        error = purchase.value
        if proves_no_purchase:
            assert type(error) is error_class
            assert error.charge == Charge.NOT_CHARGED
        else:
            assert type(error) is sastaotp.OutcomeUnknownError
            assert error.charge == Charge.UNKNOWN
            assert error.retry == Retry.AFTER_RECONCILE
            assert "reconcile" in error.hint
        assert (error.code, error.http_status, error.raw) == (code, 200, code)
        assert error.intent is not None
        assert error.intent.service == "tg"


def test_unknown_outcome_extends_only_the_base_class(client: Client) -> None:
    with pytest.raises(sastaotp.OutcomeUnknownError) as caught:
        client.get_number("zz_lost_reply", country="22", max_price=80)
    error = caught.value
    assert (error.kind, error.fault) == ("connection", "reply_lost")
    assert error.retry == Retry.AFTER_RECONCILE
    assert not isinstance(error, (OSError, sastaotp.ApiError, sastaotp.ConnectionFailedError))
    assert error.intent is not None
    assert client.reconcile(error.intent, timeout=3).candidates[0].service == "zz_lost_reply"


@pytest.mark.parametrize("name", [name for name in sastaotp.__all__ if name.endswith("Error")])
def test_every_error_is_a_sastaotp_error(name: str) -> None:
    assert issubclass(getattr(sastaotp, name), SastaotpError)


@pytest.mark.parametrize("module", [sastaotp, sastaotp._errors])
def test_every_exception_has_a_name_that_ends_in_error(module: ModuleType) -> None:
    exceptions = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert len(exceptions) > 20
    assert [
        name
        for name, value in exceptions.items()
        if not name.endswith("Error") and not issubclass(value, Warning)
    ] == []


def test_no_public_name_shadows_a_builtin() -> None:
    assert {*sastaotp.__all__} & {*dir(builtins)} == set()


def test_errors_extend_the_matching_builtin_classes() -> None:
    assert issubclass(sastaotp.CallTimeoutError, TimeoutError)
    assert issubclass(sastaotp.WaitTimeoutError, TimeoutError)
    assert issubclass(sastaotp.ConnectionFailedError, ConnectionError)
    assert issubclass(sastaotp.ConfigError, ValueError)
    assert issubclass(sastaotp.UsageError, RuntimeError)
    with (
        Client(KEY, base_url="http://127.0.0.1:9/", timeout=HANG) as client,
        pytest.raises(ConnectionError) as caught,
    ):
        client.get_balance()
    assert type(caught.value) is sastaotp.ConnectionFailedError
    assert caught.value.phase == Phase.CONNECT


def error_json(**fields: Any) -> bytes:
    """Return the core's JSON of an error with these fields."""
    defaults: Dict[str, Any] = {
        "kind": "server",
        "message": "m",
        "hint": "h",
        "phase": "service",
        "charge": "not_charged",
        "retry": "after",
        "retry_after_ms": 1500,
    }
    return json.dumps({**defaults, **fields}).encode()


def test_unknown_kinds_and_values_are_kept() -> None:
    error = error_from_json(error_json(kind="new_kind", phase="new_phase", retry="later", new=1))
    assert type(error) is SastaotpError
    assert (error.kind, error.retry) == ("new_kind", "later")
    assert (error.phase, str(error.phase)) == ("new_phase", "new_phase")
    unknown = error_from_json(error_json(kind="new_kind", charge="unknown"))
    assert type(unknown) is sastaotp.OutcomeUnknownError


def test_pickled_error_keeps_its_fields() -> None:
    for kind in ("server", "timeout", "connection", "config"):
        error = error_from_json(error_json(kind=kind, code="X"))
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"base_url": "http://example.com/"}, "https"),
        ({"base_url": "no\0url"}, "base_url contains NUL"),
        ({"max_connections": 0}, "connections"),
        ({"max_connections": 513}, "512"),
        ({"max_connections": 2**32}, "max_connections is 4294967296"),
        ({"max_requests_per_minute": 0}, "minute"),
        ({"budget": "18,50"}, "18.50"),
        ({"budget": 18.5}, "floats are not exact"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"timeout": -1}, "timeout is -1"),
        ({"late_booking": -1}, "late_booking is -1"),
        ({"late_booking": 2**32}, "late_booking is 4294967296"),
        ({"end_wait": -1}, "end_wait is -1"),
        ({"exit_on_sigterm": None}, "exit_on_sigterm is None"),
        ({"api_key_location": 7}, "api_key_location is 7"),
        ({"ca_pem": "none"}, "ertificate"),
        ({"ca_pem": b""}, "ertificate"),
        ({"ca_pem": __file__}, "is the path of a file: pass the text"),
        ({"proxy": "none"}, 'is not "environment", "direct" or a URL'),
        ({"proxy": "socks4://127.0.0.1:1"}, "SOCKS4"),
        ({"proxy": "http://u:secret@127.0.0.1:x"}, "has no valid port"),
        ({"proxy": "http://127.0.0.1\0"}, "proxy contains NUL"),
        ({"proxy": 7}, "proxy"),
        ({"roots": "os"}, "roots is 'os': pass 'web', 'system' or 'both'"),
        ({"roots": None}, "roots is None"),
        ({"user_agent": "two\nlines"}, "gent"),
    ],
)
def test_error_names_the_wrong_setting(settings: Dict[str, Any], expected: str) -> None:
    with pytest.raises((ValueError, TypeError), match=expected):
        Client(KEY, **settings)


def test_timeout_of_zero_is_not_the_default() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base_url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with (
            Client(KEY, base_url=base_url, timeout=0) as client,
            pytest.raises(sastaotp.CallTimeoutError),
        ):
            client.get_balance()


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "k\u00e9y", "\0", "\ud800", 7])
def test_invalid_key_is_refused_and_not_shown(key: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        Client(key)
    assert len(str(key)) < 2 or str(key) not in str(caught.value)


@pytest.mark.parametrize("price", [20.0, True, None, "20,5", "NaN", "x"])
def test_invalid_price_buys_nothing(client: Client, price: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        client.get_number("tg", country="22", max_price=price)
    assert len(client.get_orders()) == 0


ONE: Any = 1
NAN: Any = float("nan")
INFINITY: Any = float("inf")
LATER: Any = "later"


def saved_intent() -> sastaotp.Intent:
    """Return an intent as an earlier run saved it."""
    fields: Dict[str, Any] = {
        "intent_id": "0123456789abcdef",
        "action": "getNumber",
        "service": "tg",
        "country": "22",
        "operator": None,
        "multi_sms": False,
        "parameters": {},
        "max_price_micros": 80_000_000,
        "started_at_ms": 1,
        "watermark": "5",
    }
    return sastaotp.Intent.from_json(json.dumps(fields))


#: A part of the error message, and a call with a wrong argument that causes it.
ARGUMENTS: List[Tuple[str, Callable[[Client], object]]] = [
    # JSON would encode NaN as null, and the service would choose the country.
    ("country is nan", lambda client: client.get_number("tg", country=NAN, max_price=80)),
    # JSON would encode the bytes as base64, "dGcx".
    ("service is b'tg1'", lambda client: client.get_number(cast(str, b"tg1"), max_price=80)),
    ("service has no UTF-8 form", lambda client: client.get_number("\ud800", max_price=80)),
    ("`service` is missing", lambda client: client.get_number(cast(str, None), max_price=80)),
    ("operator is inf", lambda client: client.intend("tg", operator=INFINITY, max_price=80)),
    ("no country", lambda client: client.get_number("tg", max_price=80)),
    ("no country", lambda client: client.get_number("tg", country=None, max_price=80)),
    ("any_country is 1", lambda client: client.get_number("tg", any_country=ONE, max_price=80)),
    ("country", lambda client: client.get_number("tg", country="", max_price=80)),
    (
        "country",
        lambda client: client.get_number("tg", country="22", any_country=True, max_price=80),
    ),
    ("set max_price, or pass accept_any", lambda client: client.get_number("tg", country="22")),
    ("no price limit", lambda client: client.get_number("tg", country="22", max_price=None)),
    (
        "price",
        lambda client: client.get_number("tg", country="22", max_price=80, accept_any_price=True),
    ),
    ("price", lambda client: client.reget_number("1")),
    ("price", lambda client: client.reget_number("1", max_price=8, accept_any_price=True)),
    ("price", lambda client: client.activation("1").reget_number()),
    ("without_code is 1", lambda client: client.activation("1").complete(without_code=ONE)),
    ("timeout is -1", lambda client: client.reconcile(saved_intent(), timeout=-1)),
    ("not_made is 1", lambda client: client.resolve(saved_intent(), not_made=ONE)),
    ("not_made", lambda client: client.resolve(saved_intent())),
    (
        "not_made",
        lambda client: client.resolve(saved_intent(), not_made=True, activation_id="1"),
    ),
    ("country` is 22", lambda client: client.get_prices("tg", cast(str, 22))),
    ("id is b'1'", lambda client: client.activation(cast(str, b"1")).get_status()),
    ("max_price is 1.5", lambda client: client.get_number("tg", max_price=cast(int, 1.5))),
    ("max_price has no UTF-8 form", lambda client: client.get_number("tg", max_price="\ud800")),
    ("multi_sms is nan", lambda client: client.intend("tg", multi_sms=NAN, max_price=80)),
    ("limit is inf", lambda client: client.get_orders(limit=INFINITY)),
    ("page is 1000", lambda client: client.get_orders(page=10**30)),
    ("status is 'x'", lambda client: client.set_status("1", cast(int, "x"))),
    ("timeout is -1", lambda client: client.activation("1").wait_for_code(-1)),
    ("timeout is nan", lambda client: client.activation("1").wait_for_code(float("nan"))),
    ("interval is inf", lambda client: client.activation("1").wait_for_code(interval=INFINITY)),
    ("on_too_early is 'later'", lambda client: client.activation("1").settle(on_too_early=LATER)),
    ("on_too_early is 'later'", lambda client: client.lease("tg", on_too_early=LATER)),
    ("intent is None", lambda client: client.buy(cast(sastaotp.Intent, None))),
    ("intent is 'x'", lambda client: client.reconcile(cast(sastaotp.Intent, "x"))),
    ("saved intent", lambda client: sastaotp.Intent.from_json("x")),
    ("saved intent", lambda client: sastaotp.Intent.from_json(cast(str, None))),
]


@pytest.mark.parametrize(("expected", "call"), ARGUMENTS)
def test_wrong_argument_is_named_and_not_sent(
    expected: str, call: Callable[[Client], object]
) -> None:
    stub = StubService((200, "ACCESS_NUMBER:1:919876543210"))
    with stub as service, Client(KEY, base_url=service.url) as client:
        with pytest.raises(sastaotp.ConfigError, match=re.escape(expected)) as caught:
            call(client)
        assert service.requests == []
        assert (caught.value.kind, caught.value.charge) == ("config", Charge.NOT_CHARGED)


def test_closed_client_raises_usage_error(sastaotp_sandbox: Sandbox) -> None:
    client = sastaotp_sandbox.client()
    client.close()
    client.close()
    with pytest.raises(sastaotp.UsageError, match="closed"):
        client.get_balance()


def test_missing_key_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SASTAOTP_API_KEY", raising=False)
    with pytest.raises(sastaotp.ConfigError, match="SASTAOTP_API_KEY"):
        Client()
