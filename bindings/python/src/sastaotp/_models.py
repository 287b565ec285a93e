"""What the service says, as frozen objects: read from the library's own JSON, whose names the fields have.

Money is there twice: exact in micro-rupees (``price_micros``) and as a Decimal (``price``); times in milliseconds
(``expires_at_ms``) and as a datetime or timedelta (``expires_at``). ``raw`` is the reply as it came, for fields that this
version does not know; it is read when it is asked for.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Iterator, Optional, Tuple

import msgspec

from ._errors import SastaotpError, error_from_json
from ._intent import Intent
from ._units import moment, rupees, span
from ._words import Change, OrderStatus, Outcome, Settled, StatusKind

_NOTHING = msgspec.Raw(b"null")


class _Result(msgspec.Struct, frozen=True):
    """Shows its fields as Python has them, and without the reply."""

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in map(_shown, self.__struct_fields__) if name)
        return f"{type(self).__name__}({', '.join(shown)})"

    def __hash__(self) -> int:
        values = (getattr(self, name) for name in self.__struct_fields__)
        return hash(tuple(value for value in values if not isinstance(value, msgspec.Raw)))


def _shown(field: str) -> str:
    for suffix in ("_micros", "_ms"):
        if field.endswith(suffix):
            return field[: -len(suffix)]
    return "" if field == "raw_json" else field


class _Reply(_Result, frozen=True, kw_only=True):
    """A result with the reply, or the part of one, that it was read from."""

    raw_json: msgspec.Raw = msgspec.field(default=_NOTHING, name="raw")

    @property
    def raw(self) -> Any:
        """The reply as it came: the objects of its JSON, or its text."""
        return msgspec.json.decode(self.raw_json)


class Balance(_Reply, frozen=True):
    """What is in the wallet."""

    amount_micros: int
    currency: str

    @property
    def amount(self) -> Decimal:
        """The amount."""
        return rupees(self.amount_micros)


class Offer(_Result, frozen=True):
    """A service in one country."""

    #: The code of the country: not its calling code.
    country: str
    country_name: str
    price_micros: Optional[int] = None
    #: How many numbers there are.
    available: Optional[int] = None

    @property
    def price(self) -> Optional[Decimal]:
        """What a number costs there."""
        return rupees(self.price_micros)


class Service(_Result, frozen=True):
    """A service that numbers are sold for."""

    #: The code for ``get_number``.
    code: str
    name: str
    price_micros: Optional[int] = None
    available: Optional[int] = None
    #: Whether one number can get several codes.
    multi_sms: Optional[bool] = None
    expires_in_ms: Optional[int] = None
    #: Where it is sold. The live service leaves this empty unless one service is asked for.
    countries: Tuple[Offer, ...] = ()

    @property
    def price(self) -> Optional[Decimal]:
        """What a number costs where no country is chosen."""
        return rupees(self.price_micros)

    @property
    def expires_in(self) -> Optional[timedelta]:
        """How long after the purchase an order expires."""
        return span(self.expires_in_ms)


class Services(_Reply, frozen=True):
    """The services: a sequence."""

    services: Tuple[Service, ...]

    def __iter__(self) -> Iterator[Service]:
        return iter(self.services)

    def __len__(self) -> int:
        return len(self.services)

    def __getitem__(self, index: int) -> Service:
        return self.services[index]


class Price(_Result, frozen=True, gc=False):
    """What a service costs in a country."""

    #: The code of the country: not its calling code. ``*`` and ``any`` are the service's own words.
    country: str
    #: The code of the service.
    service: str
    cost_micros: Optional[int] = None
    #: How many numbers there are; the live service says 999 everywhere.
    count: Optional[int] = None

    @property
    def cost(self) -> Optional[Decimal]:
        """What a number costs; None where the reply's figure cannot be read."""
        return rupees(self.cost_micros)


class Prices(_Reply, frozen=True):
    """What services cost in countries: a sequence, in the order of the reply."""

    prices: Tuple[Price, ...]

    def __iter__(self) -> Iterator[Price]:
        return iter(self.prices)

    def __len__(self) -> int:
        return len(self.prices)

    def __getitem__(self, index: int) -> Price:
        return self.prices[index]


class Country(_Result, frozen=True):
    """A country that numbers are sold in."""

    #: The code for ``get_number``: not its calling code.
    code: str
    #: The name in English. Names repeat; each code has prices of its own.
    name: str
    #: Whether the service shows it to its users.
    visible: bool = True


class Countries(_Reply, frozen=True):
    """Countries: a sequence."""

    countries: Tuple[Country, ...]

    def __iter__(self) -> Iterator[Country]:
        return iter(self.countries)

    def __len__(self) -> int:
        return len(self.countries)

    def __getitem__(self, index: int) -> Country:
        return self.countries[index]


