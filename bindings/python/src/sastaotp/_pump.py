"""The completions of a session, brought to the coroutines of one event loop that wait for them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from ctypes import c_uint64
from typing import Any, Deque, Optional, TypeVar

from ._operations import Operation
from ._session import Completion, Session

T = TypeVar("T")

#: Operations that begin in one turn of the loop: where a thousand are asked for at once, others have their turns between.
_BEGUN = 64
#: How often completions are looked for where the loop cannot watch a descriptor, in seconds.
_PAUSE = 0.02


class _Call:
    """An operation that somebody waits for. Its ticket is 0 until it begins."""

    __slots__ = ("future", "operation", "ticket")

    def __init__(self, operation: Operation[Any], future: asyncio.Future[Completion]) -> None:
        self.operation = operation
        self.future = future
        self.ticket = c_uint64()


class Pump:
    """Watches the queue's descriptor while something is open, and nothing otherwise: then a loop may be closed.

    Only the thread of its loop uses it.
    """

    def __init__(self, session: Session, loop: asyncio.AbstractEventLoop) -> None:
        self.session = session
        self.loop = loop
        self._waiting: Deque[_Call] = deque()
        self._open: dict[int, _Call] = {}
        self._fd: Optional[int] = None
        self._timer: Optional[asyncio.TimerHandle] = None

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits."""
        return bool(self._open or self._waiting) and not self.loop.is_closed()

    async def run(self, operation: Operation[T]) -> T:
        """Begins an operation and waits for its end. A cancellation gives it up."""
        started = time.monotonic()
        call = _Call(operation, self.loop.create_future())
        self._waiting.append(call)
        if len(self._waiting) == 1:
            self.loop.call_soon(self._begin)
        try:
            return self.session.finish(operation, await call.future, started)
        except BaseException:
            self._drop(call)
            raise

    def end(self) -> None:
        """Cancels what is open: whoever waits learns it with the next turn of the loop."""
        while self._waiting:
            self._begin()
        for ticket in self._open:
            self.session.cancel(ticket)

    def abandon(self) -> None:
        """Gives up what a loop that is closed left open."""
        self._waiting.clear()
        for call in list(self._open.values()):
            self._drop(call)

    def _begin(self) -> None:
        for _ in range(min(_BEGUN, len(self._waiting))):
            call = self._waiting.popleft()
            if call.future.done():
                continue
            try:
                self.session.begin(call.operation, call.ticket)
            except Exception as error:
                call.future.set_exception(error)
            else:
                self._open[call.ticket.value] = call
        self._watch()
        if self._waiting:
            self.loop.call_soon(self._begin)

    def _drop(self, call: _Call) -> None:
        """Gives up a call whose caller is gone."""
        self._open.pop(call.ticket.value, None)
        self._rest()
        if call.future.done() and not call.future.cancelled() and call.future.exception() is None:
            # It came, and in the same moment the caller went.
            self.session.disown(call.operation, call.future.result())
        elif call.ticket.value:
            self.session.give_up(call.operation, call.ticket.value)

    def _watch(self) -> None:
        if not self._open or self._fd is not None or self._timer is not None:
            return
        fd = self.session.fd
        try:
            self.loop.add_reader(fd, self._drain)
            self._fd = fd
        except NotImplementedError:
            self._timer = self.loop.call_later(_PAUSE, self._look)

    def _look(self) -> None:
        self._timer = None
        self._drain()
        self._watch()

    def _drain(self) -> None:
        for completion in self.session.take():
            call = self._open.pop(completion.ticket, None)
            if call is None:
                continue
            if call.future.done():
                self.session.disown(call.operation, completion)
            else:
                call.future.set_result(completion)
        self._rest()

    def _rest(self) -> None:
        if self._open or self.loop.is_closed():
            return
        if self._fd is not None:
            self.loop.remove_reader(self._fd)
            self._fd = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
