"""Waits for completions without blocking the other greenlets of a thread.

gevent and eventlet run many greenlets on one thread, and a blocked thread stops all of them. If the
program has patched the standard library with one of the two, a blocked call yields instead. This
module does not import either of them unless the program has.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Optional, Protocol

if TYPE_CHECKING:
    from ._native_queue import Session

#: The longest time between two checks of whether the client was closed, in seconds.
LEADER_WAIT = 0.05
#: The longest time until a greenlet checks again. Another greenlet wakes it before that, unless
#: that one was killed.
FOLLOWER_WAIT = 1.0
#: How often to look for completions if there is no descriptor, in seconds.
POLL_INTERVAL = 0.02
#: Programs patch all of these modules, or choose some.
_PATCHED = ("socket", "select", "threading", "thread", "time")


class Event(Protocol):
    """An event that one greenlet waits for."""

    def wait(self, timeout: float) -> object:
        """Yield until the event is set or the time is over."""
        ...


class Greenlets(Protocol):
    """A library for greenlets."""

    def hub(self) -> Any:
        """Return the hub of this thread. None if it has none, or if the hub itself is running."""
        ...

    def select(self, fd: int, timeout: float) -> None:
        """Yield until a descriptor is readable or the time is over."""
        ...

    def sleep(self, seconds: float) -> None:
        """Yield for some time."""
        ...

    def event(self) -> Event:
        """Return a new event."""
        ...

    def set(self, event: Any) -> None:
        """Set an event."""
        ...


class _Gevent:
    def hub(self) -> Any:
        # Without a hub, no other greenlet of this thread can run.
        hub = _call("gevent._hub_local", "get_hub_if_exists")
        return None if hub is None or hub is _current() else hub

    def select(self, fd: int, timeout: float) -> None:
        import_module("gevent.select").select([fd], [], [], timeout)

    def sleep(self, seconds: float) -> None:
        import_module("gevent").sleep(seconds)

    def event(self) -> Event:
        event: Event = import_module("gevent.event").Event()
        return event

    def set(self, event: Any) -> None:
        event.set()


class _Eventlet:
    def hub(self) -> Any:
        hub = getattr(getattr(sys.modules.get("eventlet.hubs"), "_threadlocal", None), "hub", None)
        return None if hub is None or hub.greenlet is _current() else hub

    def select(self, fd: int, timeout: float) -> None:
        import_module("eventlet.green.select").select([fd], [], [], timeout)

    def sleep(self, seconds: float) -> None:
        import_module("eventlet").sleep(seconds)

    def event(self) -> Event:
        event: Event = import_module("eventlet.event").Event()
        return event

    def set(self, event: Any) -> None:
        if not event.ready():
            event.send()


def _call(module: str, name: str, *arguments: object) -> Any:
    """Call a function of a module that the program has imported. None if there is none."""
    function = getattr(sys.modules.get(module), name, None)
    return None if function is None else function(*arguments)


def _current() -> object:
    return _call("greenlet", "getcurrent")


def _library() -> Optional[Greenlets]:
    """Return the library with which the program has patched the standard library."""
    if "gevent.monkey" in sys.modules and any(
        _call("gevent.monkey", "is_module_patched", name) for name in _PATCHED
    ):
        return _Gevent()
    if "eventlet.patcher" in sys.modules and any(
        _call("eventlet.patcher", "is_monkey_patched", name) for name in _PATCHED
    ):
        return _Eventlet()
    return None


class GreenletReader:
    """Takes the completions of a session for the greenlets of one thread.

    One of the waiting greenlets, the leader, waits for the descriptor, takes completions, and
    wakes the greenlets that wait for it. Then it goes on or leaves the lead to another. Only the
    greenlets of one thread use a reader, and they switch only while they wait. A reader does not
    refer to its session, which is freed with its last reference.
    """

    def __init__(self, session: Session, library: Greenlets, hub: object) -> None:
        self._library = library
        self._hub = hub
        self.batch = session.new_batch()
        self._has_leader = False
        self._is_taking = False
        #: The events of the followers, by ticket.
        self._events: dict[int, Event] = {}
        #: How often the leader has stored all that it took.
        self.rounds = 0

    @property
    def has_ended(self) -> bool:
        """Whether the reader stores nothing at this moment."""
        return not self._is_taking

    @property
    def is_interrupted(self) -> bool:
        """Whether completions of this thread can be left in the batch, because of Ctrl-C."""
        return not self._is_taking and self._library.hub() is self._hub

    def wait(self, session: Session, ticket: int) -> None:
        """Yield until the completion of a ticket may have arrived, for a second at most."""
        try:
            if self._has_leader:
                self._follow(ticket)
            else:
                self._lead(session)
        except BaseException:
            # The greenlet was killed. It may be the leader, or the one that was to lead next.
            self._wake_next()
            raise
        if ticket in session.arrived:
            self._wake_next()

    def _lead(self, session: Session) -> None:
        self._has_leader = True
        try:
            fd = session.fd
            if fd == -1:
                self._library.sleep(POLL_INTERVAL)
            else:
                self._library.select(fd, LEADER_WAIT)
            self._take(session)
        finally:
            self._has_leader = False
        for ticket in [*self._events]:
            if ticket in session.arrived or session.closed:
                self._wake(ticket)

    def _follow(self, ticket: int) -> None:
        event = self._events[ticket] = self._library.event()
        try:
            event.wait(FOLLOWER_WAIT)
        finally:
            self._events.pop(ticket, None)

    def _take(self, session: Session) -> None:
        self._is_taking = True
        try:
            session.take(self.batch)
        finally:
            self.rounds += 1
            self._is_taking = False

    def _wake(self, ticket: int) -> None:
        event = self._events.pop(ticket, None)
        if event is not None:
            self._library.set(event)

    def _wake_next(self) -> None:
        if not self._has_leader:
            for ticket in [*self._events][:1]:
                self._wake(ticket)


def reader(session: Session) -> Optional[GreenletReader]:
    """Return the reader of this thread. None if it runs no greenlets: then a call may block."""
    library = _library()
    hub = None if library is None else library.hub()
    if library is None or hub is None:
        return None
    found = session.greenlet_readers.get(hub)
    if found is None:
        found = session.greenlet_readers[hub] = GreenletReader(session, library, hub)
    return found
