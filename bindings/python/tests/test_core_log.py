"""The log of the core reaches the logger of Python, from threads of Python."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from typing import Any, Callable, Iterator, List

import pytest

import sastaotp
from sastaotp import _core_log
from sastaotp.testing import Sandbox

#: The sandbox answers one request with text before the data, which the core reports as a warning.
ODD_REPLY = {"fault": "text_before_json"}
WARNING = "unexpected text before its data"

PROGRAM = """
import sys
import sastaotp
client = sastaotp.Client(sys.argv[2], base_url=sys.argv[1])
client.get_balance()
"""


@pytest.fixture
def set_level() -> Iterator[Callable[[int], None]]:
    """Sets the level of the logger for the clients that are made next."""
    log = logging.getLogger("sastaotp")
    before = log.level
    yield log.setLevel
    log.setLevel(before)


def messages(caplog: pytest.LogCaptureFixture, level: int) -> List[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


@pytest.mark.parametrize(
    ("level", "has_warning", "has_requests"),
    [
        (logging.DEBUG, True, True),
        (logging.WARNING, True, False),
        (logging.ERROR, False, False),
        (logging.CRITICAL + 1, False, False),
    ],
)
def test_level_of_the_logger_applies_to_the_core(
    sastaotp_sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    set_level: Any,
    level: int,
    has_warning: bool,
    has_requests: bool,
) -> None:
    set_level(level)
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(api_key=key) as client:
        sastaotp_sandbox.control("faults", ODD_REPLY, api_key=key)
        client.get_balance()
    assert (WARNING in " ".join(messages(caplog, logging.WARNING))) == has_warning
    assert ("HTTP status 200" in " ".join(messages(caplog, logging.DEBUG))) == has_requests
    assert key not in caplog.text


async def test_event_loop_delivers_the_log_on_a_thread_of_the_program(
    sastaotp_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    key = sastaotp_sandbox.key()
    async with sastaotp_sandbox.async_client(api_key=key) as client:
        sastaotp_sandbox.control("faults", ODD_REPLY, api_key=key)
        await asyncio.gather(*(client.get_balance() for _ in range(3)))
    (record,) = (record for record in caplog.records if WARNING in record.getMessage())
    assert record.thread == threading.get_ident()


def test_warnings_of_the_core_are_printed_by_default(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    sastaotp_sandbox.control("faults", ODD_REPLY, api_key=key)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, sastaotp_sandbox.url, key],
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = ended.stderr.splitlines()
    assert WARNING in line


def test_new_level_keeps_the_messages_so_far(
    sastaotp_sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    set_level: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = sastaotp_sandbox.key()
    with sastaotp_sandbox.client(api_key=key) as client:
        with monkeypatch.context() as patch:
            patch.setattr(_core_log, "deliver", lambda _: None)
            sastaotp_sandbox.control("faults", ODD_REPLY, api_key=key)
            client.get_balance()
        assert WARNING not in caplog.text
        set_level(logging.DEBUG)
        sastaotp.Client(key, base_url=sastaotp_sandbox.url).close()
        assert WARNING in caplog.text
