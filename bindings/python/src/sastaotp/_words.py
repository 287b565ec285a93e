"""The words of the library: enumerations that keep a word which a later version adds."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any


class Word(str, Enum):
    """A word of a closed set that may grow: an unknown one becomes a member of its own, equal to its text."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_ = value.upper()
        word._value_ = value
        return word

    def __str__(self) -> str:
        return str(self.value)


class Charge(Word):
    """What a failed call did to the wallet."""

    #: Nothing was charged; that is proved.
    NOT_CHARGED = "not_charged"
    #: The purchase may have been made: reconcile its intent, and do not repeat it.
    UNKNOWN = "unknown"
    #: Money was charged.
    CHARGED = "charged"


class Retry(Word):
    """Whether the same call may succeed later."""

    #: Not before something else changes.
    NEVER = "never"
    #: After a pause: ``retry_after``.
    AFTER = "after"
    #: After ``reconcile`` has shown what became of the purchase.
    AFTER_RECONCILE = "after_reconcile"


class Phase(Word):
    """Where a call was when it failed."""

    PREPARE = "prepare"
    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    SEND = "send"
    RECEIVE = "receive"
    DECODE = "decode"
    #: The service answered, with a refusal.
    SERVICE = "service"


class StatusKind(Word):
    """What the service says about an activation."""

    WAITING = "waiting"
    #: The next code is awaited; ``last_code`` is the one before, not a new one.
    WAITING_FOR_NEXT = "waiting_for_next"
    RECEIVED = "received"
    CANCELLED = "cancelled"
    #: A status that this version does not know: ``text``. Not an end.
    OTHER = "other"


class Change(Word):
    """What the service says that a change did."""

    CANCELLED = "cancelled"
    ALREADY_CANCELLED = "already_cancelled"
    READY = "ready"
    WAITING_FOR_NEXT = "waiting_for_next"
    COMPLETED = "completed"
    #: The service accepted without saying what.
    ACCEPTED = "accepted"
    #: A word that this version does not know: ``text``.
    OTHER = "other"


class Settled(Word):
    """What became of an order."""

    #: Its price is spent.
    COMPLETED = "completed"
    #: Its price is refunded.
    CANCELLED = "cancelled"
    #: Not cancelled: a code came first. The order is open; complete it.
    CODE_ARRIVED = "code_arrived"
    #: It was over before.
    ALREADY_OVER = "already_over"


class OrderStatus(Word):
    """The state of an order in the history."""

    PENDING = "pending"
    COMPLETED = "completed"
    #: The price was refunded.
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Outcome(Word):
    """What became of a purchase that nobody waits for."""

    #: The reply is still awaited.
    PENDING = "pending"
    #: A number was bought: an operation on its ``activation`` takes it up.
    BOUGHT = "bought"
    #: It is not known whether a number was bought: reconcile the intent.
    UNKNOWN = "unknown"


class SetStatus(IntEnum):
    """The values of the service's action setStatus."""

    CANCEL = 8
    #: The same under its older number, for panels that know only this one.
    CANCEL_LEGACY = -1
    SMS_SENT = 1
    NEXT_CODE = 3
    COMPLETE = 6


class KeyIn(IntEnum):
    """Where the API key goes in a request."""

    #: The header X-API-Key: out of URLs, logs and proxies.
    HEADER = 0
    #: The header Authorization: Bearer, which Apache with PHP-FPM often drops.
    BEARER = 1
    #: The parameter api_key, for panels that know no other way.
    QUERY = 2
