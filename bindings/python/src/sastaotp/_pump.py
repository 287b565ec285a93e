"""The completions of a session, brought to the coroutines of one event loop that wait for them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from ctypes import c_uint64
from typing import Any, Callable, Deque, Optional, TypeVar

from ._errors import Cancelled, SastaotpError
from ._operations import Operation
from ._session import Completion, Session

T = TypeVar("T")
R = TypeVar("R")

#: Operations that begin in one turn of the loop: where a thousand are asked for at once, others have their turns between.
_BEGUN = 32
#: How often completions are looked for where the loop cannot watch a descriptor, in seconds.
_PAUSE = 0.02


class _Call:
    """An operation that somebody waits for. Its ticket is 0 until it begins; its future is done once it has a completion."""

    __slots__ = ("completion", "future", "lasting", "operation", "ticket")

    def __init__(self, operation: Operation[Any], future: asyncio.Future[None], lasting: bool) -> None:
        self.operation = operation
        self.future = future
        #: Whether it goes on when the client is closed.
        self.lasting = lasting
        self.ticket = c_uint64()
        self.completion: Optional[Completion] = None


class Pump:
    """Watches the queue's descriptor while something is open, and nothing otherwise: then a loop may be closed.

    Only the thread of its loop uses it. Ctrl-C may strike in any of its callbacks: what is under way stays where it is until
    it is handed over, and a callback schedules itself again before it does anything, and takes that back once all is done.
    """

    def __init__(self, session: Session, loop: asyncio.AbstractEventLoop) -> None:
        self.session = session
        self.loop = loop
        self._waiting: Deque[_Call] = deque()
        #: Whether those that wait will begin.
        self._begins = False
        self._open: dict[int, _Call] = {}
        #: The numbers that are about to be listed as unclaimed, by ticket.
        self._leaving: dict[int, asyncio.Future[None]] = {}
        self._fd: Optional[int] = None
        self._timer: Optional[asyncio.TimerHandle] = None

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits."""
        return bool(self._open or self._waiting) and not self.loop.is_closed()

    async def run(self, operation: Operation[T], made: Callable[[T], R], *, lasting: bool = False) -> R:
        """Begins an operation, waits for its end, and returns what is made of its result. A cancellation gives it up.

        What is lasting goes on when the client is closed.
        """
        started = time.monotonic()
        call = _Call(operation, self.loop.create_future(), lasting)
        try:
            self._waiting.append(call)
            self._schedule()
            await call.future
            assert call.completion is not None
            # The last that is done: afterwards an interruption would lose what was bought.
            return made(self.session.finish(operation, call.completion, started))
        except SastaotpError:
            raise
        except BaseException:
            self._drop(call)
            raise

    def end(self) -> None:
        """Ends what is not lasting: whoever waits learns it with the next turn of the loop."""
        for call in self._waiting:
            if not call.lasting and not call.future.done():
                call.future.set_exception(Cancelled(f"{call.operation.name}: the client was closed before it began"))
        for ticket, call in self._open.items():
            if not call.lasting:
                self.session.cancel(ticket)

    async def rest(self) -> None:
        """Waits until nothing is open."""
        while self._open or self._waiting or self._leaving:
            await asyncio.wait(
                [call.future for call in (*self._open.values(), *self._waiting)] + [*self._leaving.values()]
            )
            # Whoever waited goes first: it may have a lease to settle.
            await asyncio.sleep(0)

    def abandon(self) -> None:
        """Gives up what a loop that is closed left open."""
        calls = [*self._waiting, *self._open.values()]
        self._waiting.clear()
        for call in calls:
            self._drop(call)

    def leave(self, id: str) -> None:
        """Lists a number as unclaimed, and does not hold the loop up for it."""
        if self.loop.is_closed():
            self.session.leave(id)
            return
        ticket = c_uint64()
        self.session.begin_to_leave(id, ticket)
        self._leaving[ticket.value] = self.loop.create_future()
        self._watch()

    async def left(self) -> None:
        """Waits until all numbers are listed that were left."""
        if self._leaving:
            await asyncio.wait([*self._leaving.values()])

    def _schedule(self) -> None:
        if not self._begins:
            # Twice: one may be interrupted before it does anything.
            self.loop.call_soon(self._begin)
            self.loop.call_soon(self._begin)
            self._begins = True

    def _begin(self) -> None:
        again = self.loop.call_soon(self._begin)
        for _ in range(min(_BEGUN, len(self._waiting))):
            self._begin_one(self._waiting[0])
            self._waiting.popleft()
        self._watch()
        if not self._waiting:
            self._begins = False
            again.cancel()

    def _begin_one(self, call: _Call) -> None:
        if call.future.done():
            return
        try:
            if not call.ticket.value:
                self.session.begin(call.operation, call.ticket)
        except Exception as error:
            call.future.set_exception(error)
        else:
            self._open[call.ticket.value] = call

    def _drop(self, call: _Call) -> None:
        """Gives up a call whose caller is gone."""
        if not self.loop.is_closed():
            # What did not begin is not to begin.
            call.future.cancel()
        self._open.pop(call.ticket.value, None)
        completion, call.completion = call.completion, None
        if completion is None and call.ticket.value:
            completion = self.session.end(call.ticket.value)
        if completion is not None:
            # It came, and in the same moment the caller went.
            id = self.session.left_behind(call.operation, completion)
            if id is not None:
                self.leave(id)
        self._rest()

    def _watch(self) -> None:
        if not (self._open or self._leaving) or self._fd is not None or self._timer is not None:
            return
        fd = self.session.fd
        try:
            self.loop.add_reader(fd, self._drain)
            self._fd = fd
        except NotImplementedError:
            self._timer = self.loop.call_later(_PAUSE, self._look)

    def _look(self) -> None:
        self._timer = self.loop.call_later(_PAUSE, self._look)
        self._drain()

    def _drain(self) -> None:
        again = self.loop.call_soon(self._drain)
        for ticket, completion in [*self.session.take().items()]:
            self._hand_over(ticket, completion)
            del self.session.arrived[ticket]
        self._rest()
        again.cancel()

    def _hand_over(self, ticket: int, completion: Completion) -> None:
        call = self._open.get(ticket)
        if call is not None:
            # Where the future was cancelled, its caller finds it as it goes.
            call.completion = completion
            self._wake(call.future)
            self._open.pop(ticket, None)
        elif ticket in self._leaving:
            self._wake(self._leaving[ticket])
            del self._leaving[ticket]

    @staticmethod
    def _wake(future: asyncio.Future[None]) -> None:
        if not future.done():
            future.set_result(None)

    def _rest(self) -> None:
        if self._open or self._leaving or self.loop.is_closed():
            return
        if self._fd is not None:
            self.loop.remove_reader(self._fd)
            self._fd = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
