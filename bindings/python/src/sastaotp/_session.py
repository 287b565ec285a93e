"""A client of the library and its queue, in one process: begin an operation, wait for it, give it up.

The invariant: what a purchase came to reaches its caller, or is listed as unclaimed, wherever an interruption strikes.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from ctypes import byref, c_size_t, c_uint64
from typing import Any, Callable, NamedTuple, Optional, TypeVar

import msgspec

from . import _native, _operations
from ._errors import SastaotpError, UsageError, error_from_json
from ._intent import Intent
from ._models import Unclaimed
from ._operations import Operation
from ._settings import Settings, call
from ._words import Charge, Outcome

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger("sastaotp")

#: How long a thread waits without looking whether it was interrupted, in milliseconds.
_SLICE = 50
#: Completions that are taken at once: an event loop has other things to do.
_TAKEN = 64
#: How long the library may take for what asks nobody, in seconds.
SOON = 1.0


class Completion(NamedTuple):
    """What came of an operation: the JSON of its result, or of its error."""

    ticket: int
    json: Optional[bytes]
    error: Optional[bytes]


def same(result: T) -> T:
    """What a call gives that gives its result as it is."""
    return result


class Session:
    """A client of the library and its queue. Freed with its last user; the library undoes nothing that was sent."""

    def __init__(self, settings: Settings) -> None:
        self._lib = settings.lib
        self._client = _native.ClientPointer()
        self._queue = _native.QueuePointer()
        self.pid = os.getpid()
        #: Set from any thread to end the calls that wait.
        self.closed = False
        #: Purchases of unknown outcome whose callers were gone as the errors came: the library holds that they were told.
        self._untold: list[Unclaimed] = []
        #: What was taken and is not handed over, by ticket.
        self.arrived: dict[int, Completion] = {}
        #: What was taken and is not read, from the first place on.
        self._places = (_native.CompletionPointer * _TAKEN)()
        self._unread = c_size_t()
        call(self._lib, "sastaotp_client_new", settings.config, byref(self._client))
        call(self._lib, "sastaotp_queue_new_with_workers", self._client, settings.workers, byref(self._queue))

    def __del__(self) -> None:
        if getattr(self, "_queue", None):
            self._lib.sastaotp_queue_free(self._queue)
        if getattr(self, "_client", None):
            self._lib.sastaotp_client_free(self._client)

    @property
    def is_ours(self) -> bool:
        """Whether it is of this process: what a fork copied is of no use to the child."""
        return self.pid == os.getpid()

    @property
    def fd(self) -> int:
        """Readable exactly while there is a completion to take."""
        return int(self._lib.sastaotp_queue_fd(self._queue))

    def begin(self, operation: Operation[Any], ticket: c_uint64) -> None:
        """Begins an operation and writes its ticket, in a place of the caller's: an interruption cannot lose it."""
        call(self._lib, "sastaotp_queue_submit", self._queue, operation.request(), byref(ticket))
        log.debug("%s: began as %d", operation.name, ticket.value)

    def run(self, operation: Operation[T], made: Callable[[T], R], *, lasting: bool = False) -> R:
        """Begins an operation, waits for its end, and returns what is made of its result. An interruption gives it up.

        What is lasting goes on when the client is closed.
        """
        started = time.monotonic()
        ticket, place = c_uint64(), _native.CompletionPointer()
        completion: Optional[Completion] = None
        try:
            self.begin(operation, ticket)
            while not place:
                if self.closed and not lasting:
                    self.cancel(ticket.value)
                call(self._lib, "sastaotp_queue_join", self._queue, ticket, _SLICE, byref(place))
            completion = self._read(place)
            self._lib.sastaotp_completion_free(place)
            # The last that is done: afterwards an interruption would lose what was bought.
            return made(self.finish(operation, completion, started))
        except SastaotpError:
            if completion is None and ticket.value:
                self.give_up(operation, ticket.value)
            raise
        except BaseException:
            if completion is None and place:
                completion = self._read(place)
                self._lib.sastaotp_completion_free(place)
            if completion is not None:
                self.disown(operation, completion)
            elif ticket.value:
                self.give_up(operation, ticket.value)
            raise

    def finish(self, operation: Operation[T], completion: Completion, started: float) -> T:
        """The result of an operation, or raises what it failed with."""
        took = time.monotonic() - started
        if completion.error is None and completion.json is not None:
            log.debug("%s: %d done in %.3f s", operation.name, completion.ticket, took)
            return operation.read(completion.json)
        error = error_from_json(completion.error) if completion.error is not None else SastaotpError(operation.name)
        log.debug("%s: %d failed in %.3f s: %s", operation.name, completion.ticket, took, error)
        raise error

    def take(self) -> dict[int, Completion]:
        """Takes some of the completions that are there, and returns all that arrived. Whoever hands one over removes it."""
        self._read_taken()
        call(self._lib, "sastaotp_queue_take", self._queue, self._places, _TAKEN, 0, byref(self._unread))
        self._read_taken()
        return self.arrived

    def _read_taken(self) -> None:
        while self._unread.value:
            place = self._places[self._unread.value - 1]
            completion = self._read(place)
            self.arrived[completion.ticket] = completion
            self._unread.value -= 1
            self._lib.sastaotp_completion_free(place)

    def cancel(self, ticket: int) -> None:
        """Settles a ticket at once: its completion says that it was cancelled, or what had come before."""
        self._lib.sastaotp_queue_cancel(self._queue, ticket)

    def end(self, ticket: int) -> Optional[Completion]:
        """Ends an operation that nobody waits for any longer. None where somebody has its completion."""
        self.cancel(ticket)
        self._read_taken()
        return self.arrived.pop(ticket, None) or self._join(ticket, 0)

    def give_up(self, operation: Operation[Any], ticket: int) -> None:
        """Ends an operation that nobody waits for any longer, and lists what it bought."""
        log.debug("%s: %d given up", operation.name, ticket)
        completion = self.end(ticket)
        if completion is not None:
            self.disown(operation, completion)

    def disown(self, operation: Operation[Any], completion: Completion) -> None:
        """Lists what came of a purchase whose caller is gone."""
        id = self.left_behind(operation, completion)
        if id is not None:
            self.leave(id)

    def left_behind(self, operation: Operation[Any], completion: Completion) -> Optional[str]:
        """The number that a purchase bought whose caller is gone, to be left. An unknown outcome is kept here."""
        if not operation.buys:
            return None
        if completion.error is None:
            return None if completion.json is None else _operations.read_number(completion.json).id
        error = error_from_json(completion.error)
        # Where it was cancelled, the library lists it.
        if error.charge == Charge.UNKNOWN and error.kind != "cancelled" and error.intent is not None:
            log.warning("it is not known what %s did, and nobody was told: unclaimed() lists it", operation.name)
            intent = msgspec.Raw(error.intent.to_json().encode())
            self._untold.append(Unclaimed(Outcome.UNKNOWN, intent, error_json=msgspec.Raw(completion.error)))
        return None

    def leave(self, id: str) -> None:
        """Lists a number as unclaimed. Asks nobody, and takes no time."""
        ticket = c_uint64()
        self.begin_to_leave(id, ticket)
        self._join(ticket.value, round(SOON * 1000))

    def look(self, operation: Operation[T]) -> Optional[T]:
        """The result of an operation that asks nobody; None where the library is too busy for it."""
        ticket = c_uint64()
        self.begin(operation, ticket)
        completion = self._join(ticket.value, round(SOON * 1000))
        return None if completion is None or completion.json is None else operation.read(completion.json)

    def begin_to_leave(self, id: str, ticket: c_uint64) -> None:
        """Begins to list a number as unclaimed."""
        log.warning("%s is in nobody's hands: unclaimed() lists it", id)
        self.begin(_operations.leave(id), ticket)

    def untold(self) -> tuple[Unclaimed, ...]:
        """What ``unclaimed`` lists beside what the library lists."""
        return tuple(self._untold)

    def looked_for(self, intent: Intent) -> None:
        """Takes an unknown outcome off the list, once its intent was reconciled."""
        for untold in self.untold():
            if untold.intent == intent:
                # Another thread may have done it.
                with suppress(ValueError):
                    self._untold.remove(untold)

    def report(self, listed: Optional[tuple[Unclaimed, ...]]) -> None:
        """Says what is unclaimed as the client is closed, with what is needed to find it."""
        if listed is None:
            log.warning("the client is closed, and is too busy to say what is unclaimed")
        for unclaimed in (listed or ()) + self.untold():
            if unclaimed.purchase is not None:
                log.warning("the client is closed, and %s is in nobody's hands", unclaimed.purchase.activation_id)
            else:
                log.warning(
                    "the client is closed, and it is not known what a purchase brought: reconcile the intent %s",
                    unclaimed.intent.without_phone_number(),
                )

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
        if not session.is_ours:
            session = self._session = Session(self._settings)
        return session

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'closed' if self._session is None else 'open'}>"
