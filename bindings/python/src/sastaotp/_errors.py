"""The errors: one class for each kind of failure, and the facts that stand beside each other on all of them."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Optional

import msgspec

from ._words import Charge, Phase, Retry

if TYPE_CHECKING:
    from ._intent import Intent


class SastaotpError(Exception):
    """A failed call. Its text is one sentence: what was being done, what came back, what to do.

    Decide by the class and the facts, not by the sentence.
    """

    #: The kind of the failure, in a word: the library's own, whatever the class is.
    kind: str = ""
    #: What to do about it; empty where there is nothing to say.
    hint: str = ""
    #: The service's own error code, such as ``NO_BALANCE``, where it sent one.
    code: Optional[str] = None
    #: The HTTP status, where a reply came.
    http_status: Optional[int] = None
    #: Where the call was when it failed.
    phase: Phase = Phase.PREPARE
    #: What the call did to the wallet.
    charge: Charge = Charge.NOT_CHARGED
    #: Whether the same call may succeed later.
    retry: Retry = Retry.NEVER
    #: How many seconds to wait before that, where ``retry`` is ``after``.
    retry_after: Optional[float] = None
    #: The row of the fault matrix, such as ``N06``, where the failure is one.
    fault: Optional[str] = None
    #: The reply as it came, its first 4,096 characters, where one is the reason.
    raw: Optional[str] = None
    #: The purchase that failed.
    intent: Optional[Intent] = None

    def __init__(self, message: str = "") -> None:
        super().__init__(message)

    @property
    def message(self) -> str:
        """The sentence."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        return self.message


class OutcomeUnknownError(SastaotpError):
    """A purchase that may have been made, whatever the reason. Do not repeat it: ``client.reconcile(error.intent)`` first.

    Every error whose charge is unknown is of this class and of no other, so that nothing that repeats failed calls
    repeats this one. ``kind`` says what happened.
    """

    #: What was to be bought.
    intent: Intent  # pyright: ignore[reportIncompatibleVariableOverride]


class ConfigError(SastaotpError, ValueError):
    """An argument or a setting is wrong. Nothing was sent."""

    kind = "config"


class UsageError(SastaotpError, RuntimeError):
    """A client or a lease cannot be used so: it is closed, entered already, or of another event loop. Nothing was sent."""

    kind = "config"


class BudgetError(SastaotpError):
    """The budget of the client does not cover the purchase. Nothing was sent."""


class ApiError(SastaotpError):
    """The service, or what stands in front of it, answered something else than was asked for: code, http_status, raw."""


class AuthenticationError(ApiError):
    """The key or the account is not accepted."""


class InsufficientBalanceError(ApiError):
    """The wallet is too low."""


class NoNumbersError(ApiError):
    """No number is free."""


class PriceTooHighError(ApiError):
    """The price is above the maximum given."""


class ServiceUnavailableError(ApiError):
    """The service is not sold in this country."""


class NotFoundError(ApiError):
    """The service does not know the activation."""


class AlreadyFinishedError(ApiError):
    """The order is over."""


class TooEarlyError(ApiError):
    """The order is too young to be cancelled; ``retry_after`` says how long to wait."""


class RejectedError(ApiError):
    """The service rejected the request for another reason, which its code tells."""


class ServerError(ApiError):
    """The service or its provider failed."""


class RateLimitError(ApiError):
    """Too many requests."""


class BlockedError(ApiError):
    """A firewall in front of the service refused the request."""


class ProtocolError(ApiError):
    """The reply is not one of the service, or not a whole one."""


class ConnectionError(SastaotpError, builtins.ConnectionError):
    """The connection could not be made, or broke."""


class TlsError(ConnectionError):
    """The server could not prove who it is."""


class Timeout(SastaotpError, builtins.TimeoutError):
    """Something did not happen in time."""


class Cancelled(SastaotpError):
    """The call was ended: its client was closed."""

    kind = "cancelled"


class WaitTimeout(SastaotpError, builtins.TimeoutError):
    """No code came in the time given. The activation is as it was, unless the wait was to cancel it."""


class ExpiredError(SastaotpError):
    """The order expired without a code."""


class ActivationCancelledError(SastaotpError):
    """The service, or somebody else with the key, cancelled the order."""


class InternalError(SastaotpError):
    """A defect of the library. What was under way may have taken effect: look before you repeat it."""


#: The class of each kind; a kind that a later version adds is a SastaotpError.
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


_NOTHING = msgspec.Raw(b"null")


class _Facts(msgspec.Struct, frozen=True):
    """The library's JSON of an error."""

    kind: str
    message: str
    hint: str
    phase: Phase
    charge: Charge
    retry: Retry
    code: Optional[str] = None
    http_status: Optional[int] = None
    retry_after_ms: Optional[int] = None
    fault: Optional[str] = None
    intent: msgspec.Raw = _NOTHING
    raw: Optional[str] = None


_decode = msgspec.json.Decoder(_Facts).decode


def error_from_json(text: bytes) -> SastaotpError:
    """The error of the library's JSON."""
    # An intent that cannot be read is an error of these.
    from ._intent import Intent

    facts = _decode(text)
    kind = OutcomeUnknownError if facts.charge == Charge.UNKNOWN else CLASSES.get(facts.kind, SastaotpError)
    error = kind(facts.message)
    error.kind = facts.kind
    error.hint = facts.hint
    error.code = facts.code
    error.http_status = facts.http_status
    error.phase = facts.phase
    error.charge = facts.charge
    error.retry = facts.retry
    error.retry_after = None if facts.retry_after_ms is None else facts.retry_after_ms / 1000
    error.fault = facts.fault
    error.raw = facts.raw
    if facts.intent != _NOTHING:
        error.intent = Intent(bytes(facts.intent))
    return error
