"""The exceptions: one class per kind of failure, all with the fields of ``SastaotpError``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Tuple

from ._enums import Charge, Phase, Retry

if TYPE_CHECKING:
    # For type checkers only: at run time these import this module.
    from ._attempt import Attempt
    from ._intent import Intent


class SastaotpError(Exception):
    """A failed call. Its text is one sentence: the operation, the failure, the remedy.

    Branch on the class and the fields, not on the text.
    """

    kind: str = ""
    """The kind of failure, such as ``no_numbers``.

    For an OutcomeUnknownError it is the kind of the failure that left the outcome unknown. A later
    version may add kinds.
    """
    hint: str = ""
    """The advice at the end of the message; may be empty."""
    code: Optional[str] = None
    """The service's own error code, such as ``NO_BALANCE``, if it sent one."""
    http_status: Optional[int] = None
    """The HTTP status, if a reply arrived."""
    phase: Phase = Phase.PREPARE
    """The phase of the call that failed."""
    charge: Charge = Charge.NOT_CHARGED
    """Whether the wallet was charged. ``not_charged`` is proved."""
    retry: Retry = Retry.NEVER
    """Whether to repeat the same call."""
    retry_after: Optional[float] = None
    """The pause before a retry in seconds, if ``retry`` is ``after``."""
    fault: Optional[str] = None
    """The name of the fault, such as ``reply_lost``, if the failure is a known fault."""
    raw: Optional[str] = None
    """The first 4,096 characters of the reply, verbatim, if a reply caused the failure."""
    intent: Optional[Intent] = None
    """The purchase that failed, if the call was a purchase."""
    attempts: Tuple[Attempt, ...] = ()
    """The attempts of the call, oldest first, at most the newest 1,000.

    Empty unless it had ``countries``, ``offers``, ``min_price`` or ``patience``.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)

    @property
    def message(self) -> str:
        """The text of the error, as ``str`` returns it."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        return self.message


class OutcomeUnknownError(SastaotpError):
    """A purchase failed and may still have been made.

    Do not repeat it: call ``client.reconcile(error.intent)`` first.

    Every error whose charge is unknown has this class, also an error of ``reconcile``. The class
    extends only ``SastaotpError``, so code that retries other errors never repeats this purchase.
    """

    intent: Intent  # pyright: ignore[reportIncompatibleVariableOverride]
    """The purchase that may have been made."""


class ConfigError(SastaotpError, ValueError):
    """An argument or a setting is invalid, and nothing was sent.

    Also raised by ``complete`` if no code has arrived. It sends at most one poll.
    """

    kind = "config"


class UsageError(SastaotpError, RuntimeError):
    """A client or a lease was used in a state that does not allow it. Nothing was sent.

    The client is closed or in use by another event loop, or the lease was entered before.
    """

    kind = "config"


class AlreadySentError(SastaotpError):
    """The intent was bought before, so nothing was sent. An intent is sent once.

    If the outcome of the first purchase is unknown, or its reply may still arrive, the error is
    also an ``OutcomeUnknownError``. Otherwise its text names the first purchase. To buy another
    number, make another intent.
    """


class BudgetError(SastaotpError):
    """The client's budget does not cover the purchase. Nothing was sent."""


class JournalError(SastaotpError):
    """The journal cannot be written or read, so the purchase could be forgotten. Nothing was sent.

    Repair the disk or the folder, then try again.
    """


class ApiError(SastaotpError):
    """The service answered with a refusal or a failure.

    ``code``, ``http_status`` and ``raw`` have the details.
    """


class AuthenticationError(ApiError):
    """The service does not accept the API key or the account."""


class InsufficientBalanceError(ApiError):
    """The wallet's balance is too low."""


class NoNumbersError(ApiError):
    """No number is available."""


class PriceTooHighError(ApiError):
    """The price is above the given maximum."""


class ServiceUnavailableError(ApiError):
    """The service is not sold in this country."""


class NotFoundError(ApiError):
    """The activation does not exist for this API key."""


class AlreadyFinishedError(ApiError):
    """The order has already ended."""


class TooEarlyError(ApiError):
    """The order is too young to cancel; ``retry_after`` is the time to wait in seconds."""


class RejectedError(ApiError):
    """The service rejected the request for another reason; see ``code``."""


class ServerError(ApiError):
    """The service or its provider failed."""


class RateLimitError(ApiError):
    """Too many requests."""


class BlockedError(SastaotpError):
    """A firewall in front of the service refused the request."""


class ProtocolError(SastaotpError):
    """The reply is incomplete, or not a reply of the service."""


class ConnectionFailedError(SastaotpError, ConnectionError):
    """The connection failed or broke."""


class TlsError(ConnectionFailedError):
    """The TLS handshake failed, or the server's certificate was not accepted."""


class CallTimeoutError(SastaotpError, TimeoutError):
    """The call did not finish in time."""


class CallCancelledError(SastaotpError):
    """The client was closed during the call."""

    kind = "cancelled"


class WaitTimeoutError(SastaotpError, TimeoutError):
    """No code arrived in time.

    The order is still open, unless ``cancel_on_timeout`` cancelled it.
    """


class ExpiredError(SastaotpError):
    """The order expired without a code."""


class ActivationCancelledError(SastaotpError):
    """The service, or another program with the same API key, cancelled the order."""


class InternalError(SastaotpError):
    """A bug in this library. The call may have taken effect: check before you repeat it."""


#: The class of each kind. A kind that a later version adds becomes a plain SastaotpError.
CLASSES: dict[str, type[SastaotpError]] = {
    "config": ConfigError,
    "already_sent": AlreadySentError,
    "budget": BudgetError,
    "journal": JournalError,
    "authentication": AuthenticationError,
    "insufficient_balance": InsufficientBalanceError,
    "no_numbers": NoNumbersError,
    "price_too_high": PriceTooHighError,
    "service_unavailable": ServiceUnavailableError,
    "not_found": NotFoundError,
    "already_finished": AlreadyFinishedError,
    "too_early": TooEarlyError,
    "rejected": RejectedError,
    "server": ServerError,
    "rate_limited": RateLimitError,
    "blocked": BlockedError,
    "protocol": ProtocolError,
    "connection": ConnectionFailedError,
    "tls": TlsError,
    "timeout": CallTimeoutError,
    "cancelled": CallCancelledError,
    "wait_timeout": WaitTimeoutError,
    "expired": ExpiredError,
    "activation_cancelled": ActivationCancelledError,
    "internal": InternalError,
}
