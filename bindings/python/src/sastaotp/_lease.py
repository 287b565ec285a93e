"""What leases of both clients decide by."""

from __future__ import annotations

from typing import Optional

from ._session import log


def interrupted(error: Optional[BaseException]) -> bool:
    """Whether a block ended because somebody wants to go: by Ctrl-C, a cancelled task, an exit."""
    return error is not None and not isinstance(error, Exception)


def unsettled(id: str, failure: BaseException, error: Optional[BaseException]) -> bool:
    """Says whether what kept a number from being settled is to be raised, beside what the block raised."""
    log.warning("the lease of %s could not be settled: %s", id, failure)
    return error is None or not isinstance(failure, Exception)
