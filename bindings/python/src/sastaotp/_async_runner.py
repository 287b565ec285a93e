"""How the asyncio client runs operations: on readers of its event loop.

_sync_runner.py has the same names, for the blocking client.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Callable, Optional

from . import _ends, _operations
from ._arguments import OnTooEarly
from ._base import A, BaseClient, BaseLease
from ._completion_reader import CompletionReader
from ._errors import SastaotpError, UsageError
from ._models import ActivationData
from ._native_queue import LOCAL_TIMEOUT, STORE_CHECK, R, identity
from ._operations import Operation, T
from ._running_loop import running_loop


class ClientRunner(BaseClient[A]):
    """Runs the operations of a client on the running event loop."""

    #: The reader of the last loop that used the client.
    _reader: Optional[CompletionReader] = None

    async def _run(self, operation: Operation[T]) -> T:
        return await self._reader_of_loop().run(operation, identity)

    async def _convert(self, operation: Operation[T], convert: Callable[[T], R]) -> R:
        return await self._reader_of_loop().run(operation, convert)

    async def _buy(self, operation: Operation[ActivationData]) -> A:
        return await self._convert(operation, partial(self._bought, operation))

    def _enter(self) -> None:
        running_loop()
        super()._enter()

    async def _free_abandoned(self) -> None:
        """Free the completions of abandoned calls: each can hold a number."""
        session = self._open_session()
        end = time.monotonic() + LOCAL_TIMEOUT
        # A thread cannot set an event of asyncio: its loop may be closed.
        while session.free_unwanted() and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(STORE_CHECK)

    def _reader_of_loop(self) -> CompletionReader:
        """Return the reader of the running loop, and abandon the calls of a loop that ended."""
        session, loop, reader = self._open_session(), running_loop(), self._reader
        if reader is None or reader.session is not session or reader.loop is not loop:
            if reader is not None and reader.session is session:
                if reader.is_busy:
                    raise UsageError(
                        "the client is in use by another event loop: make a client for each loop"
                    )
                reader.abandon_all()
            self._reader = reader = CompletionReader(session, loop)
        return reader

    async def _close(self) -> None:
        """End the session, and report its purchases."""
        if self._session is None:
            return
        loop = running_loop()
        reader, self._reader = self._reader, None
        session = self._end_session()
        if session is None:
            return
        if reader is None or reader.session is not session:
            reader = CompletionReader(session, loop)
        elif reader.loop is not loop:
            if reader.loop.is_closed():
                reader.abandon_all()
            else:
                reader.loop.call_soon_threadsafe(reader.cancel_all)
            reader = CompletionReader(session, loop)
        reader.cancel_all()
        try:
            await reader.wait_until_idle()
            finish = reader.run(_operations.finish(session.end_wait), identity, survives_close=True)
            listed = await asyncio.wait_for(finish, session.end_wait + LOCAL_TIMEOUT)
        except BaseException as error:
            # A cancelled task ends the wait, not the report.
            _ends.report_now(session)
            if not isinstance(error, (asyncio.TimeoutError, SastaotpError)):
                raise
        else:
            _ends.report_listed(session, listed)
        await reader.stop()


class LeaseRunner(BaseLease[A]):
    """Buys and settles the number of a lease on the event loop that enters it."""

    def __init__(
        self,
        client: ClientRunner[A],
        operation: Operation[ActivationData],
        on_too_early: OnTooEarly,
    ) -> None:
        super().__init__(operation, on_too_early)
        self._client = client

    async def _buy(self) -> A:
        self._mark_entered()
        self._reader = self._client._reader_of_loop()
        return await self._reader.run(self._operation, self._activate)

    def _activate(self, data: ActivationData) -> A:
        self._activation = self._client._bought(self._operation, data)
        return self._activation

    def _keep(self) -> None:
        activation = self._release()
        if activation is not None:
            self._reader.run_local(_operations.keep(activation.id))

    async def _settle(self, error: Optional[BaseException]) -> None:
        """Settle the number, given the error that ended the block."""
        activation = self._release()
        if activation is None:
            return
        try:
            await self._reader.run(
                self._settle_operation(activation, error),
                partial(self._keep_settlement, activation),
                survives_close=True,
            )
        except BaseException as failure:
            if self._must_raise(activation, failure, error):
                raise
