"""How the blocking client runs operations: on its session, until each has its result.

_async_runner.py has the same names, for the asyncio client.
"""

from __future__ import annotations

from functools import partial
from typing import Callable, Optional

from . import _ends, _operations
from ._arguments import OnTooEarly
from ._base import A, BaseClient, BaseLease
from ._models import ActivationData
from ._native_queue import R, identity
from ._operations import Operation, T


class ClientRunner(BaseClient[A]):
    """Runs the operations of a client in the threads that call it."""

    def _run(self, operation: Operation[T]) -> T:
        return self._open_session().run(operation, identity)

    def _convert(self, operation: Operation[T], convert: Callable[[T], R]) -> R:
        return self._open_session().run(operation, convert)

    def _buy(self, operation: Operation[ActivationData]) -> A:
        return self._convert(operation, partial(self._bought, operation))

    def _free_abandoned(self) -> None:
        """Free the completions of abandoned calls: each can hold a number."""
        self._open_session().free_unwanted()

    def _close(self) -> None:
        """End the session, and report its purchases."""
        session = self._end_session()
        if session is not None:
            _ends.report(session, session.end_wait)


class LeaseRunner(BaseLease[A]):
    """Buys and settles the number of a lease in the thread that enters it."""

    def __init__(
        self,
        client: ClientRunner[A],
        operation: Operation[ActivationData],
        on_too_early: OnTooEarly,
    ) -> None:
        super().__init__(operation, on_too_early)
        self._client = client

    def _buy(self) -> A:
        self._mark_entered()
        self._session = self._client._open_session()
        return self._session.run(self._operation, self._activate)

    def _activate(self, data: ActivationData) -> A:
        self._activation = self._client._bought(self._operation, data)
        return self._activation

    def _keep(self) -> None:
        activation = self._release()
        if activation is not None:
            self._session.run_local(_operations.keep(activation.id))

    def _settle(self, error: Optional[BaseException]) -> None:
        """Settle the number, given the error that ended the block."""
        activation = self._release()
        if activation is None:
            return
        self._session.settling.add(self)
        try:
            self._session.run(
                self._settle_operation(activation, error),
                partial(self._keep_settlement, activation),
                survives_close=True,
            )
        except BaseException as failure:
            if self._must_raise(activation, failure, error):
                raise
        finally:
            self._session.settling.discard(self)
