"""Reports the purchases that are not settled, when a client is closed and when the program ends.

A client that is not closed reports when the interpreter exits, also if it was garbage-collected. A
report waits for the replies of purchases in flight, then writes one line per purchase to stderr.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
import weakref
from contextlib import suppress
from types import FrameType
from typing import Any, Iterable, Optional

from . import _operations
from ._errors import SastaotpError
from ._models import Unclaimed
from ._native_queue import Session, identity, log

#: The most lines that are remembered, so that each is written once.
MAX_WRITTEN = 10_000
#: How often to check whether the leases of other threads are settled, in seconds.
SETTLE_CHECK = 0.01

#: The sessions of this process that have not reported. There is no lock, because Ctrl-C could leave
#: it locked.
_sessions: list[Session] = []
#: The lines that were written: a program that makes many clients does not repeat them.
_written: dict[tuple[str, str], None] = {}
#: Finalizers to call at the end of the program, after the reports.
_finalizers: list[weakref.finalize[..., Any]] = []
#: The child of multiprocessing that reports at its end.
_registered_pid: Optional[int] = None


def _forget_parent() -> None:
    """Forget the sessions of the parent process, which reports them itself."""
    _sessions.clear()


def _register_with_multiprocessing() -> None:
    """Report at the end of a child of multiprocessing, which skips the atexit functions."""
    global _registered_pid
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None or _registered_pid == os.getpid():
        return
    from multiprocessing import util

    util.Finalize(None, report_at_exit, exitpriority=0)
    _registered_pid = os.getpid()


def track(owner: object, session: Session) -> weakref.finalize[..., Any]:
    """Report a session at the end of the program, unless it reports before.

    Returns the finalizer of its owner, which keeps the session alive until then.
    """
    _drop_redundant_orphans()
    _register_with_multiprocessing()
    _sessions.append(session)
    finalizer = weakref.finalize(owner, setattr, session, "is_orphan", True)
    # Then `report_at_exit` has reported.
    finalizer.atexit = False
    return finalizer


def untrack(session: Session) -> None:
    """Do not report a session at the end of the program: it has reported."""
    # Another thread may have removed it.
    with suppress(ValueError):
        _sessions.remove(session)


def _drop_redundant_orphans() -> None:
    """Free the clients that were garbage-collected and have nothing to report.

    All clients of an API key report its unclaimed purchases, so one of them is enough.
    """
    if not any(session.is_orphan for session in _sessions):
        return
    known: set[str] = set()
    # The clients that are in use stay in any case, so their purchases count first.
    for session in sorted(_sessions, key=lambda session: session.is_orphan):
        if not session.in_this_process:
            continue
        with suppress(SastaotpError):
            listed = session.run_local(_operations.finish(0))
            if listed is None:
                continue
            ids = {entry.intent.id for entry in listed}
            has_in_flight = any(entry.outcome == "pending" for entry in listed)
            if session.is_orphan and not has_in_flight and ids <= known:
                untrack(session)
            known |= ids


def report(session: Session, wait: float) -> None:
    """Wait up to ``wait`` seconds for a session's purchases in flight, and write its purchases.

    If Ctrl-C interrupts this before they are written, they are written when the program ends.
    """
    end = time.monotonic() + wait
    try:
        while session.settling and time.monotonic() < end:
            time.sleep(SETTLE_CHECK)
        left = max(end - time.monotonic(), 0)
        listed = session.run(_operations.finish(left), identity, survives_close=True)
    except BaseException as error:
        # Ctrl-C ends the wait, not the report.
        report_now(session)
        if not isinstance(error, SastaotpError):
            raise
    else:
        report_listed(session, listed)


def report_now(session: Session) -> None:
    """Write a session's purchases without waiting for those in flight."""
    listed: Optional[tuple[Unclaimed, ...]] = None
    with suppress(SastaotpError):
        listed = session.run_local(_operations.finish(0))
    if listed is None:
        log.warning("listing the purchases at the end failed: look in the order history")
    report_listed(session, listed or ())


def report_listed(session: Session, listed: Iterable[Unclaimed]) -> None:
    """Write the purchases of a session, and record that it has reported."""
    write(listed)
    untrack(session)


def write(listed: Iterable[Unclaimed]) -> None:
    """Write a line to stderr for each purchase that has none yet."""
    lines: list[str] = []
    for entry in listed:
        key = (entry.intent.id, entry.message)
        if key in _written:
            continue
        if len(_written) >= MAX_WRITTEN:
            with suppress(KeyError, StopIteration, RuntimeError):
                del _written[next(iter(_written))]
        _written[key] = None
        lines.append(f"sastaotp: {entry.message}\n")
    if lines:
        _write_to_stderr("".join(lines))


def _write_to_stderr(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except Exception:
        # There is no stderr in this program, or it was closed or replaced.
        with suppress(OSError):
            os.write(2, text.encode(errors="backslashreplace"))


def finalize_after_reports(finalizer: weakref.finalize[..., Any]) -> None:
    """Call a finalizer at the end of the program, but not before the reports."""
    finalizer.atexit = False
    _finalizers[:] = [*(other for other in _finalizers if other.alive), finalizer]


def end_program() -> None:
    """Report every session that was not closed, then call the finalizers."""
    try:
        report_at_exit()
    finally:
        for finalizer in _finalizers:
            # At this point of the exit, calling a finalizer has no effect.
            detached = finalizer.detach()
            if detached is not None:
                _, function, arguments, _ = detached
                function(*arguments)


def report_at_exit() -> None:
    """Report every session that was not closed. They wait at the same time."""
    sessions = [session for session in tuple(_sessions) if session.in_this_process]
    started = time.monotonic()
    interruption: Optional[BaseException] = None
    for session in sessions:
        left = session.end_wait - (time.monotonic() - started)
        try:
            report(session, 0 if interruption else max(left, 0))
        except BaseException as error:
            interruption = interruption or error
    if interruption is not None:
        raise interruption


class SigtermExit:
    """Turns SIGTERM into SystemExit while at least one ``with`` statement of a client runs.

    Without a handler, SIGTERM ends the process before a line of Python can run. A handler of the
    program stays in place.
    """

    _users = 0

    @classmethod
    def begin(cls) -> bool:
        """Install the handler if this thread can. Returns whether ``end`` must be called."""
        if threading.current_thread() is not threading.main_thread():
            return False
        if cls._users == 0:
            if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
                return False
            try:
                signal.signal(signal.SIGTERM, _exit)
            except ValueError:
                # This is the main thread of a subinterpreter, which can handle no signals.
                return False
        cls._users += 1
        return True

    @classmethod
    def end(cls) -> None:
        """Restore the default action at the end of the last statement."""
        cls._users -= 1
        is_main = threading.current_thread() is threading.main_thread()
        if cls._users == 0 and is_main and signal.getsignal(signal.SIGTERM) is _exit:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, _: Optional[FrameType]) -> None:
    # The status with which shells report a process that a signal ended.
    raise SystemExit(128 + number)


atexit.register(end_program)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
