"""The core's client and queue: submits operations, waits for completions, abandons operations.

Invariant: the result of a purchase reaches its caller or is listed as unclaimed, even if Ctrl-C
interrupts any line of this module.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from ctypes import byref, c_size_t, c_uint64
from typing import Any, Callable, NamedTuple, Optional, TypeVar

import msgspec

from . import _c_api, _operations
from ._enums import Charge, UnclaimedOutcome
from ._error_json import error_from_json
from ._errors import SastaotpError
from ._intent import Intent
from ._models import Unclaimed
from ._operations import Operation
from ._settings import Settings, call

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger("sastaotp")

#: The longest time between two checks for Ctrl-C in a blocked thread, in milliseconds.
JOIN_SLICE_MS = 50
#: The most completions taken at once, so that an event loop can run other callbacks in between.
TAKE_BATCH = 64
#: How long a local operation, which sends no request, may take, in seconds.
LOCAL_TIMEOUT = 1.0


class Completion(NamedTuple):
    """A finished operation: the JSON of its result or of its error."""

    ticket: int
    json: Optional[bytes]
    error: Optional[bytes]


def identity(result: T) -> T:
    """Return the result unchanged."""
    return result


class Session:
    """The core's client and queue. They are freed with the last reference to the session.

    A request that was already sent continues.
    """

    def __init__(self, settings: Settings) -> None:
        self._lib = settings.lib
        self._client = _c_api.ClientPointer()
        self._queue = _c_api.QueuePointer()
        self.pid = os.getpid()
        #: Any thread may set this. Blocked calls then end with ``Cancelled``.
        self.closed = False
        #: Purchases of unknown outcome whose errors no caller received, because the call was
        #: interrupted. The core does not list them: it counts them as reported.
        self._unreported: list[Unclaimed] = []
        #: Completions that were read and are not delivered yet, by ticket.
        self.arrived: dict[int, Completion] = {}
        #: Completions that were taken: the first ``_unread`` of them are not read yet.
        self._taken = (_c_api.CompletionPointer * TAKE_BATCH)()
        self._unread = c_size_t()
        call(self._lib, "sastaotp_client_new", settings.config, byref(self._client))
        call(
            self._lib,
            "sastaotp_queue_new_with_workers",
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
        """A descriptor that is readable while a completion can be taken."""
        return int(self._lib.sastaotp_queue_fd(self._queue))

    def submit(self, operation: Operation[Any], ticket: c_uint64) -> None:
        """Submit an operation and store its ticket in the caller's variable.

        The core writes the ticket, so an interruption cannot lose it.
        """
        call(self._lib, "sastaotp_queue_submit", self._queue, operation.request(), byref(ticket))
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
        started = time.monotonic()
        ticket, handle = c_uint64(), _c_api.CompletionPointer()
        completion: Optional[Completion] = None
        try:
            self.submit(operation, ticket)
            while not handle:
                if self.closed and not survives_close:
                    self.cancel(ticket.value)
                call(
                    self._lib,
                    "sastaotp_queue_join",
                    self._queue,
                    ticket,
                    JOIN_SLICE_MS,
                    byref(handle),
                )
            completion = self._read(handle)
            self._lib.sastaotp_completion_free(handle)
            # Nothing may follow this line: an interruption after it would lose the purchase.
            return convert(self.result(operation, completion, started))
        except SastaotpError:
            if completion is None and ticket.value:
                self.abandon(operation, ticket.value)
            raise
        except BaseException:
            if completion is None and handle:
                completion = self._read(handle)
                self._lib.sastaotp_completion_free(handle)
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
        if completion.error is not None:
            error = error_from_json(completion.error)
        else:
            error = SastaotpError(operation.name)
        log.debug("%s: %d failed in %.3f s: %s", operation.name, completion.ticket, elapsed, error)
        raise error

    def take(self) -> dict[int, Completion]:
        """Take a batch of completions, and return all that are not delivered yet.

        The caller removes a completion from the dictionary once it is delivered.
        """
        self._read_taken()
        call(
            self._lib,
            "sastaotp_queue_take",
            self._queue,
            self._taken,
            TAKE_BATCH,
            0,
            byref(self._unread),
        )
        self._read_taken()
        return self.arrived

    def _read_taken(self) -> None:
        while self._unread.value:
            handle = self._taken[self._unread.value - 1]
            completion = self._read(handle)
            self.arrived[completion.ticket] = completion
            self._unread.value -= 1
            self._lib.sastaotp_completion_free(handle)

    def cancel(self, ticket: int) -> None:
        """Complete an operation now: as cancelled, or with a result that has already arrived."""
        self._lib.sastaotp_queue_cancel(self._queue, ticket)

    def cancel_and_take(self, ticket: int) -> Optional[Completion]:
        """Cancel an operation and take its completion. None if it was taken before."""
        self.cancel(ticket)
        self._read_taken()
        return self.arrived.pop(ticket, None) or self._join(ticket, 0)

    def abandon(self, operation: Operation[Any], ticket: int) -> None:
        """Cancel an operation whose call was interrupted, and list a number that it bought."""
        log.debug("%s: %d abandoned", operation.name, ticket)
        completion = self.cancel_and_take(ticket)
        if completion is not None:
            self._abandon_completion(operation, completion)

    def _abandon_completion(self, operation: Operation[Any], completion: Completion) -> None:
        id = self.abandoned_number(operation, completion)
        if id is not None:
            self.mark_unclaimed(id)

    def abandoned_number(self, operation: Operation[Any], completion: Completion) -> Optional[str]:
        """Return the id of a number that an interrupted call bought, for the caller to list.

        Records an unknown outcome in this session, because the core counts it as reported.
        """
        if not operation.is_purchase:
            return None
        if completion.error is None:
            if completion.json is None:
                return None
            return _operations.decode_activation(completion.json).id
        error = error_from_json(completion.error)
        # The core itself lists a purchase that was cancelled before its reply.
        is_unlisted = error.charge == Charge.UNKNOWN and error.kind != "cancelled"
        if is_unlisted and error.intent is not None:
            log.warning(
                "%s: interrupted, and its outcome is unknown: unclaimed() lists it",
                operation.name,
            )
            intent = msgspec.Raw(error.intent.to_json().encode())
            self._unreported.append(
                Unclaimed(
                    UnclaimedOutcome.UNKNOWN, intent, error_json=msgspec.Raw(completion.error)
                )
            )
        return None

    def mark_unclaimed(self, id: str) -> None:
        """List a number as unclaimed. Sends no request, and blocks for at most a second."""
        ticket = c_uint64()
        self.submit_mark_unclaimed(id, ticket)
        self._join(ticket.value, round(LOCAL_TIMEOUT * 1000))

    def submit_mark_unclaimed(self, id: str, ticket: c_uint64) -> None:
        """Queue an operation that lists a number as unclaimed. Return without waiting for it."""
        log.warning("activation %s: unclaimed() lists it until an operation claims it", id)
        self.submit(_operations.mark_unclaimed(id), ticket)

    def run_local(self, operation: Operation[T]) -> Optional[T]:
        """Run an operation that sends no request. None if it takes longer than a second."""
        ticket = c_uint64()
        self.submit(operation, ticket)
        completion = self._join(ticket.value, round(LOCAL_TIMEOUT * 1000))
        if completion is None or completion.json is None:
            return None
        return operation.decode(completion.json)

    def unreported(self) -> tuple[Unclaimed, ...]:
        """Return the purchases that ``unclaimed`` lists in addition to those of the core."""
        return tuple(self._unreported)

    def forget_unreported(self, intent: Intent) -> None:
        """Remove an unknown outcome from the list, after its intent was reconciled."""
        for unclaimed in self.unreported():
            if unclaimed.intent == intent:
                # Another thread may have removed it.
                with suppress(ValueError):
                    self._unreported.remove(unclaimed)

    def log_unclaimed(self, listed: Optional[tuple[Unclaimed, ...]]) -> None:
        """Log the unclaimed purchases of a closed client. None: listing them timed out."""
        if listed is None:
            log.warning("the client is closed: listing its unclaimed purchases timed out")
        for unclaimed in (listed or ()) + self.unreported():
            if unclaimed.purchase is not None:
                log.warning(
                    "the client is closed: activation %s is still unclaimed",
                    unclaimed.purchase.activation_id,
                )
            else:
                log.warning(
                    "the client is closed: the outcome of a purchase is unknown: "
                    "reconcile the intent %s",
                    unclaimed.intent.without_phone_number(),
                )

    def _join(self, ticket: int, timeout_ms: int) -> Optional[Completion]:
        """Take the completion of a ticket. None at a timeout, or if it was taken before."""
        handle = _c_api.CompletionPointer()
        self._lib.sastaotp_queue_join(self._queue, ticket, timeout_ms, byref(handle), None)
        try:
            return self._read(handle) if handle else None
        finally:
            self._lib.sastaotp_completion_free(handle)

    def _read(self, handle: Any) -> Completion:
        error = self._lib.sastaotp_completion_error(handle)
        return Completion(
            int(self._lib.sastaotp_completion_ticket(handle)),
            self._lib.sastaotp_completion_json(handle),
            self._lib.sastaotp_error_json(error) if error else None,
        )
