"""Errors: the class and the facts of each code that the service documents, and what may never be repeated by accident."""

from __future__ import annotations

import builtins
import pickle
import re
from typing import Any, Callable, Dict, List, Tuple, Type, cast

import pytest
from server import Server

import sastaotp
from sastaotp import Charge, Client, Phase, Retry, SastaotpError
from sastaotp._errors import error_from_json
from sastaotp.testing import Sandbox

KEY = "stp_0123456789abcdef"

#: Every code that the service documents, what a read fails with, and whether it proves that a purchase was not made.
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


@pytest.mark.parametrize(("code", "kind", "refuses"), CODES)
def test_a_documented_code(code: str, kind: Type[SastaotpError], refuses: bool) -> None:
    with Server((200, code)) as server, Client(KEY, base_url=server.url, timeout=1) as client:
        with pytest.raises(sastaotp.ApiError) as read:
            client.get_balance()
        assert type(read.value) is kind
        assert (read.value.code, read.value.http_status, read.value.raw) == (code, 200, code)
        assert read.value.phase == Phase.SERVICE
        assert read.value.hint
        assert str(read.value).endswith(read.value.hint)
        assert code in str(read.value)
        assert read.value.charge == Charge.NOT_CHARGED

        with pytest.raises(SastaotpError) as purchase:
            client.get_number("tg", country="22", max_price=80)
        assert type(purchase.value) is (kind if refuses else sastaotp.OutcomeUnknownError)
        assert purchase.value.charge == (Charge.NOT_CHARGED if refuses else Charge.UNKNOWN)
        assert (purchase.value.code, purchase.value.http_status, purchase.value.raw) == (code, 200, code)
        assert purchase.value.intent is not None
        assert purchase.value.intent.service == "tg"
        if not refuses:
            assert purchase.value.retry == Retry.AFTER_RECONCILE
            assert "reconcile" in purchase.value.hint


def test_a_purchase_of_unknown_outcome_is_caught_by_nothing_that_repeats(client: Client) -> None:
    with pytest.raises(sastaotp.OutcomeUnknownError) as caught:
        client.get_number("zz_lost_reply", country="22", max_price=80)
    error = caught.value
    assert (error.kind, error.fault, error.retry) == ("connection", "N06", Retry.AFTER_RECONCILE)
    assert not isinstance(error, (OSError, sastaotp.ApiError, sastaotp.ConnectionError))
    assert error.intent is not None
    assert client.reconcile(error.intent).candidates[0].service == "zz_lost_reply"


@pytest.mark.parametrize("kind", [kind for kind in sastaotp.__all__ if kind.endswith("Error")])
def test_the_classes_are_a_tree(kind: str) -> None:
    assert issubclass(getattr(sastaotp, kind), SastaotpError)


def test_timeouts_and_connections_are_those_of_the_language_too() -> None:
    assert issubclass(sastaotp.Timeout, builtins.TimeoutError)
    assert issubclass(sastaotp.WaitTimeout, builtins.TimeoutError)
    assert issubclass(sastaotp.ConnectionError, builtins.ConnectionError)
    assert issubclass(sastaotp.ConfigError, ValueError)
    assert issubclass(sastaotp.UsageError, RuntimeError)
    with (
        Client(KEY, base_url="http://127.0.0.1:9/", timeout=1) as client,
        pytest.raises(builtins.ConnectionError) as no,
    ):
        client.get_balance()
    assert type(no.value) is sastaotp.ConnectionError
    assert no.value.phase == Phase.CONNECT


def facts(**more: Any) -> bytes:
    import msgspec

    plain: Dict[str, Any] = {"kind": "server", "message": "m", "hint": "h", "phase": "service", "charge": "not_charged"}
    return msgspec.json.encode({**plain, "retry": "after", "retry_after_ms": 1500, **more})


def test_kinds_and_words_of_a_later_version_are_kept() -> None:
    error = error_from_json(facts(kind="moonlight", phase="dreaming", retry="tomorrow", new=1))
    assert type(error) is SastaotpError
    assert (error.kind, error.phase, str(error.phase), error.retry) == ("moonlight", "dreaming", "dreaming", "tomorrow")
    assert type(error_from_json(facts(kind="moonlight", charge="unknown"))) is sastaotp.OutcomeUnknownError


