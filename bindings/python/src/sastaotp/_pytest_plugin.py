"""The pytest fixture ``sastaotp_sandbox``, which pytest finds through an entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

import pytest

if TYPE_CHECKING:
    from .testing import Sandbox


@pytest.fixture(scope="session")
def sastaotp_sandbox() -> Iterator[Sandbox]:
    """A sandbox for the whole test run. Each ``sastaotp_sandbox.client()`` has its own wallet."""
    from .testing import Sandbox

    with Sandbox() as sandbox:
        yield sandbox
