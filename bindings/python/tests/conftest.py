"""Fixtures and helpers of the tests. The tests of a process share one sandbox, from the package's
fixture.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import warnings
from asyncio.selector_events import BaseSelectorEventLoop
from pathlib import Path
from typing import Any, AsyncIterator, Callable, Iterator, List, NamedTuple

import pytest

from sastaotp import AsyncClient, Client, _settings
from sastaotp.testing import Sandbox

#: The root of the checkout, which has the header and the shared cases.
ROOT = Path(__file__).resolve().parents[3]

#: A limit in seconds for calls that end at once. On any machine, only a hang exceeds it.
HANG = 30.0


#: For tests that fork. Windows has no forks.
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")


def refuse_reader(*_: object) -> None:
    """Stands for ``add_reader`` of a loop that cannot watch a descriptor."""
    raise NotImplementedError


@pytest.fixture(params=["default", "thread"])
def delivery(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test twice: with the default event loop, and with one that watches no descriptor."""
    if request.param == "thread":
        if sys.platform == "win32":
            pytest.skip("the default event loop of this system watches no descriptor")
        monkeypatch.setattr(BaseSelectorEventLoop, "add_reader", refuse_reader)
    return str(request.param)


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Records a measured figure, which is printed at the end of the run."""
    return lambda line: record_property("figure", line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # The tests run in other processes, which send their properties with their results.
    for report in terminalreporter.getreports("passed"):
        for name, line in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(str(line))


@pytest.fixture
def client(sastaotp_sandbox: Sandbox) -> Iterator[Client]:
    with sastaotp_sandbox.client() as client:
        yield client


@pytest.fixture
async def async_client(sastaotp_sandbox: Sandbox) -> AsyncIterator[AsyncClient]:
    async with sastaotp_sandbox.async_client() as client:
        yield client


def until(condition: Callable[[], object]) -> None:
    """Block until a condition is true."""
    end = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.01)


async def until_async(condition: Callable[[], object]) -> None:
    """Run the event loop until a condition is true."""
    end = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < end, "the condition did not become true"
        await asyncio.sleep(0.01)


async def until_submitted(client: AsyncClient) -> None:
    """Run the event loop until an operation of the client is submitted and not complete."""
    await until_async(lambda: client._reader is not None and client._reader._submitted)


class Join(NamedTuple):
    """A slice of the wait of a blocked call."""

    ticket: int
    timeout_ms: int


@pytest.fixture
def joins(monkeypatch: pytest.MonkeyPatch) -> List[Join]:
    """Records the joins of blocked calls. A call whose ticket is here has been submitted."""
    recorded: List[Join] = []
    call = _settings.call

    def record(lib: Any, name: str, *arguments: Any) -> None:
        if name == "sastaotp_queue_join":
            recorded.append(Join(arguments[1].value, arguments[2]))
        call(lib, name, *arguments)

    monkeypatch.setattr("sastaotp._native_queue.call", record)
    return recorded


def press_ctrl_c() -> None:
    """Interrupt the main thread, like Ctrl-C. Call it from another thread."""
    if sys.platform == "win32":
        # The system calls the handler on a thread that it starts.
        signal.raise_signal(signal.SIGINT)
    else:
        os.kill(os.getpid(), signal.SIGINT)


def fork(body: Callable[[], None]) -> int:
    """Run a function in a forked child, which exits with 0 if the function returns."""
    with warnings.catch_warnings():
        # Python 3.12 warns about forks beside threads. The tests show that they work.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            body()
            code = 0
        finally:
            os._exit(code)
    return child