def test_an_error_goes_to_another_process_whole() -> None:
    for kind in ("server", "timeout", "connection", "config"):
        error = error_from_json(facts(kind=kind, code="X"))
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"base_url": "http://example.com/"}, "https"),
        ({"base_url": "no\0url"}, "base_url holds a NUL"),
        ({"max_connections": 0}, "connections"),
        ({"max_connections": 513}, "512"),
        ({"max_connections": 2**32}, "max_connections is 4294967296"),
        ({"max_requests_per_minute": 0}, "minute"),
        ({"budget": "18,50"}, "18.50"),
        ({"budget": 18.5}, "floats are not exact"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"timeout": -1}, "timeout is -1"),
        ({"key_in": 7}, "7"),
        ({"ca_pem": "none"}, "ertificate"),
        ({"user_agent": "two\nlines"}, "gent"),
    ],
)
def test_a_setting_that_is_wrong_is_named(settings: Dict[str, Any], says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        Client(KEY, **settings)


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "k\u00e9y", "\0", "\ud800", 7])
def test_a_key_that_is_none_is_refused_and_not_shown(key: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        Client(key)
    assert len(str(key)) < 2 or str(key) not in str(caught.value)


@pytest.mark.parametrize("price", [20.0, True, None, "20,5", "NaN", "x"])
def test_a_price_that_is_none_buys_nothing(client: Client, price: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        client.get_number("tg", country="22", max_price=price)
    assert len(client.get_orders()) == 0


#: Calls with an argument that is none, and what the error names.
ARGUMENTS: List[Tuple[str, Callable[[Client], object]]] = [
    # What JSON has no text for would be null, and the service would choose.
    ("country is nan", lambda client: client.get_number("tg", country=cast(str, float("nan")), max_price=80)),
    # Not the service tg1, and not "dGcx", which is how JSON has its bytes.
    ("service is b'tg1'", lambda client: client.get_number(cast(str, b"tg1"), country="22", max_price=80)),
    ("service cannot be written", lambda client: client.get_number("\ud800", country="22", max_price=80)),
    ("`service` is missing", lambda client: client.get_number(cast(str, None), max_price=80)),
    ("operator is inf", lambda client: client.intend("tg", operator=cast(str, float("inf")), max_price=80)),
    ("country` is 22", lambda client: client.get_prices("tg", cast(str, 22))),
    ("id is b'1'", lambda client: client.activation(cast(str, b"1")).poll()),
    ("max_price is 1.5", lambda client: client.get_number("tg", max_price=cast(int, 1.5))),
    ("max_price cannot be written", lambda client: client.get_number("tg", max_price="\ud800")),
    ("multi_sms is nan", lambda client: client.intend("tg", multi_sms=cast(bool, float("nan")), max_price=80)),
    ("limit is inf", lambda client: client.get_orders(limit=cast(int, float("inf")))),
    ("page is 1000", lambda client: client.get_orders(page=10**30)),
    ("status is 'x'", lambda client: client.set_status("1", cast(int, "x"))),
    ("timeout is -1", lambda client: client.activation("1").wait_for_code(-1)),
    ("timeout is nan", lambda client: client.activation("1").wait_for_code(float("nan"))),
    ("interval is inf", lambda client: client.activation("1").wait_for_code(interval=float("inf"))),
    ("intent is None", lambda client: client.buy(cast(sastaotp.Intent, None))),
    ("intent is 'x'", lambda client: client.reconcile(cast(sastaotp.Intent, "x"))),
    ("saved intent", lambda client: sastaotp.Intent.from_json("x")),
    ("saved intent", lambda client: sastaotp.Intent.from_json(cast(str, None))),
]


@pytest.mark.parametrize(("says", "call"), ARGUMENTS)
def test_an_argument_that_is_wrong_is_named_and_nothing_is_sent(says: str, call: Callable[[Client], object]) -> None:
    with Server((200, "ACCESS_NUMBER:1:919876543210")) as server, Client(KEY, base_url=server.url) as client:
        with pytest.raises(sastaotp.ConfigError, match=re.escape(says)) as caught:
            call(client)
        assert server.seen == []
        assert (caught.value.kind, caught.value.charge) == ("config", Charge.NOT_CHARGED)


def test_a_client_that_is_closed_says_so(sastaotp_sandbox: Sandbox) -> None:
    client = sastaotp_sandbox.client()
    client.close()
    client.close()
    with pytest.raises(sastaotp.UsageError, match="closed"):
        client.get_balance()


def test_without_a_key_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SASTAOTP_API_KEY", raising=False)
    with pytest.raises(sastaotp.ConfigError, match="SASTAOTP_API_KEY"):
        Client()
