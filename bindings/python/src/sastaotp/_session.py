"""A client of the library and its queue, in one process: begin an operation, wait for it, give it up.

The invariant: a number that was bought reaches its caller, or is listed as unclaimed.
"""

from __future__ import annotations

import logging
import os
import time
from ctypes import byref, c_size_t, c_uint64
from typing import Any, NamedTuple, Optional, TypeVar

from . import _native, _operations
from ._errors import SastaotpError, UsageError, error_from_json
from ._operations import Operation
from ._settings import Settings, call

T = TypeVar("T")

log = logging.getLogger("sastaotp")

#: How long a thread waits without looking whether it was interrupted, in milliseconds.
_SLICE = 50
#: Completions that are taken at once: an event loop has other things to do.
_TAKEN = 64
#: How long the library may take for what asks nobody, in milliseconds.
_SOON = 1000


class Completion(NamedTuple):
    """What came of an operation: the JSON of its result, or of its error."""

    ticket: int
    json: Optional[bytes]
    error: Optional[bytes]


class Session:
    """A client of the library and its queue. Freed with its last user; the library undoes nothing that was sent."""

    def __init__(self, settings: Settings) -> None:
        self._lib = settings.lib
        self._client = _native.ClientPointer()
        self._queue = _native.QueuePointer()
        self.pid = os.getpid()
        #: Set from any thread to end the calls that wait.
        self.closed = False
        call(self._lib, "sastaotp_client_new", settings.config, byref(self._client))
        call(self._lib, "sastaotp_queue_new_with_workers", self._client, settings.workers, byref(self._queue))

    def __del__(self) -> None:
        if getattr(self, "_queue", None):
            self._lib.sastaotp_queue_free(self._queue)
        if getattr(self, "_client", None):
            self._lib.sastaotp_client_free(self._client)

    @property
    def fd(self) -> int:
        """Readable exactly while there is a completion to take."""
        return int(self._lib.sastaotp_queue_fd(self._queue))

    def begin(self, operation: Operation[Any], ticket: c_uint64) -> None:
        """Begins an operation and writes its ticket, in a place of the caller's: an interruption cannot lose it."""
        call(self._lib, "sastaotp_queue_submit", self._queue, operation.request(), byref(ticket))
        log.debug("%s: began as %d", operation.name, ticket.value)

    def run(self, operation: Operation[T]) -> T:
        """Begins an operation and waits for its end. An interruption gives it up."""
        started = time.monotonic()
        ticket, place = c_uint64(), _native.CompletionPointer()
        try:
            self.begin(operation, ticket)
            while not place:
                if self.closed:
                    self._lib.sastaotp_queue_cancel(self._queue, ticket)
                call(self._lib, "sastaotp_queue_join", self._queue, ticket, _SLICE, byref(place))
            return self.finish(operation, self._read(place), started)
        except BaseException:
            if place:
                self.disown(operation, self._read(place))
            elif ticket.value:
                self.give_up(operation, ticket.value)
            raise
        finally:
            self._lib.sastaotp_completion_free(place)

    def finish(self, operation: Operation[T], completion: Completion, started: float) -> T:
        """The result of an operation, or raises what it failed with."""
        took = time.monotonic() - started
        if completion.error is None and completion.json is not None:
            log.debug("%s: %d done in %.3f s", operation.name, completion.ticket, took)
            return operation.read(completion.json)
        error = error_from_json(completion.error) if completion.error is not None else SastaotpError(operation.name)
        log.debug("%s: %d failed in %.3f s: %s", operation.name, completion.ticket, took, error)
        raise error

    def take(self) -> list[Completion]:
        """Some of the completions that are there."""
        places = (_native.CompletionPointer * _TAKEN)()
        count = c_size_t()
        call(self._lib, "sastaotp_queue_take", self._queue, places, _TAKEN, 0, byref(count))
        taken: list[Completion] = []
        for place in places[: count.value]:
            taken.append(self._read(place))
            self._lib.sastaotp_completion_free(place)
        return taken

    def cancel(self, ticket: int) -> None:
        """Settles a ticket at once: its completion says that it was cancelled."""
        self._lib.sastaotp_queue_cancel(self._queue, ticket)

    def give_up(self, operation: Operation[Any], ticket: int) -> None:
        """Ends an operation that nobody waits for any longer."""
        log.debug("%s: %d given up", operation.name, ticket)
        self.cancel(ticket)
        # Where it was finished already, it cannot be cancelled, and what it bought is here.
        completion = self._join(ticket, 0)
        if completion is not None:
            self.disown(operation, completion)

    def disown(self, operation: Operation[Any], completion: Completion) -> None:
        """What became of an operation whose caller is gone: a number that was bought is listed as unclaimed."""
        if operation.buys and completion.json is not None:
            self.leave(_operations.read_number(completion.json).id)

    def leave(self, id: str) -> None:
        """Lists a number as unclaimed. Asks nobody, and takes no time."""
        log.warning("%s is in nobody's hands: unclaimed() lists it", id)
        ticket = c_uint64()
        self.begin(_operations.leave(id), ticket)
        self._join(ticket.value, _SOON)

    def _join(self, ticket: int, timeout_ms: int) -> Optional[Completion]:
        """The completion of a ticket; None where there is none in time, or somebody took it already."""
        place = _native.CompletionPointer()
        self._lib.sastaotp_queue_join(self._queue, ticket, timeout_ms, byref(place), None)
        try:
            return self._read(place) if place else None
        finally:
            self._lib.sastaotp_completion_free(place)

    def _read(self, place: Any) -> Completion:
        error = self._lib.sastaotp_completion_error(place)
        return Completion(
            int(self._lib.sastaotp_completion_ticket(place)),
            self._lib.sastaotp_completion_json(place),
            self._lib.sastaotp_error_json(error) if error else None,
        )


class Owner:
    """What both clients are: settings, and the session of this process."""

    #: None before it is made, and after the client was closed.
    _session: Optional[Session] = None

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session = Session(settings)

    def _open(self) -> Session:
        session = self._session
        if session is None:
            raise UsageError("the client is closed: make a new one")
        if session.pid != os.getpid():
            # What a fork copied is of no use to the child.
            session = self._session = Session(self._settings)
        return session

    def _leave(self, id: str) -> None:
        """Lists a number as unclaimed, where the client is still there to list it."""
        session = self._session
        if session is not None and session.pid == os.getpid():
            session.leave(id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'closed' if self._session is None else 'open'}>"
