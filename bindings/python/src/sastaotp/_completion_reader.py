"""Delivers the completions of a session to the coroutines of one event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from ctypes import c_uint64
from typing import Any, Callable, Deque, Optional, TypeVar

from . import _operations
from ._completion_thread import CompletionThread
from ._errors import CallCancelledError, SastaotpError
from ._native_queue import STORE_CHECK, TAKE_BATCH, Completion, Session
from ._operations import Operation

T = TypeVar("T")
R = TypeVar("R")

#: The most operations submitted in one callback, so that the loop can run others in between.
SUBMIT_BATCH = 32
#: How often to poll for completions if there can be neither a descriptor nor a thread, in seconds.
POLL_INTERVAL = 0.02


class _Call:
    """An operation that a coroutine waits for.

    The ticket is 0 until the operation is submitted. The future is done when the completion is set.
    """

    __slots__ = ("completion", "future", "operation", "survives_close", "ticket")

    def __init__(
        self, operation: Operation[Any], future: asyncio.Future[None], survives_close: bool
    ) -> None:
        self.operation = operation
        self.future = future
        #: Whether the operation continues when the client is closed.
        self.survives_close = survives_close
        self.ticket = c_uint64()
        self.completion: Optional[Completion] = None


class CompletionReader:
    """Submits operations and reads their completions on one event loop.

    It watches the queue's descriptor only while an operation is in flight, so an idle loop can be
    closed. If the loop cannot watch it, a thread takes the completions instead. Only the loop's
    thread may use the reader, apart from ``is_reading`` and ``notify``.

    Ctrl-C may interrupt any callback. Therefore a call stays in its collection until it is
    delivered. And a callback first schedules itself again, and cancels that when it has finished.
    """

    def __init__(self, session: Session, loop: asyncio.AbstractEventLoop) -> None:
        self.session = session
        self.loop = loop
        #: Calls that are not submitted yet.
        self._waiting: Deque[_Call] = deque()
        self._submit_scheduled = False
        #: Calls that are submitted, by ticket.
        self._submitted: dict[int, _Call] = {}
        #: Local operations whose results are not needed, by ticket.
        self._local: dict[int, asyncio.Future[None]] = {}
        self._fd: Optional[int] = None
        self._thread: Optional[CompletionThread] = None
        #: Whether the thread has scheduled a callback that has not started yet.
        self._is_notified = False
        self._timer: Optional[asyncio.TimerHandle] = None

    @property
    def is_busy(self) -> bool:
        """Whether a coroutine waits for an operation."""
        return bool(self._submitted or self._waiting) and not self.loop.is_closed()

    async def run(
        self,
        operation: Operation[T],
        convert: Callable[[T], R],
        *,
        survives_close: bool = False,
    ) -> R:
        """Submit an operation, wait for its completion, and return the converted result.

        Cancelling the task abandons the operation. Closing the client cancels it, unless
        ``survives_close`` is set.
        """
        started = time.monotonic()
        call = _Call(operation, self.loop.create_future(), survives_close)
        try:
            self._waiting.append(call)
            self._schedule_submit()
            await call.future
            assert call.completion is not None
            # Nothing may follow this line: an interruption after it would lose the purchase.
            return convert(self.session.result(operation, call.completion, started))
        except SastaotpError:
            raise
        except BaseException:
            self._abandon(call)
            raise
        finally:
            # The future may have the error: that cycle would keep the caller's handle alive.
            del call

    def cancel_all(self) -> None:
        """Cancel all operations that do not survive closing the client."""
        for call in self._waiting:
            if not call.survives_close and not call.future.done():
                name = call.operation.name
                call.future.set_exception(
                    CallCancelledError(f"{name}: the client was closed: nothing was sent")
                )
        for ticket, call in self._submitted.items():
            if not call.survives_close:
                self.session.cancel(ticket)

    async def wait_until_idle(self) -> None:
        """Wait until no operation is pending."""
        while self._submitted or self._waiting or self._local:
            calls = (*self._submitted.values(), *self._waiting)
            await asyncio.wait([*(call.future for call in calls), *self._local.values()])
            # The coroutine that received the result runs first: it may have a lease to settle.
            await asyncio.sleep(0)

    def abandon_all(self) -> None:
        """Abandon the operations of a closed event loop."""
        calls = [*self._waiting, *self._submitted.values()]
        self._waiting.clear()
        for call in calls:
            self._abandon(call)

    def run_local(self, operation: Operation[Any]) -> None:
        """Start an operation that sends no request, without blocking the loop."""
        if self.loop.is_closed():
            self.session.run_local(operation)
            return
        ticket = c_uint64()
        self.session.submit(operation, ticket)
        self._local[ticket.value] = self.loop.create_future()
        self._start_reading()

    async def stop(self) -> None:
        """End the threads that otherwise keep the core's client for another second."""
        threads = [
            thread for thread in self.session.threads if thread is self._thread or thread.is_idle
        ]
        for thread in threads:
            thread.is_stopped = True
            # The completion of this local operation wakes a thread. No call waits for it.
            self.session.submit(_operations.budget_left(), c_uint64())
        # A thread cannot set an event of asyncio: its loop may be closed.
        while any(thread.is_alive for thread in threads):  # noqa: ASYNC110
            await asyncio.sleep(STORE_CHECK)

    def _schedule_submit(self) -> None:
        if not self._submit_scheduled:
            # Twice, because Ctrl-C may interrupt the first callback before its first line.
            self.loop.call_soon(self._submit_batch)
            self.loop.call_soon(self._submit_batch)
            self._submit_scheduled = True

    def _submit_batch(self) -> None:
        again = self.loop.call_soon(self._submit_batch)
        for _ in range(min(SUBMIT_BATCH, len(self._waiting))):
            self._submit_one(self._waiting[0])
            self._waiting.popleft()
        self._start_reading()
        if not self._waiting:
            self._submit_scheduled = False
            again.cancel()

    def _submit_one(self, call: _Call) -> None:
        if call.future.done():
            return
        try:
            if not call.ticket.value:
                self.session.submit(call.operation, call.ticket)
        except Exception as error:
            call.future.set_exception(error)
        else:
            self._submitted[call.ticket.value] = call

    def _abandon(self, call: _Call) -> None:
        """Abandon a call whose coroutine was cancelled or interrupted."""
        if not self.loop.is_closed():
            # A call that is not submitted yet must not be submitted later.
            call.future.cancel()
        self._submitted.pop(call.ticket.value, None)
        if call.ticket.value:
            is_delivered = call.completion is not None
            self.session.abandon(call.operation, call.ticket.value, is_delivered=is_delivered)
        # The garbage collector abandons the call again if its task was never finished.
        call.ticket.value = 0
        self._stop_reading_if_idle()

    def _start_reading(self) -> None:
        is_idle = not (self._submitted or self._local)
        if is_idle or self._fd is not None or self._timer is not None:
            return
        if self._thread is None:
            if self._watch_descriptor():
                return
        elif not self._thread.has_ended:
            return
        thread = CompletionThread(self.session, self)
        try:
            thread.start()
            self._thread = thread
        except RuntimeError:
            # The process has too many threads, or the interpreter is about to exit.
            self._timer = self.loop.call_later(POLL_INTERVAL, self._poll)

    def _watch_descriptor(self) -> bool:
        """Watch the descriptor. False if the loop cannot watch one, or if there is none."""
        if type(self.loop).add_reader is asyncio.AbstractEventLoop.add_reader:
            # Checked before `fd`, which may create a descriptor.
            return False
        fd = self.session.fd
        if fd == -1:
            return False
        try:
            self.loop.add_reader(fd, self._read_completions)
        except NotImplementedError:
            return False
        self._fd = fd
        return True

    def _poll(self) -> None:
        self._timer = self.loop.call_later(POLL_INTERVAL, self._poll)
        self._read_completions()

    @property
    def is_reading(self) -> bool:
        """Whether the completion of an operation is still to be delivered. Any thread."""
        return bool(self._submitted or self._local) and not self.loop.is_closed()

    def notify(self, has_new: bool) -> None:
        """Schedule the delivery of completions. Any thread.

        :param has_new: whether completions arrived since the last call. They may be of an operation
            that the loop's thread is about to record.
        """
        if self._is_notified or not (has_new or self._arrived()):
            return
        self._is_notified = True
        # If the loop is closed, the completions stay in `session.arrived` for `abandon_all`.
        with suppress(RuntimeError):
            # Twice, because Ctrl-C may interrupt the first callback before its first line.
            self.loop.call_soon_threadsafe(self._read_completions)
            self.loop.call_soon_threadsafe(self._read_completions)

    def _arrived(self) -> list[int]:
        """Return the tickets of this reader that have arrived and are not delivered."""
        arrived = {*self.session.arrived}
        return [*(self._submitted.keys() & arrived), *(self._local.keys() & arrived)]

    def _read_completions(self) -> None:
        again = self.loop.call_soon(self._read_completions)
        self._is_notified = False
        if self._thread is None or self._thread.has_ended:
            self.session.take()
        tickets = self._arrived()
        for ticket in tickets[:TAKE_BATCH]:
            completion = self.session.arrived.get(ticket)
            if completion is not None:
                self._deliver(ticket, completion)
            self.session.arrived.pop(ticket, None)
        self._stop_reading_if_idle()
        if len(tickets) <= TAKE_BATCH:
            again.cancel()

    def _deliver(self, ticket: int, completion: Completion) -> None:
        call = self._submitted.get(ticket)
        if call is not None:
            call.completion = completion
            self._wake(call.future)
            self._submitted.pop(ticket, None)
        elif ticket in self._local:
            self._wake(self._local[ticket])
            del self._local[ticket]

    @staticmethod
    def _wake(future: asyncio.Future[None]) -> None:
        if not future.done():
            future.set_result(None)

    def _stop_reading_if_idle(self) -> None:
        if self._submitted or self._local or self.loop.is_closed():
            return
        if self._fd is not None:
            self.loop.remove_reader(self._fd)
            self._fd = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
