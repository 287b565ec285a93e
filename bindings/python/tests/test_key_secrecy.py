"""No object, error, log line or traceback with locals shows the API key."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import os
import traceback
from types import FunctionType, ModuleType
from typing import Any, Callable, Iterator, List

import pytest
from stub_service import StubService, purchase_reply

import sastaotp
from sastaotp import ApiKeyLocation, AsyncClient, Client
from sastaotp._base import BaseClient
from sastaotp._settings import Settings
from sastaotp.testing import Sandbox

FLOAT: Any = 1.5
CANARY = "stp_canary_0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def full_log() -> Iterator[io.StringIO]:
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    os.environ["SASTAOTP_API_KEY"] = CANARY
    yield output
    del os.environ["SASTAOTP_API_KEY"]
    root.removeHandler(handler)
    root.setLevel(level)


def all_texts(value: Any) -> str:
    return f"{value!r} {value} {getattr(value, '__dict__', '')}"


def error_texts(error: BaseException) -> str:
    """Return the text of a crash report with the locals of every frame, and of the causes."""
    shown = "".join(
        traceback.TracebackException.from_exception(error, capture_locals=True).format()
    )
    assert "Traceback" in shown
    # A debugger can also show the attributes.
    return shown + all_texts(error) + repr([error.__cause__, error.__context__])


def failure_texts(call: Callable[[], Any]) -> str:
    try:
        result = call()
    except Exception as error:
        return error_texts(error)
    raise AssertionError(f"the call did not fail: {result!r}")


def test_key_is_never_shown(sastaotp_sandbox: Sandbox, full_log: io.StringIO) -> None:
    shown: List[str] = []
    with Client(base_url=sastaotp_sandbox.url) as client:
        shown.append(all_texts(client))
        with client.lease("zz_ok", country="22", max_price=80) as number:
            sms = number.wait_for_code(timeout=30)
            shown += [all_texts(number), all_texts(number.purchase), all_texts(sms)]
        shown += [all_texts(client.get_balance()), all_texts(client.get_prices("tg"))]
        shown += [all_texts(client.get_orders()), all_texts(client.unclaimed())]
        intent = client.intend("tg", country="22", max_price=1)
        shown.append(all_texts(intent) + intent.to_json())
        shown += [
            failure_texts(lambda: client.get_number("zz_lost_reply", country="22", max_price=80)),
            failure_texts(lambda: client.get_number("zz_html", country="22", max_price=80)),
            failure_texts(lambda: client.get_number("zz_nonumbers", country="22", max_price=80)),
            failure_texts(lambda: client.get_number("t g", country="22", max_price=80)),
            failure_texts(lambda: client.get_number("tg", country="22", max_price=FLOAT)),
            failure_texts(lambda: client.get_status("999999")),
            failure_texts(lambda: client.activation("a b").get_status()),
        ]
    shown.append(failure_texts(client.get_balance))
    assert len(full_log.getvalue().splitlines()) > 20
    assert CANARY not in "".join(shown) + full_log.getvalue()


@pytest.mark.parametrize("location", list(ApiKeyLocation))
def test_key_repeated_by_a_server_is_hidden(
    location: ApiKeyLocation, full_log: io.StringIO
) -> None:
    stub = StubService(lambda parameters: (500, f"unknown key {CANARY} {parameters}"))
    settings: Any = {"timeout": 0.5, "api_key_location": location}
    with stub as service, Client(base_url=service.url, **settings) as client:
        shown = failure_texts(client.get_balance)
        shown += failure_texts(lambda: client.get_number("tg", country="22", max_price=80))
        shown += all_texts(client.unclaimed())
    stub = StubService((200, purchase_reply(f"1_{CANARY}")))
    with stub as service, Client(base_url=service.url, timeout=0.5) as client:
        try:
            shown += all_texts(client.get_number("tg", country="22", max_price=80).purchase)
        except sastaotp.SastaotpError as error:
            shown += error_texts(error)
    assert CANARY not in shown + full_log.getvalue()


@pytest.mark.parametrize("client_class", [Client, AsyncClient])
@pytest.mark.parametrize(
    "settings",
    [
        {"user_agent": "\n"},
        {"base_url": "nowhere"},
        {"timeout": "x"},
        {"budget": 1.5},
        {"ca_pem": "x"},
        {"roots": "x"},
        {"max_connections": 0},
    ],
)
def test_failing_constructor_hides_the_key(client_class: Any, settings: Any) -> None:
    # The key is not in a variable of this test: the traceback would show it.
    shown = failure_texts(lambda: client_class(os.environ["SASTAOTP_API_KEY"], **settings))
    # Invalid keys.
    shown += failure_texts(lambda: client_class(os.environ["SASTAOTP_API_KEY"] + "\0"))
    shown += failure_texts(lambda: client_class(os.environ["SASTAOTP_API_KEY"] + " x"))
    shown += failure_texts(lambda: client_class(os.environ["SASTAOTP_API_KEY"] + "\ud800"))
    shown += failure_texts(lambda: client_class(os.environ["SASTAOTP_API_KEY"].encode()))
    assert CANARY not in shown


async def test_failing_task_hides_the_key(sastaotp_sandbox: Sandbox, full_log: io.StringIO) -> None:
    asyncio.get_running_loop().set_debug(True)
    shown = ""
    async with AsyncClient(base_url=sastaotp_sandbox.url) as client:
        lost = client.get_number("zz_lost_reply", country="22", max_price=80)
        for call in (client.get_status("999999"), lost):
            task = asyncio.ensure_future(call)
            await asyncio.wait([task])
            error = task.exception()
            assert error is not None
            shown += repr(task) + error_texts(error)
        shown += all_texts(client)
    assert CANARY not in shown + full_log.getvalue()


def reachable(value: Any) -> Iterator[Any]:
    """Yield the objects that references lead to, as a memory profiler finds them."""
    seen, waiting = set(), [value]
    while waiting:
        item = waiting.pop()
        # Modules hold the environment, and with it the key of this test.
        if id(item) in seen or isinstance(item, (type, ModuleType, FunctionType)):
            continue
        seen.add(id(item))
        yield item
        waiting += gc.get_referents(item)


def test_client_keeps_no_text_with_the_key(sastaotp_sandbox: Sandbox) -> None:
    with Client(base_url=sastaotp_sandbox.url, user_agent="tests/1") as client:
        items = list(reachable(client))
    texts = [item for item in items if isinstance(item, (str, bytes, bytearray))]
    assert client._settings in items
    assert client._settings._buffers["user_agent"] in items
    assert not [text for text in texts if CANARY in repr(text)]


@pytest.mark.parametrize("end", ["close", "free"])
def test_key_is_overwritten_after_its_use(end: str) -> None:
    settings = Settings.with_secrets(os.environ["SASTAOTP_API_KEY"], None)
    assert isinstance(settings, Settings)
    (buffer,) = settings._buffers.values()
    assert buffer.value == CANARY.encode()
    if end == "close":
        client: BaseClient[Any] = BaseClient(settings, exit_on_sigterm=False)
        client._end_session()
    else:
        del settings
    assert buffer.raw == bytes(len(CANARY) + 1)
