"""The results of calls: frozen objects, decoded from the core's JSON, whose field names they have.

Amounts are available twice: as exact micro-rupees (``price_micros``) and as a Decimal (``price``).
So are times: as milliseconds (``expires_at_ms``) and as a datetime or timedelta (``expires_at``).
``raw`` is the reply verbatim, with fields that this version does not know. It is decoded on each
access.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Iterator, Optional, Tuple

import msgspec

from ._enums import (
    OrderStatus,
    SettlementState,
    StatusChangeKind,
    StatusKind,
    UnclaimedOutcome,
)
from ._error_json import error_from_json
from ._errors import SastaotpError
from ._intent import Intent
from ._money_and_time import duration, rupees, utc_datetime

_NULL = msgspec.Raw(b"null")


class _Result(msgspec.Struct, frozen=True):
    """Prints and hashes its fields without the raw reply."""

    def __repr__(self) -> str:
        names = (_printed_name(field) for field in self.__struct_fields__)
        shown = (f"{name}={getattr(self, name)!r}" for name in names if name)
        return f"{type(self).__name__}({', '.join(shown)})"

    def __hash__(self) -> int:
        values = (getattr(self, name) for name in self.__struct_fields__)
        return hash(tuple(value for value in values if not isinstance(value, msgspec.Raw)))


def _printed_name(field: str) -> str:
    """Return the name of the converted value (``price`` for ``price_micros``), empty to hide it."""
    for suffix in ("_micros", "_ms"):
        if field.endswith(suffix):
            return field[: -len(suffix)]
    return "" if field == "raw_json" else field


class _Reply(_Result, frozen=True, kw_only=True):
    """A result with the reply, or the part of the reply, that it was read from."""

    raw_json: msgspec.Raw = msgspec.field(default=_NULL, name="raw")

    @property
    def raw(self) -> Any:
        """The reply verbatim: decoded JSON, or text if the service sent text."""
        return msgspec.json.decode(self.raw_json)


class Balance(_Reply, frozen=True):
    """The balance of the wallet."""

    amount_micros: int
    currency: str

    @property
    def amount(self) -> Decimal:
        """The balance in rupees."""
        return rupees(self.amount_micros)


class Offer(_Result, frozen=True):
    """The price and stock of a service in one country."""

    #: The code of the country, which is not its calling code.
    country: str
    country_name: str
    price_micros: Optional[int] = None
    #: How many numbers are in stock.
    available: Optional[int] = None

    @property
    def price(self) -> Optional[Decimal]:
        """The price of a number in rupees."""
        return rupees(self.price_micros)


class Service(_Result, frozen=True):
    """A service that numbers are sold for."""

    #: The code to pass to ``get_number``.
    code: str
    name: str
    price_micros: Optional[int] = None
    available: Optional[int] = None
    #: Whether a number can receive several codes.
    multi_sms: Optional[bool] = None
    expires_in_ms: Optional[int] = None
    #: The countries that sell it. The live service fills this only if one service is requested.
    countries: Tuple[Offer, ...] = ()

    @property
    def price(self) -> Optional[Decimal]:
        """The price of a number in rupees if the request names no country."""
        return rupees(self.price_micros)

    @property
    def expires_in(self) -> Optional[timedelta]:
        """How long after the purchase an order expires."""
        return duration(self.expires_in_ms)


class Services(_Reply, frozen=True):
    """A sequence of services."""

    services: Tuple[Service, ...]

    def __iter__(self) -> Iterator[Service]:
        return iter(self.services)

    def __len__(self) -> int:
        return len(self.services)

    def __getitem__(self, index: int) -> Service:
        return self.services[index]


class Price(_Result, frozen=True, gc=False):
    """The price and stock of one service in one country."""

    #: The code of the country, which is not its calling code. The service also sends ``*`` and
    #: ``any``.
    country: str
    #: The code of the service.
    service: str
    price_micros: Optional[int] = None
    #: How many numbers are in stock. The live service reports 999 everywhere.
    available: Optional[int] = None

    @property
    def price(self) -> Optional[Decimal]:
        """The price of a number in rupees. None if the figure in the reply is not readable."""
        return rupees(self.price_micros)


class Prices(_Reply, frozen=True):
    """A sequence of prices, in the order of the reply."""

    prices: Tuple[Price, ...]

    def __iter__(self) -> Iterator[Price]:
        return iter(self.prices)

    def __len__(self) -> int:
        return len(self.prices)

    def __getitem__(self, index: int) -> Price:
        return self.prices[index]


class Country(_Result, frozen=True):
    """A country that numbers are sold in."""

    #: The code to pass to ``get_number``, which is not the calling code.
    code: str
    #: The name in English. Several countries can share a name; each code has its own prices.
    name: str
    #: Whether the service shows the country to its users.
    visible: bool = True


class Countries(_Reply, frozen=True):
    """A sequence of countries."""

    countries: Tuple[Country, ...]

    def __iter__(self) -> Iterator[Country]:
        return iter(self.countries)

    def __len__(self) -> int:
        return len(self.countries)

    def __getitem__(self, index: int) -> Country:
        return self.countries[index]


class Order(_Reply, frozen=True):
    """An order of the history. Fields that the reply lacks are None."""

    #: The id of the order, a number that grows from order to order.
    order_id: Optional[str] = None
    #: The id to pass to ``activation``.
    activation_id: Optional[str] = None
    phone_number: Optional[str] = None
    service: Optional[str] = None
    country: Optional[str] = None
    price_micros: Optional[int] = None
    status: Optional[OrderStatus] = None
    #: The code that was received.
    code: Optional[str] = None
    #: The time of the purchase, verbatim. The service does not state its time zone.
    created_text: Optional[str] = None
    created_at_ms: Optional[int] = None

    @property
    def price(self) -> Optional[Decimal]:
        """The price that was charged, in rupees."""
        return rupees(self.price_micros)

    @property
    def created_at(self) -> Optional[datetime]:
        """The time of the purchase, if the service sends it as seconds since 1970."""
        return utc_datetime(self.created_at_ms)


class OrderPage(_Reply, frozen=True):
    """One page of the order history: a sequence of orders, newest first."""

    orders: Tuple[Order, ...]
    #: How many orders all pages have together, if the service reports it.
    total: Optional[int] = None
    #: The ids of activations on this page that may duplicate a purchase of this client: bought in
    #: the last ten minutes, with the same request, and not by this client. A proxy may have sent
    #: the request twice, or another program uses the same API key.
    extra_orders: Tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Order]:
        return iter(self.orders)

    def __len__(self) -> int:
        return len(self.orders)

    def __getitem__(self, index: int) -> Order:
        return self.orders[index]


class Purchase(_Reply, frozen=True):
    """The reply to a purchase."""

    activation_id: str
    phone_number: str
    order_id: Optional[str] = None
    service: Optional[str] = None
    service_name: Optional[str] = None
    country: Optional[str] = None
    country_name: Optional[str] = None
    price_micros: Optional[int] = None
    #: Whether the service sells more codes on this number.
    multi_sms: Optional[bool] = None
    can_get_another_sms: Optional[bool] = None
    expires_in_ms: Optional[int] = None
    #: A note of the service's operators.
    note: Optional[str] = None
    #: One sentence for each oddity of the reply. The purchase is valid in spite of them.
    warnings: Tuple[str, ...] = ()

    @property
    def price(self) -> Optional[Decimal]:
        """The price that was charged, in rupees."""
        return rupees(self.price_micros)

    @property
    def expires_in(self) -> Optional[timedelta]:
        """How long after the purchase the order expires."""
        return duration(self.expires_in_ms)


class ActivationData(_Result, frozen=True):
    """The result of a purchase, from which an activation is made."""

    id: str
    phone_number: Optional[str] = None
    price_micros: Optional[int] = None
    expires_at_ms: Optional[int] = None
    purchase: Optional[Purchase] = None

    @property
    def price(self) -> Optional[Decimal]:
        """The price that was charged, in rupees, if the service reported it."""
        return rupees(self.price_micros)

    @property
    def expires_at(self) -> Optional[datetime]:
        """When the order expires, if the service reported it."""
        return utc_datetime(self.expires_at_ms)


class Sms(_Reply, frozen=True):
    """A message that was received on a number."""

    #: The code, verbatim: it can contain colons, spaces and leading zeros.
    code: str
    text: Optional[str] = None
    sender: Optional[str] = None
    #: The time of receipt, verbatim. The service does not state its time zone.
    received_text: Optional[str] = None
    #: Whether the order had received the same code before.
    is_repeat: bool = False


class Status(_Reply, frozen=True):
    """The state of an activation, as the service reports it."""

    kind: StatusKind
    #: The message, if one was received.
    sms: Optional[Sms] = None
    #: The previous code, if the service repeats it while the next code is awaited.
    last_code: Optional[str] = None
    #: The service's text, if this version does not know the status.
    text: Optional[str] = None


class StatusChange(_Reply, frozen=True):
    """The effect of a status change, as the service reports it."""

    kind: StatusChangeKind
    #: The service's text, if this version does not know the effect.
    text: Optional[str] = None


class Settlement(_Reply, frozen=True):
    """The result of settling, completing or cancelling an order."""

    state: SettlementState
    #: The code, if one was received.
    code: Optional[Sms] = None


class Reconciliation(_Result, frozen=True):
    """The orders in the history that may be a purchase whose reply was lost."""

    #: Newest first; several if other programs buy the same with this API key. An empty tuple means
    #: that the order was not found, not that nothing was charged.
    candidates: Tuple[Order, ...]
    #: Whether the history was read back to the intent's watermark. If not, a candidate may be older
    #: than the purchase.
    complete: bool


class Unclaimed(_Result, frozen=True):
    """A purchase without a holder: its caller is gone, or its lease could not be settled."""

    outcome: UnclaimedOutcome
    intent_json: msgspec.Raw = msgspec.field(name="intent")
    #: The reply, if a number was bought. Any operation on
    #: ``client.activation(purchase.activation_id)`` claims it.
    purchase: Optional[Purchase] = None
    error_json: msgspec.Raw = msgspec.field(default=_NULL, name="error")

    @property
    def intent(self) -> Intent:
        """The intent of the purchase, for ``reconcile``."""
        return Intent.from_json(bytes(self.intent_json))

    @property
    def error(self) -> Optional[SastaotpError]:
        """Why the outcome is unknown."""
        return None if self.error_json == _NULL else error_from_json(bytes(self.error_json))

    def __repr__(self) -> str:
        shown = ("outcome", "intent", "purchase", "error")
        return f"Unclaimed({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"
