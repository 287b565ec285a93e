"""The enumerations of the package. Those with text values keep values that this version lacks."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any


class OpenEnum(str, Enum):
    """A string enumeration that keeps unknown values. Every member equals its text."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = value.upper()
        unknown._value_ = value
        return unknown

    def __str__(self) -> str:
        return str(self.value)


class Charge(OpenEnum):
    """Whether a failed call charged the wallet."""

    NOT_CHARGED = "not_charged"
    """Nothing was charged. This is proved, not assumed."""
    UNKNOWN = "unknown"
    """The purchase may have been made: reconcile its intent, and do not repeat it."""
    CHARGED = "charged"
    """Money was charged."""


class Retry(OpenEnum):
    """Whether to repeat a failed call."""

    NEVER = "never"
    """Not as it is: something else has to change first, such as the stock or an argument."""
    AFTER = "after"
    """After a pause of ``retry_after`` seconds."""
    AFTER_RECONCILE = "after_reconcile"
    """After ``reconcile`` has shown the outcome of the purchase."""


class Phase(OpenEnum):
    """The phase of a call."""

    PREPARE = "prepare"
    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    SEND = "send"
    RECEIVE = "receive"
    DECODE = "decode"
    SERVICE = "service"
    """The service answered with an error."""


class StatusKind(OpenEnum):
    """The status of an activation."""

    WAITING = "waiting"
    WAITING_FOR_NEXT = "waiting_for_next"
    """Waiting for the next code. ``last_code`` is the previous code, not a new one."""
    RECEIVED = "received"
    CANCELLED = "cancelled"
    OTHER = "other"
    """A status that this version does not recognize; ``text`` has it.

    The order may still be open.
    """


class StatusChangeKind(OpenEnum):
    """The effect of a status change, as the service reports it."""

    CANCELLED = "cancelled"
    ALREADY_CANCELLED = "already_cancelled"
    READY = "ready"
    WAITING_FOR_NEXT = "waiting_for_next"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    """The service accepted the change and did not report its effect."""
    OTHER = "other"
    """An effect that this version does not recognize; ``text`` has it."""


class SettlementState(OpenEnum):
    """The state of an order after a call that settles, completes or cancels it."""

    COMPLETED = "completed"
    """The order is completed and its price is spent."""
    CANCELLED = "cancelled"
    """The order is cancelled and its price is refunded."""
    CODE_ARRIVED = "code_arrived"
    """A code arrived before the cancellation. The order is still open: complete it."""
    ALREADY_OVER = "already_over"
    """The order had ended before the call."""


class OrderStatus(OpenEnum):
    """The status of an order in the history."""

    PENDING = "pending"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    """The price was refunded."""
    EXPIRED = "expired"


class UnclaimedOutcome(OpenEnum):
    """The outcome of an unclaimed purchase."""

    PENDING = "pending"
    """The reply has not arrived yet."""
    BOUGHT = "bought"
    """A number was bought. Any operation on its ``activation`` claims it."""
    UNKNOWN = "unknown"
    """A number may have been bought: reconcile the intent, or resolve it."""


class SetStatus(IntEnum):
    """The values of the service's action setStatus."""

    CANCEL = 8
    CANCEL_LEGACY = -1
    """An older value for the same change, for services that accept only this one."""
    SMS_SENT = 1
    NEXT_CODE = 3
    COMPLETE = 6


class ApiKeyLocation(IntEnum):
    """The part of a request that carries the API key."""

    HEADER = 0
    """The header X-API-Key. It keeps the key out of URLs, logs and proxies."""
    BEARER = 1
    """The header Authorization: Bearer, which Apache with PHP-FPM often drops."""
    QUERY = 2
    """The query parameter api_key, for services that accept nothing else."""
