"""The exceptions: one class per kind of failure, all with the fields of ``SastaotpError``."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Optional

from ._enums import Charge, Phase, Retry

if TYPE_CHECKING:
    # For type checkers only: at run time `_intent` imports this module.
    from ._intent import Intent


class SastaotpError(Exception):
    """A failed call. Its text is one sentence: the operation, the failure, the remedy.

    Branch on the class and the fields, not on the text.
    """

    #: The kind of failure as one word of the library, also if the class is OutcomeUnknownError.
    kind: str = ""
    #: The remedy. Empty if there is no advice.
    hint: str = ""
    #: The service's own error code, such as ``NO_BALANCE``, if it sent one.
    code: Optional[str] = None
    #: The HTTP status, if a reply arrived.
    http_status: Optional[int] = None
    #: How far the call was when it failed.
    phase: Phase = Phase.PREPARE
    #: The effect of the call on the wallet.
    charge: Charge = Charge.NOT_CHARGED
    #: Whether the same call may succeed later.
    retry: Retry = Retry.NEVER
    #: How many seconds to wait before a retry, if ``retry`` is ``after``.
    retry_after: Optional[float] = None
    #: The name of the fault, such as ``reply_lost``, if the failure is a known fault.
    fault: Optional[str] = None
    #: The first 4,096 characters of the reply, verbatim, if a reply caused the failure.
    raw: Optional[str] = None
    #: The purchase that failed, if the call was a purchase.
    intent: Optional[Intent] = None

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

    Every error whose charge is unknown has this class and no other, so code that retries other
    errors never repeats this purchase. ``kind`` says how the call failed.
    """

    #: The purchase that may have been made.
    intent: Intent  # pyright: ignore[reportIncompatibleVariableOverride]


class ConfigError(SastaotpError, ValueError):
    """An argument or a setting is wrong. Nothing was sent."""

    kind = "config"


class UsageError(SastaotpError, RuntimeError):
    """A client or a lease was used in a state that does not allow it. Nothing was sent.

    The client is closed, or in use by another event loop; or the lease was entered before.
    """

    kind = "config"


class BudgetError(SastaotpError):
    """The budget of the client does not cover the purchase. Nothing was sent."""


class ApiError(SastaotpError):
    """The service, or a proxy or firewall in front of it, refused the call or sent a wrong reply.

    ``code``, ``http_status`` and ``raw`` have the details.
    """


class AuthenticationError(ApiError):
    """The service does not accept the API key or the account."""


class InsufficientBalanceError(ApiError):
    """The wallet does not cover the price."""


class NoNumbersError(ApiError):
    """No number is available."""


class PriceTooHighError(ApiError):
    """The price is above the maximum given."""


class ServiceUnavailableError(ApiError):
    """The service is not sold in this country."""


class NotFoundError(ApiError):
    """The service does not know the activation."""


class AlreadyFinishedError(ApiError):
    """The order has ended."""


class TooEarlyError(ApiError):
    """The order is too young to be cancelled. Try again after ``retry_after`` seconds."""


class RejectedError(ApiError):
    """The service rejected the request for another reason; see ``code``."""


class ServerError(ApiError):
    """The service or its provider failed."""


class RateLimitError(ApiError):
    """Too many requests."""


class BlockedError(ApiError):
    """A firewall in front of the service refused the request."""


class ProtocolError(ApiError):
    """The reply is not a reply of the service, or is incomplete."""


class ConnectionError(SastaotpError, builtins.ConnectionError):
    """The connection failed or broke."""


class TlsError(ConnectionError):
    """The TLS handshake failed, or the server's certificate was not accepted."""


class Timeout(SastaotpError, builtins.TimeoutError):
    """The call did not finish in time."""


class Cancelled(SastaotpError):
    """The call was ended because its client was closed."""

    kind = "cancelled"


class WaitTimeout(SastaotpError, builtins.TimeoutError):
    """No code arrived in time.

    The activation is unchanged, unless ``cancel_on_timeout`` was set.
    """


class ExpiredError(SastaotpError):
    """The order expired without a code."""


class ActivationCancelledError(SastaotpError):
    """The service, or another user of the same API key, cancelled the order."""


class InternalError(SastaotpError):
    """A defect of the library. The call may have taken effect: check before you repeat it."""


#: The class of each kind. A kind that a later version adds becomes a plain SastaotpError.
CLASSES: dict[str, type[SastaotpError]] = {
    "config": ConfigError,
    "budget": BudgetError,
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
    "connection": ConnectionError,
    "tls": TlsError,
    "timeout": Timeout,
    "cancelled": Cancelled,
    "wait_timeout": WaitTimeout,
    "expired": ExpiredError,
    "activation_cancelled": ActivationCancelledError,
    "internal": InternalError,
}
