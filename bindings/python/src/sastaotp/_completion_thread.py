"""A thread that takes completions for an event loop that cannot watch a descriptor.

The default event loop on Windows is one. The thread needs no descriptor, so it also serves a queue
that has none.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Optional, Protocol

from ._native_queue import Batch, Session

#: How long one call waits for a completion, in milliseconds. An idle thread ends after it.
TAKE_TIMEOUT_MS = 1000


class Reader(Protocol):
    """The reader that gets the completions. The thread calls these methods."""

    @property
    def is_reading(self) -> bool:
        """Whether an operation is in flight on a loop that is not closed."""
        ...

    def notify(self, has_new: bool) -> None:
        """Schedule the delivery of completions on the loop."""
        ...


class CompletionThread:
    """A daemon thread that moves completions of a session to ``session.arrived``.

    It ends when it has waited for a second while no operation was in flight. It takes no lock,
    because Ctrl-C could leave it locked. Several threads can serve one session.
    """

    def __init__(self, session: Session, reader: Reader) -> None:
        #: None once the thread has ended, so that it keeps neither.
        self._session: Optional[Session] = session
        self._reader: Optional[Reader] = reader
        self._thread = threading.Thread(target=self._run, name="sastaotp", daemon=True)
        #: How often the thread has stored all that it took.
        self.rounds = 0
        #: Whether the thread takes no more completions. The thread sets it, and then checks the
        #: reader once more. The reader records an operation, and then checks this flag. So at least
        #: one of them notices the other. If both do, there are two threads for a while.
        self.has_ended = False
        #: Whether the thread must end at the next completion.
        self.is_stopped = False

    def start(self) -> None:
        """Start the thread. Raises RuntimeError if the process cannot start another one."""
        assert self._session is not None
        self._session.threads.append(self)
        try:
            self._thread.start()
        except BaseException:
            # If Ctrl-C has interrupted a start that succeeded, the thread ends when it is idle.
            if not self._thread.is_alive():
                self._end()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether the thread still refers to the session."""
        return self._thread.is_alive()

    @property
    def is_idle(self) -> bool:
        """Whether no operation is in flight on a loop that is not closed."""
        reader = self._reader
        return reader is None or not reader.is_reading

    def _run(self) -> None:
        batch = Batch()
        try:
            while not self.is_stopped and self._session is not None and self._reader is not None:
                has_new = self._session.take(batch, TAKE_TIMEOUT_MS)
                self.rounds += 1
                self._reader.notify(has_new)
                if has_new or not self.is_idle:
                    continue
                self.has_ended = True
                if self.is_idle:
                    return
                self.has_ended = False
        finally:
            self._end()

    def _end(self) -> None:
        self.has_ended = True
        session, self._session, self._reader = self._session, None, None
        if session is not None:
            with suppress(ValueError):
                session.threads.remove(self)
