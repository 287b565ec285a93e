"""How the blocking client runs operations: on its session, until each has its result.

_async_runner.py has the same names, for the asyncio client.
"""

from __future__ import annotations

from functools import partial
from typing import Callable, Optional

from . import _ends, _operations
from ._arguments import OnTooEarly
from ._base import A, BaseActivation, BaseClient, BaseLease
from ._models import ActivationData
from ._native_queue import R, identity
from ._operations import Operation, T


class ClientRunner(BaseClient[A]):
    """Runs the operations of a client in the threads that call it."""

    def _run(self, operation: Operation[T]) -> T:
        return self._open_session().run(operation, identity)

    def _buy(self, operation: Operation[ActivationData]) -> A:
        session = self._open_session()
        return session.run(operation, partial(self._bought, session))

    def _run_on(
        self, activation: BaseActivation, operation: Operation[T], convert: Callable[[T], R]
    ) -> R:
        """Run an operation on a number, and hold the number from now on."""
        session = self._open_session()
        activation._claim(session)
        return session.run(operation, convert)

    def _list_dropped(self) -> None:
        """List the numbers whose handles are gone, of every client of this process."""
        _ends.list_dropped()

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
        return self._hold(self._client._bought(self._session, data))

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
            self._session.mark_unclaimed(activation.id)
            if self._must_raise(activation, failure, error):
                raise
        finally:
            self._session.settling.discard(self)
