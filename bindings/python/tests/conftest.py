"""What the tests share: one sandbox, from the fixture that the package gives to pytest."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import AsyncIterator, Callable, Iterator, List

import pytest

from sastaotp import AsyncClient, Client
from sastaotp.testing import Sandbox

#: The root of the checkout, whose header and cases the package is compared with.
ROOT = Path(__file__).resolve().parents[3]

#: What was measured, to be shown at the end.
FIGURES: List[str] = []


@pytest.fixture
def figure() -> Callable[[str], None]:
    return FIGURES.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in FIGURES:
        terminalreporter.write_line(line)


@pytest.fixture
def client(sastaotp_sandbox: Sandbox) -> Iterator[Client]:
    with sastaotp_sandbox.client() as client:
        yield client


@pytest.fixture
async def async_client(sastaotp_sandbox: Sandbox) -> AsyncIterator[AsyncClient]:
    async with sastaotp_sandbox.async_client() as client:
        yield client


def fork(body: Callable[[], None]) -> int:
    """Runs something in a child that ends with 0 where it succeeds."""
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads: that they work is what is shown here.
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
