"""The enumerations of the package. Those of the service keep values that a later version adds."""

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
    """The effect of a failed call on the wallet."""

    #: Nothing was charged. This is proved, not assumed.
    NOT_CHARGED = "not_charged"
    #: The purchase may have been made: reconcile its intent, and do not repeat it.
    UNKNOWN = "unknown"
    #: Money was charged.
    CHARGED = "charged"


class Retry(OpenEnum):
    """Whether the same call may succeed later."""

    #: Not until something else changes.
    NEVER = "never"
    #: After a pause of ``retry_after`` seconds.
    AFTER = "after"
    #: After ``reconcile`` has shown the outcome of the purchase.
    AFTER_RECONCILE = "after_reconcile"


class Phase(OpenEnum):
    """How far a call was when it failed."""

    PREPARE = "prepare"
    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    SEND = "send"
    RECEIVE = "receive"
    DECODE = "decode"
    #: The service answered, and refused.
    SERVICE = "service"


class StatusKind(OpenEnum):
    """The state of an activation."""

    WAITING = "waiting"
    #: Waiting for the next code. ``last_code`` is the previous code, not a new one.
    WAITING_FOR_NEXT = "waiting_for_next"
    RECEIVED = "received"
    CANCELLED = "cancelled"
    #: A status that this version does not know; ``text`` has it. The order may still be open.
    OTHER = "other"


class StatusChangeKind(OpenEnum):
    """The effect of a status change, as the service reports it."""

    CANCELLED = "cancelled"
    ALREADY_CANCELLED = "already_cancelled"
    READY = "ready"
    WAITING_FOR_NEXT = "waiting_for_next"
    COMPLETED = "completed"
    #: The service accepted the change and did not report its effect.
    ACCEPTED = "accepted"
    #: An effect that this version does not know; ``text`` has it.
    OTHER = "other"


class SettlementState(OpenEnum):
    """The state of an order after a call that settles, completes or cancels it."""

    #: The order is completed and its price is spent.
    COMPLETED = "completed"
    #: The order is cancelled and its price is refunded.
    CANCELLED = "cancelled"
    #: A code arrived before the cancellation. The order is still open: complete it.
    CODE_ARRIVED = "code_arrived"
    #: The order had ended before the call.
    ALREADY_OVER = "already_over"


class OrderStatus(OpenEnum):
    """The state of an order in the history."""

    PENDING = "pending"
    COMPLETED = "completed"
    #: The price was refunded.
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class UnclaimedOutcome(OpenEnum):
    """The outcome of a purchase that no caller waits for."""

    #: The reply has not arrived yet.
    PENDING = "pending"
    #: A number was bought. Any operation on its ``activation`` claims it.
    BOUGHT = "bought"
    #: The number may have been bought or not: reconcile the intent.
    UNKNOWN = "unknown"


class SetStatus(IntEnum):
    """The values of the service's action setStatus."""

    CANCEL = 8
    #: An older value for the same change, for panels that accept only this one.
    CANCEL_LEGACY = -1
    SMS_SENT = 1
    NEXT_CODE = 3
    COMPLETE = 6


class ApiKeyLocation(IntEnum):
    """Which part of a request carries the API key."""

    #: The header X-API-Key. It keeps the key out of URLs, logs and proxies.
    HEADER = 0
    #: The header Authorization: Bearer, which Apache with PHP-FPM often drops.
    BEARER = 1
    #: The query parameter api_key, for panels that accept nothing else.
    QUERY = 2
