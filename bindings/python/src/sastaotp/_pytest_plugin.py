"""The fixture for pytest. It is found by its entry point: nothing is to be imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

import pytest

if TYPE_CHECKING:
    from .testing import Sandbox


@pytest.fixture(scope="session")
def sastaotp_sandbox() -> Iterator[Sandbox]:
    """A sandbox for the whole run: ``sastaotp_sandbox.client()`` has a wallet of its own."""
    from .testing import Sandbox

    with Sandbox() as sandbox:
        yield sandbox
