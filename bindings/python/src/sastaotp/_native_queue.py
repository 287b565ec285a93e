"""The core's client and queue: submits operations, waits for completions, abandons operations.

Invariant: the result of a purchase reaches its caller or is listed as unclaimed, even if Ctrl-C
interrupts any line of this module. A number whose handles are gone is listed too.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import weakref
from collections import deque
from contextlib import suppress
from ctypes import byref, c_size_t, c_uint64, memmove, memset, sizeof
from functools import partial
from operator import methodcaller
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Deque,
    Iterator,
    NamedTuple,
    Optional,
    TypeVar,
    Union,
)

from . import _c_api, _greenlets, _operations
from ._error_json import error_from_json
from ._errors import SastaotpError
from ._log_text import log_text
from ._operations import Operation
from ._settings import Settings, call

if TYPE_CHECKING:
    from ._completion_thread import CompletionThread

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger("sastaotp")

#: The longest time between two checks for Ctrl-C in a blocked thread, in milliseconds.
JOIN_SLICE_MS = 50
#: The most completions taken at once, so that an event loop can run other callbacks in between.
TAKE_BATCH = 64
#: How long a local operation, which sends no request, may take, in seconds.
LOCAL_TIMEOUT = 1.0
#: How often to check whether a thread has stored a completion that it took, in seconds.
STORE_CHECK = 0.001


class Completion(NamedTuple):
    """A finished operation: the JSON of its result or of its error."""

    ticket: int
    json: Optional[bytes]
    error: Optional[bytes]


def identity(result: T) -> T:
    """Return the result unchanged."""
    return result


def at_once(*calls: partial[Any]) -> None:
    """Call functions that are written in C.

    Ctrl-C cannot come between them, because Python checks for it only in its own bytecode.
    """
    deque(map(methodcaller("__call__"), calls), maxlen=0)


class Hold:
    """A number that handles of this process hold. All handles of one number share one hold."""

    __slots__ = ("__weakref__",)


class Batch:
    """Completions that one thread has taken: the first ``unread`` of them are not read yet."""

    __slots__ = ("taken", "unread")

    def __init__(self) -> None:
        self.taken = (_c_api.CompletionPointer * TAKE_BATCH)()
        self.unread = c_size_t()


class Session:
    """The core's client and queue. They are freed with the last reference to the session.

    A request that was already sent continues.
    """

    def __init__(self, settings: Settings) -> None:
        #: How long the end of the program waits for purchases in flight, in seconds.
        self.end_wait = settings.end_wait
        self._lib = settings.lib
        self._client = _c_api.ClientPointer()
        self._queue = _c_api.QueuePointer()
        self.pid = os.getpid()
        #: Any thread may set this. Blocked calls then end with ``CallCancelledError``.
        self.closed = False
        #: Whether the client was garbage-collected without being closed.
        self.is_orphan = False
        #: The leases that are being settled by blocked threads.
        self.settling: set[object] = set()
        self._holds: weakref.WeakValueDictionary[str, Hold] = weakref.WeakValueDictionary()
        #: The ids of numbers whose handles are gone, for the core to list.
        self._dropped: Deque[str] = deque()
        #: Completions that were read and are not delivered yet, by ticket.
        self.arrived: dict[int, Completion] = {}
        #: Completions that no call waits for any more, by ticket. They may still arrive.
        self._unwanted: dict[int, Operation[Any]] = {}
        #: Threads that take completions for event loops.
        self.threads: list[CompletionThread] = []
        #: The readers that take completions for greenlets, by the hub of their thread.
        self.greenlet_readers: dict[object, _greenlets.GreenletReader] = {}
        self._batch = Batch()
        call(self._lib, "sastaotp_client_new", byref(settings.config), byref(self._client))
        call(
            self._lib,
            "sastaotp_queue_new",
            self._client,
            settings.max_connections,
            byref(self._queue),
        )

    def __del__(self) -> None:
        if getattr(self, "_queue", None):
            self._lib.sastaotp_queue_free(self._queue)
        if getattr(self, "_client", None):
            self._lib.sastaotp_client_free(self._client)

    @property
    def in_this_process(self) -> bool:
        """Whether this process created the session. A forked child cannot use its parent's."""
        return self.pid == os.getpid()

    @property
    def fd(self) -> int:
        """A descriptor that is readable while a completion can be taken, or -1.

        On Windows it is a socket, which the first call makes.
        """
        return int(self._lib.sastaotp_queue_fd(self._queue))

    @staticmethod
    def new_batch() -> Batch:
        """Return an empty batch, for a thread that takes completions."""
        return Batch()

    def hold(self, id: str) -> Hold:
        """Return the hold of a number. When it is gone, the core lists the number as unclaimed.

        It takes no lock, because Ctrl-C could leave it locked. If two threads make the first
        handles of a number at the same moment, the number can be listed while one of them lives.
        """
        hold = self._holds.get(id)
        if hold is None:
            hold = self._holds[id] = Hold()
            # The garbage collector may call this on any line of any thread, so it does no more than
            # to store the id.
            dropped = weakref.finalize(hold, self._dropped.append, id)
            dropped.atexit = False
        return hold

    def dropped_numbers(self) -> Iterator[str]:
        """Remove and return the numbers whose handles are gone."""
        while self._dropped:
            try:
                id = self._dropped.popleft()
            except IndexError:
                return
            # A new handle may hold the number.
            if id not in self._holds:
                yield id

    def list_dropped(self) -> None:
        """List the numbers whose handles are gone. Blocks for at most a second each."""
        for id in self.dropped_numbers():
            with suppress(SastaotpError):
                self.run_local(_operations.mark_unclaimed(id))

    def submit(self, operation: Operation[Any], ticket: c_uint64) -> None:
        """Submit an operation and store its ticket in the caller's variable.

        The core writes the ticket, so an interruption cannot lose it.
        """
        call(
            self._lib,
            "sastaotp_queue_submit",
            self._queue,
            operation.request(),
            None,
            byref(ticket),
        )
        log.debug("%s: submitted as %d", operation.name, ticket.value)

    def run(
        self,
        operation: Operation[T],
        convert: Callable[[T], R],
        *,
        survives_close: bool = False,
    ) -> R:
        """Submit an operation, wait for its completion, and return the converted result.

        An interruption abandons the operation. Closing the client cancels it, unless
        ``survives_close`` is set.
        """
        self.list_dropped()
        started = time.monotonic()
        ticket, handle = c_uint64(), _c_api.CompletionPointer()
        completion: Optional[Completion] = None
        try:
            self.submit(operation, ticket)
            while not handle:
                if self.closed and not survives_close:
                    self.cancel(ticket.value)
                greenlets = _greenlets.reader(self)
                if greenlets is not None:
                    greenlets.wait(self, ticket.value)
                    completion = self.arrived.get(ticket.value)
                    if completion is not None:
                        self.arrived.pop(ticket.value, None)
                        break
                    continue
                try:
                    call(
                        self._lib,
                        "sastaotp_queue_join",
                        self._queue,
                        ticket,
                        JOIN_SLICE_MS,
                        byref(handle),
                    )
                except SastaotpError:
                    completion = self._taken_by_thread(operation, ticket.value)
                    if completion is None:
                        raise
                    break
            else:
                completion = self._read(handle)
                self._free(handle)
            # Nothing may follow this line: an interruption after it would lose the purchase.
            return convert(self.result(operation, completion, started))
        except SastaotpError:
            if completion is None and ticket.value:
                self.abandon(operation, ticket.value)
            raise
        except BaseException:
            if handle:
                completion = self._read(handle)
                self._free(handle)
            if completion is not None:
                self._abandon_completion(operation, completion)
            elif ticket.value:
                self.abandon(operation, ticket.value)
            raise

    def result(self, operation: Operation[T], completion: Completion, started: float) -> T:
        """Return the result of an operation, or raise its error."""
        elapsed = time.monotonic() - started
        if completion.error is None and completion.json is not None:
            log.debug("%s: %d done in %.3f s", operation.name, completion.ticket, elapsed)
            return operation.decode(completion.json)
        # A variable with the error would be a reference cycle that keeps the caller's handle alive.
        raise self._error(operation, completion, elapsed)

    def _error(
        self, operation: Operation[Any], completion: Completion, elapsed: float
    ) -> SastaotpError:
        if completion.error is not None:
            error = error_from_json(completion.error)
        else:
            error = SastaotpError(operation.name)
        reason = log_text(error)
        log.debug("%s: %d failed in %.3f s: %s", operation.name, completion.ticket, elapsed, reason)
        return error

    def take(self, batch: Optional[Batch] = None, timeout_ms: int = 0) -> bool:
        """Take completions to ``arrived``, and return whether there were any.

        The caller removes a completion from ``arrived`` once it is delivered. Each thread needs a
        batch; the one of the session is for the thread of the event loop.
        """
        batch = batch or self._batch
        self._read_taken(batch)
        call(
            self._lib,
            "sastaotp_queue_take",
            self._queue,
            batch.taken,
            TAKE_BATCH,
            timeout_ms,
            byref(batch.unread),
        )
        has_new = bool(batch.unread.value)
        self._read_taken(batch)
        self._drop_unwanted()
        return has_new

    def _read_taken(self, batch: Batch) -> None:
        while batch.unread.value:
            handle = batch.taken[batch.unread.value - 1]
            completion = self._read(handle)
            self.arrived[completion.ticket] = completion
            rest = c_size_t(batch.unread.value - 1)
            at_once(
                partial(self._lib.sastaotp_completion_free, handle),
                partial(memmove, byref(batch.unread), byref(rest), sizeof(rest)),
            )

    def _drop_unwanted(self) -> None:
        """Drop the completions that no call waits for, and list the numbers that they bought."""
        for ticket in [*self._unwanted]:
            completion = self.arrived.get(ticket)
            if completion is not None:
                operation = self._unwanted.pop(ticket, None)
                if operation is not None:
                    id = self.abandoned_number(operation, completion)
                    if id is not None:
                        self._dropped.append(id)
                self.arrived.pop(ticket, None)

    def cancel(self, ticket: int) -> None:
        """Complete an operation now: as cancelled, or with a result that has already arrived."""
        self._lib.sastaotp_queue_cancel(self._queue, ticket)

    def cancel_and_take(self, operation: Operation[Any], ticket: int) -> Optional[Completion]:
        """Cancel an operation and take its completion. None if it was taken before."""
        self.cancel(ticket)
        self._read_taken(self._batch)
        for reader in [*self.greenlet_readers.values()]:
            if reader.is_interrupted:
                self._read_taken(reader.batch)
        return self.arrived.pop(ticket, None) or self._join(operation, ticket, 0)

    def abandon(self, operation: Operation[Any], ticket: int) -> None:
        """Cancel an operation whose call was interrupted, and list a number that it bought."""
        log.debug("%s: %d abandoned", operation.name, ticket)
        completion = self.cancel_and_take(operation, ticket)
        if completion is not None:
            self._abandon_completion(operation, completion)

    def _abandon_completion(self, operation: Operation[Any], completion: Completion) -> None:
        id = self.abandoned_number(operation, completion)
        if id is not None:
            self.mark_unclaimed(id)

    def abandoned_number(self, operation: Operation[Any], completion: Completion) -> Optional[str]:
        """Return the id of a number that an interrupted call bought, for the caller to list.

        The core itself lists a purchase with an unknown outcome.
        """
        if not operation.is_purchase or completion.json is None:
            return None
        return _operations.decode_activation(completion.json).id

    def mark_unclaimed(self, id: str) -> None:
        """List a number as unclaimed. Sends no request, and blocks for at most a second."""
        self.log_mark_unclaimed(id)
        self.run_local(_operations.mark_unclaimed(id))

    def log_mark_unclaimed(self, id: str) -> None:
        """Log that a number is about to be listed as unclaimed."""
        log.warning("activation %s: unclaimed() lists it until an operation claims it", id)

    def run_local(self, operation: Operation[T]) -> Optional[T]:
        """Run an operation that sends no request. None if it takes longer than a second."""
        ticket = c_uint64()
        self.submit(operation, ticket)
        completion = self._join(operation, ticket.value, round(LOCAL_TIMEOUT * 1000))
        if completion is None or completion.json is None:
            return None
        return operation.decode(completion.json)

    def _join(
        self, operation: Operation[Any], ticket: int, timeout_ms: int
    ) -> Optional[Completion]:
        """Take the completion of a ticket. None at a timeout, or if it was delivered before."""
        handle = _c_api.CompletionPointer()
        status = self._lib.sastaotp_queue_join(self._queue, ticket, timeout_ms, byref(handle), None)
        try:
            if handle:
                return self._read(handle)
        finally:
            self._free(handle)
        if status != _c_api.OK:
            return self._taken_by_thread(operation, ticket)
        self._unwanted[ticket] = operation
        return None

    def _taken_by_thread(self, operation: Operation[Any], ticket: int) -> Optional[Completion]:
        """Take a completion that a thread took for event loops or greenlets. None if none did.

        The thread may not have stored it yet, and stores it in its current round.
        """
        readers: list[Union[CompletionThread, _greenlets.GreenletReader]]
        readers = [*self.threads, *self.greenlet_readers.values()]
        rounds = [(thread, thread.rounds) for thread in readers]
        if any(thread.is_current for thread, _ in rounds):
            # The garbage collector calls this on that thread, which can store nothing meanwhile.
            self._unwanted[ticket] = operation
            return self.arrived.pop(ticket, None)
        # The threads stop when the interpreter exits; then the report has been written.
        while ticket not in self.arrived and not sys.is_finalizing():
            if all(thread.has_ended or thread.rounds != before for thread, before in rounds):
                break
            time.sleep(STORE_CHECK)
        return self.arrived.pop(ticket, None)

    def _free(self, handle: Any) -> None:
        """Free a completion and clear its handle. The completion of a purchase holds the number."""
        at_once(
            partial(self._lib.sastaotp_completion_free, handle),
            partial(memset, byref(handle), 0, sizeof(handle)),
        )

    def _read(self, handle: Any) -> Completion:
        error = self._lib.sastaotp_completion_error(handle)
        return Completion(
            int(self._lib.sastaotp_completion_ticket(handle)),
            self._lib.sastaotp_completion_json(handle),
            self._lib.sastaotp_error_json(error) if error else None,
        )
