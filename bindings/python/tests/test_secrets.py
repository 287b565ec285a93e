"""The key shows nowhere: not in a text of an object or error, not in a log, not in a traceback that has locals."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import traceback
from typing import Any, Callable, Iterator, List

import pytest
from server import Server, number

import sastaotp
from sastaotp import AsyncClient, Client, KeyIn
from sastaotp.testing import Sandbox

CANARY = "stp_canary_0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def everything_is_logged() -> Iterator[io.StringIO]:
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


def all_texts(thing: Any) -> str:
    return f"{thing!r} {thing} {getattr(thing, '__dict__', '')}"


def texts_of_error(error: BaseException) -> str:
    """What a crash report shows: with the locals of every frame, and of what it came from."""
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "Traceback" in shown
    # Also what is not printed, but may be looked at.
    return shown + all_texts(error) + repr([error.__cause__, error.__context__])


def failing(call: Callable[[], Any]) -> str:
    try:
        result = call()
    except Exception as error:
        return texts_of_error(error)
    raise AssertionError(f"it did not fail: {result!r}")


def test_the_key_shows_nowhere(sastaotp_sandbox: Sandbox, everything_is_logged: io.StringIO) -> None:
    shown: List[str] = []
    with Client(base_url=sastaotp_sandbox.url) as client:
        shown.append(all_texts(client))
        with client.lease("zz_ok", country="22", max_price=80) as bought:
            shown += [all_texts(bought), all_texts(bought.purchase), all_texts(bought.wait_for_code(timeout=30))]
        for result in (client.get_balance(), client.get_prices("tg"), client.get_orders(), client.unclaimed()):
            shown.append(all_texts(result))
        intent = client.intend("tg", country="22", max_price=1)
        shown.append(all_texts(intent) + intent.to_json())
        shown += [
            failing(lambda: client.get_number("zz_lost_reply", country="22", max_price=80)),
            failing(lambda: client.get_number("zz_html", country="22", max_price=80)),
            failing(lambda: client.get_number("zz_nonumbers", country="22", max_price=80)),
            failing(lambda: client.get_number("t g", country="22", max_price=80)),
            failing(lambda: client.get_number("tg", country="22", max_price=1.5)),  # type: ignore[arg-type]
            failing(lambda: client.get_status("999999")),
            failing(lambda: client.activation("a b").poll()),
        ]
    shown.append(failing(client.get_balance))
    assert len(everything_is_logged.getvalue().splitlines()) > 20
    assert CANARY not in "".join(shown) + everything_is_logged.getvalue()


@pytest.mark.parametrize("key_in", list(KeyIn))
def test_a_server_that_repeats_the_key_does_not_make_it_show(key_in: KeyIn, everything_is_logged: io.StringIO) -> None:
    repeats = Server(lambda query: (500, f"who are you, {CANARY}? {query}"))
    with repeats as server, Client(base_url=server.url, timeout=0.5, key_in=key_in) as client:
        shown = failing(client.get_balance)
        shown += failing(lambda: client.get_number("tg", country="22", max_price=80))
        shown += all_texts(client.unclaimed())
    with Server((200, number(f"1_{CANARY}"))) as server, Client(base_url=server.url, timeout=0.5) as client:
        try:
            shown += all_texts(client.get_number("tg", country="22", max_price=80).purchase)
        except sastaotp.SastaotpError as error:
            shown += texts_of_error(error)
    assert CANARY not in shown + everything_is_logged.getvalue()


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    "settings",
    [{}, {"base_url": "nowhere"}, {"timeout": "x"}, {"budget": 1.5}, {"ca_pem": "x"}, {"max_connections": 0}],
)
def test_a_client_that_cannot_be_made_does_not_show_the_key_it_got(kind: Any, settings: Any) -> None:
    spoiled = {} if settings else {"user_agent": "\n"}
    # Not in a variable of this test, which a traceback would show.
    shown = failing(lambda: kind(os.environ["SASTAOTP_API_KEY"], **settings, **spoiled))
    # A key that is none.
    shown += failing(lambda: kind(os.environ["SASTAOTP_API_KEY"] + "\0"))
    shown += failing(lambda: kind(os.environ["SASTAOTP_API_KEY"] + " x"))
    shown += failing(lambda: kind(os.environ["SASTAOTP_API_KEY"] + "\ud800"))
    shown += failing(lambda: kind(os.environ["SASTAOTP_API_KEY"].encode()))
    assert CANARY not in shown


async def test_a_task_that_fails_does_not_show_it(sastaotp_sandbox: Sandbox, everything_is_logged: io.StringIO) -> None:
    asyncio.get_running_loop().set_debug(True)
    shown = ""
    async with AsyncClient(base_url=sastaotp_sandbox.url) as client:
        for call in (client.get_status("999999"), client.get_number("zz_lost_reply", country="22", max_price=80)):
            task = asyncio.ensure_future(call)
            await asyncio.wait([task])
            error = task.exception()
            assert error is not None
            shown += repr(task) + texts_of_error(error)
        shown += all_texts(client)
    assert CANARY not in shown + everything_is_logged.getvalue()