class Order(_Reply, frozen=True):
    """An order of the history. What the reply does not give is None."""

    #: The id of the order; a number that grows.
    order_id: Optional[str] = None
    #: The id for ``activation``.
    activation_id: Optional[str] = None
    phone_number: Optional[str] = None
    service: Optional[str] = None
    country: Optional[str] = None
    price_micros: Optional[int] = None
    status: Optional[OrderStatus] = None
    #: The code that came.
    code: Optional[str] = None
    #: When it was bought, in the words of the service: the zone of that time is not known.
    created_at: Optional[str] = None
    created_ms: Optional[int] = None

    @property
    def price(self) -> Optional[Decimal]:
        """What was charged."""
        return rupees(self.price_micros)

    @property
    def created(self) -> Optional[datetime]:
        """When it was bought, where the service gives seconds since 1970."""
        return moment(self.created_ms)


class OrderPage(_Reply, frozen=True):
    """One page of the order history, newest first: a sequence."""

    orders: Tuple[Order, ...]
    #: How many there are on all pages, where the service says so.
    total: Optional[int] = None
    #: The activations on this page that may be a purchase of this client made twice, on its way or by another program.
    extra_orders: Tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Order]:
        return iter(self.orders)

    def __len__(self) -> int:
        return len(self.orders)

    def __getitem__(self, index: int) -> Order:
        return self.orders[index]


class Purchase(_Reply, frozen=True):
    """What the reply to a purchase said."""

    activation_id: str
    phone_number: str
    order_id: Optional[str] = None
    service: Optional[str] = None
    service_name: Optional[str] = None
    country: Optional[str] = None
    country_name: Optional[str] = None
    price_micros: Optional[int] = None
    #: Whether the service sells further codes on this number.
    multi_sms: Optional[bool] = None
    can_get_another_sms: Optional[bool] = None
    expires_in_ms: Optional[int] = None
    #: A note of the service's operators.
    note: Optional[str] = None
    #: What is odd about the reply, one sentence each. The purchase stands all the same.
    warnings: Tuple[str, ...] = ()

    @property
    def price(self) -> Optional[Decimal]:
        """What was charged."""
        return rupees(self.price_micros)

    @property
    def expires_in(self) -> Optional[timedelta]:
        """How long after the purchase the order expires."""
        return span(self.expires_in_ms)


class Number(_Result, frozen=True):
    """A number that was bought: what an activation knows without asking."""

    id: str
    phone_number: Optional[str] = None
    price_micros: Optional[int] = None
    expires_at_ms: Optional[int] = None
    purchase: Optional[Purchase] = None

    @property
    def price(self) -> Optional[Decimal]:
        """What was charged, where the service said so."""
        return rupees(self.price_micros)

    @property
    def expires_at(self) -> Optional[datetime]:
        """When the order expires, where the service said so."""
        return moment(self.expires_at_ms)


class Sms(_Reply, frozen=True):
    """A message that came to a number."""

    #: The code, untouched: it may hold colons, blanks and leading zeros.
    code: str
    text: Optional[str] = None
    sender: Optional[str] = None
    #: When it came, in the words of the service: the zone of that time is not known.
    received_at: Optional[str] = None
    #: Whether the same code came for this order before.
    is_repeat: bool = False


class Status(_Reply, frozen=True):
    """What the service says about an activation."""

    status: StatusKind
    #: The message, where one was received.
    sms: Optional[Sms] = None
    #: While the next code is awaited: the one before, where the service repeats it.
    last_code: Optional[str] = None
    #: A status that this version does not know, as the service wrote it.
    text: Optional[str] = None


class StatusChange(_Reply, frozen=True):
    """What the service says that a change did."""

    change: Change
    #: A word that this version does not know, as the service wrote it.
    text: Optional[str] = None


class Settlement(_Reply, frozen=True):
    """How an order was closed."""

    state: Settled
    #: The code that came, if one did.
    code: Optional[Sms] = None


class Reconciliation(_Result, frozen=True):
    """What the order history shows about a purchase whose reply was lost."""

    #: The orders that may be it, newest first; several where others buy the same with this key. None means that none was
    #: seen, not that nothing was charged.
    candidates: Tuple[Order, ...]
    #: Whether the history was read down to what was known before the purchase.
    complete: bool


class Unclaimed(_Result, frozen=True):
    """A purchase whose caller gave up, or a number whose lease could not be settled."""

    outcome: Outcome
    intent_json: msgspec.Raw = msgspec.field(name="intent")
    #: What was bought: an operation on ``client.activation(purchase.activation_id)`` takes it up.
    purchase: Optional[Purchase] = None
    error_json: msgspec.Raw = msgspec.field(default=_NOTHING, name="error")

    @property
    def intent(self) -> Intent:
        """What was to be bought: for ``reconcile``."""
        return Intent.from_json(bytes(self.intent_json))

    @property
    def error(self) -> Optional[SastaotpError]:
        """Why it is not known whether something was bought."""
        return None if self.error_json == _NOTHING else error_from_json(bytes(self.error_json))

    def __repr__(self) -> str:
        shown = ("outcome", "intent", "purchase", "error")
        return f"Unclaimed({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"
