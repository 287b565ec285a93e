"""What the leases of both clients are."""

from __future__ import annotations

import os
from typing import Generic, Optional, TypeVar

from . import _operations
from ._bought import Bought
from ._errors import Cancelled, UsageError
from ._models import Number, Settlement
from ._operations import Operation
from ._session import log

N = TypeVar("N", bound=Bought)


class Leased(Generic[N]):
    """A number from the beginning of a statement to its end."""

    def __init__(self, operation: Operation[Number], wait_out: bool) -> None:
        self._operation = operation
        self._wait_out = wait_out
        self._number: Optional[N] = None
        #: The process that entered it.
        self._pid: Optional[int] = None
        #: How the order was closed, once it is. Its code may have come as the order was cancelled: then it is paid for.
        self.settlement: Optional[Settlement] = None

    def keep(self) -> None:
        """Leave the order as it is at the end of the statement."""
        self._number = None

    def _enter(self) -> None:
        if self._pid is not None:
            raise UsageError("the lease was entered before, and has one number: make a lease for each")
        self._pid = os.getpid()

    def _hold(self, number: N) -> N:
        self._number = number
        return number

    def _release(self) -> Optional[N]:
        """The number to settle. That of another process, which a fork copied, is not ours."""
        number, self._number = self._number, None
        return number if self._pid == os.getpid() else None

    def _settling(self, number: N, error: Optional[BaseException]) -> Operation[Settlement]:
        """How a number is settled after a block that raised an error, or none."""
        # By Ctrl-C, a cancelled task, an exit, a client that is closed: somebody wants to go.
        goes = error is not None and (not isinstance(error, Exception) or isinstance(error, Cancelled))
        return _operations.settle(number.id, self._wait_out and not goes)

    def _settled(self, number: N, settlement: Settlement) -> Settlement:
        known = number.code
        self.settlement = number._closed(settlement)
        if settlement.code is not None and (known is None or known.code != settlement.code.code):
            log.warning("a code came as the lease of %s was settled: the settlement of the lease has it", number.id)
        return settlement

    def _raises(self, number: N, failure: BaseException, error: Optional[BaseException]) -> bool:
        """Says whether what kept a number from being settled is to be raised: not beside an error, nor in place of a code."""
        log.warning("the lease of %s could not be settled: %s", number.id, str(failure) or type(failure).__name__)
        return not isinstance(failure, Exception) or (error is None and number.code is None)
