"""The base classes of both clients: BaseClient, BaseActivation and BaseLease."""

from __future__ import annotations

import os
import weakref
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, Optional, TypeVar

from . import _ends, _operations
from ._arguments import OnTooEarly, on_too_early_text
from ._errors import CallCancelledError, UsageError
from ._log_text import log_text
from ._models import ActivationData, Purchase, Settlement, Sms, Status
from ._native_queue import Hold, Session
from ._operations import Operation
from ._settings import Settings
from ._warnings import warn

A = TypeVar("A", bound="BaseActivation")


class BaseClient(Generic[A]):
    """The settings of a client, and its session in this process."""

    #: None before ``__init__`` has created it, and after the client was closed.
    _session: Optional[Session] = None
    _finalizer: Optional[weakref.finalize[..., Any]] = None
    #: How many ``with`` statements of this client handle SIGTERM.
    _sigterm_exits = 0

    def __init__(self, settings: Settings, *, exit_on_sigterm: bool) -> None:
        self._settings = settings
        self._exit_on_sigterm = exit_on_sigterm
        self._begin_session()

    def _begin_session(self) -> Session:
        session = Session(self._settings)
        self._finalizer = _ends.track(self, session)
        self._session = session
        return session

    def _open_session(self) -> Session:
        """Return the session of this process. A forked child gets a new one."""
        session = self._session
        if session is None:
            raise UsageError("the client is closed: create a new client")
        return session if session.in_this_process else self._begin_session()

    def _end_session(self) -> Optional[Session]:
        """Close the session, for the caller to report it. None if there is none to report."""
        session, self._session = self._session, None
        if session is None:
            return None
        session.closed = True
        self._settings.forget_secrets()
        if self._finalizer is not None:
            self._finalizer.detach()
        return session if session.in_this_process else None

    def _enter(self) -> None:
        """Begin a ``with`` statement."""
        if self._exit_on_sigterm and _ends.SigtermExit.begin():
            self._sigterm_exits += 1

    def _exit(self) -> None:
        """End a ``with`` statement, after its report."""
        if self._sigterm_exits:
            self._sigterm_exits -= 1
            _ends.SigtermExit.end()

    def _new_activation(self, data: ActivationData) -> A:
        """Return the object of a number. The classes of the clients define it."""
        raise NotImplementedError

    def _claimed(self, operation: Operation[ActivationData], data: ActivationData) -> A:
        activation = self._new_activation(data)
        activation._hold, operation.hold = operation.hold, None
        return activation

    def _bought(self, operation: Operation[ActivationData], data: ActivationData) -> A:
        activation = self._claimed(operation, data)
        activation._warn_of_purchase()
        return activation

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'closed' if self._session is None else 'open'}>"


class BaseActivation:
    """The data of a number. None of its properties sends a request."""

    __slots__ = ("_code", "_data", "_hold")

    def __init__(self, data: ActivationData) -> None:
        self._data = data
        self._code: Optional[Sms] = None
        #: Ends with this object.
        self._hold: Optional[Hold] = None

    def _warn_of_purchase(self) -> None:
        """Emit the warnings of a purchase that was just made."""
        if self.purchase is not None:
            for warning in self.purchase.warnings:
                # The warning can quote the reply, which the log never does.
                logged = f"activation {self.id}: its purchase has warnings"
                warn(f"activation {self.id}: {warning}", logged=logged)

    @property
    def id(self) -> str:
        """The id of the activation, as text."""
        return self._data.id

    @property
    def phone_number(self) -> Optional[str]:
        """The number as the service wrote it. None if the client has no record of it."""
        return self._data.phone_number

    @property
    def price(self) -> Optional[Decimal]:
        """The price that was charged, in rupees, if the service reported it."""
        return self._data.price

    @property
    def price_micros(self) -> Optional[int]:
        """The price that was charged, in millionths of a rupee, if the service reported it."""
        return self._data.price_micros

    @property
    def expires_at(self) -> Optional[datetime]:
        """When the order expires, if the service reported it."""
        return self._data.expires_at

    @property
    def expires_at_ms(self) -> Optional[int]:
        """When the order expires, in milliseconds since 1970, if the service reported it."""
        return self._data.expires_at_ms

    @property
    def purchase(self) -> Optional[Purchase]:
        """The reply to the purchase. None if the client has no record of it."""
        return self._data.purchase

    @property
    def code(self) -> Optional[Sms]:
        """The last code that a call on this object returned. Sends no request."""
        return self._code

    def _keep_sms(self, sms: Sms) -> Sms:
        self._code = sms
        return sms

    def _keep_status(self, status: Status) -> Status:
        self._code = status.sms or self._code
        return status

    def _keep_settlement(self, settlement: Settlement) -> Settlement:
        self._code = settlement.code or self._code
        return settlement

    def __repr__(self) -> str:
        shown = self.id if self.phone_number is None else f"{self.id} {self.phone_number}"
        return f"<{type(self).__name__} {shown}>"


class BaseLease(Generic[A]):
    """A number for the duration of a ``with`` statement."""

    def __init__(self, operation: Operation[ActivationData], on_too_early: OnTooEarly) -> None:
        self._operation = operation
        on_too_early_text(on_too_early)
        self._on_too_early: OnTooEarly = on_too_early
        self._activation: Optional[A] = None
        #: The process that entered the statement.
        self._pid: Optional[int] = None
        self.settlement: Optional[Settlement] = None
        """How the order was settled; None before that, and if settling failed.

        If a code arrived during the cancellation, it is in ``settlement.code``, and is paid for.
        """

    def _mark_entered(self) -> None:
        if self._pid is not None:
            raise UsageError("the lease was entered before: create a lease for each number")
        self._pid = os.getpid()

    def _release(self) -> Optional[A]:
        """Return the number to settle. None in a forked child: its parent settles it."""
        activation, self._activation = self._activation, None
        return activation if self._pid == os.getpid() else None

    def _settle_operation(
        self, activation: A, error: Optional[BaseException]
    ) -> Operation[Settlement]:
        """Return the operation that settles a number, given the error that ended its block."""
        # After Ctrl-C, a cancelled task, an exit or a closed client, the program wants to end.
        is_interrupted = error is not None and (
            not isinstance(error, Exception) or isinstance(error, CallCancelledError)
        )
        return _operations.settle(activation.id, "fail" if is_interrupted else self._on_too_early)

    def _keep_settlement(self, activation: A, settlement: Settlement) -> Settlement:
        known = activation.code
        self.settlement = activation._keep_settlement(settlement)
        if settlement.code is not None and (known is None or known.code != settlement.code.code):
            warn(
                f"activation {activation.id}: a code arrived while the lease was being settled: "
                "read it from the lease's settlement"
            )
        return settlement

    def _must_raise(
        self, activation: A, failure: BaseException, error: Optional[BaseException]
    ) -> bool:
        """Warn why a number was not settled, list it, and decide whether to raise the failure.

        A failure is not raised if the block raised an error or had received a code, unless the
        failure is an interruption.
        """
        warn(
            f"activation {activation.id}: settling its lease failed ({log_text(failure)}): "
            "unclaimed() lists it"
        )
        if activation._hold is not None:
            activation._hold.release()
        return not isinstance(failure, Exception) or (error is None and activation.code is None)
