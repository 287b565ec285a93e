"""The results of calls: frozen objects, decoded from the core's JSON and with its field names.

Amounts are available twice: as exact micro-rupees (``price_micros``) and as a Decimal (``price``).
So are times: as milliseconds (``expires_at_ms``) and as a datetime or timedelta (``expires_at``).
``raw`` is the reply verbatim, including fields that this version does not read. It is decoded on
each access.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Iterator, Optional, Tuple

import msgspec

from ._attempt import Attempt
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
from ._result import Result

_NULL = msgspec.Raw(b"null")


class _Reply(Result, frozen=True, kw_only=True):
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


class Offer(Result, frozen=True):
    """The price and stock of a service in one country."""

    country: str
    """The code of the country, which is not its calling code."""
    country_name: str
    flag: str = ""
    """The flag of the country, an emoji. Empty if the reply has none."""
    operator: Optional[str] = None
    """The code of the mobile operator or tier, if the service lists prices by operator or tier."""
    price_micros: Optional[int] = None
    available: Optional[int] = None
    """How many numbers are in stock."""

    @property
    def price(self) -> Optional[Decimal]:
        """The price of a number in rupees."""
        return rupees(self.price_micros)


class Service(Result, frozen=True):
    """A service for which numbers are sold."""

    code: str
    """The code to pass to ``get_number``."""
    name: str
    logo: Optional[str] = None
    """The URL of the logo."""
    price_micros: Optional[int] = None
    currency: Optional[str] = None
    """The currency of the price, such as ``INR``."""
    available: Optional[int] = None
    multi_sms: Optional[bool] = None
    """Whether a number can receive several codes."""
    expires_in_ms: Optional[int] = None
    countries: Tuple[Offer, ...] = ()
    """The countries that sell the service.

    The live service fills this only if the request names a service.
    """

    @property
    def price(self) -> Optional[Decimal]:
        """The price of a number in rupees if no country is chosen."""
        return rupees(self.price_micros)

    @property
    def expires_in(self) -> Optional[timedelta]:
        """The time from the purchase until an order expires."""
        return duration(self.expires_in_ms)


class Services(_Reply, frozen=True):
    """A sequence of services."""

    services: Tuple[Service, ...]
    total: Optional[int] = None
    """How many services are sold in total, if the reply states it."""

    def __iter__(self) -> Iterator[Service]:
        return iter(self.services)

    def __len__(self) -> int:
        return len(self.services)

    def __getitem__(self, index: int) -> Service:
        return self.services[index]


class Price(Result, frozen=True, gc=False):
    """The price and stock of one service in one country."""

    country: str
    """The code of the country, which is not its calling code.

    The service also sends ``*`` and ``any``.
    """
    service: str
    """The code of the service."""
    operator: Optional[str] = None
    """The operator that sells the number, if the reply lists operators."""
    price_micros: Optional[int] = None
    available: Optional[int] = None
    """How many numbers are in stock. The live service reports 999 everywhere."""

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


class Country(Result, frozen=True):
    """A country in which numbers are sold."""

    code: str
    """The code to pass to ``get_number``, which is not the calling code."""
    name: str
    """The English name. Several countries can share a name; each code has its own prices."""
    visible: bool = True
    """Whether the service shows the country to its users."""


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

    order_id: Optional[str] = None
    """The id of the order, in decimal digits. A later order has a higher id."""
    activation_id: Optional[str] = None
    """The id to pass to ``activation``."""
    phone_number: Optional[str] = None
    service: Optional[str] = None
    country: Optional[str] = None
    price_micros: Optional[int] = None
    status: Optional[OrderStatus] = None
    code: Optional[str] = None
    """The code that was received."""
    created_text: Optional[str] = None
    """When the order was created, in the service's words, which do not state a time zone."""
    created_at_ms: Optional[int] = None

    @property
    def price(self) -> Optional[Decimal]:
        """The price that was charged, in rupees."""
        return rupees(self.price_micros)

    @property
    def created_at(self) -> Optional[datetime]:
        """When the order was created, if the service sends it as seconds since 1970."""
        return utc_datetime(self.created_at_ms)


class Candidate(Order, frozen=True):
    """An order that may be a purchase with an unknown outcome: its fields, with the evidence."""

    is_ours: bool = False
    """Whether the evidence proves that the order is the purchase."""
    evidence: Tuple[str, ...] = ()
    """The evidence for and against it, a sentence each."""


class OrderPage(_Reply, frozen=True):
    """One page of the order history: a sequence of orders, newest first."""

    orders: Tuple[Order, ...]
    total: Optional[int] = None
    """The number of orders on all pages, if the service reports it."""
    extra_orders: Tuple[str, ...] = ()
    """The activation ids of the orders on this page that may be unwanted duplicates. Such an order
    was bought in the last ten minutes and looks like a purchase of this client, but this client
    did not make it: a proxy repeated a request, or another program uses the same key.
    """

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
    multi_sms: Optional[bool] = None
    """Whether the service sells more codes on this number."""
    can_get_another_sms: Optional[bool] = None
    expires_in_ms: Optional[int] = None
    note: Optional[str] = None
    """A note from the service's operators."""
    warnings: Tuple[str, ...] = ()
    """A sentence for each oddity of the reply. The purchase is still valid."""
    attempts: Tuple[Attempt, ...] = ()
    """The attempts of the call that bought the number, oldest first; the last one bought it.

    Empty unless the call had ``countries``, ``offers``, ``min_price`` or ``patience``. At most the
    newest 1,000 are listed.
    """

    @property
    def price(self) -> Optional[Decimal]:
        """The price that was charged, in rupees."""
        return rupees(self.price_micros)

    @property
    def expires_in(self) -> Optional[timedelta]:
        """The time from the purchase until the order expires."""
        return duration(self.expires_in_ms)


class ActivationData(Result, frozen=True):
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
    """An SMS that arrived on a number."""

    code: str
    """The code, verbatim: it can contain colons, spaces and leading zeros."""
    text: Optional[str] = None
    sender: Optional[str] = None
    received_text: Optional[str] = None
    """When the SMS arrived, in the service's words, which do not state a time zone."""
    is_repeat: bool = False
    """Whether this order received the same code before."""


class Status(_Reply, frozen=True):
    """The status of an activation, as the service reports it."""

    kind: StatusKind
    sms: Optional[Sms] = None
    """The SMS, if one arrived."""
    last_code: Optional[str] = None
    """The previous code, if ``kind`` is ``waiting_for_next`` and the service repeats it."""
    text: Optional[str] = None
    """The service's own word, if ``kind`` is ``other``."""


class StatusChange(_Reply, frozen=True):
    """The effect of a status change, as the service reports it."""

    kind: StatusChangeKind
    text: Optional[str] = None
    """The service's own word, if ``kind`` is ``other``."""


class Settlement(_Reply, frozen=True):
    """The result of settling, completing or cancelling an order."""

    state: SettlementState
    code: Optional[Sms] = None
    """The code, if one arrived."""


class Reconciliation(Result, frozen=True):
    """The orders in the history that may be a purchase with an unknown outcome."""

    candidates: Tuple[Candidate, ...]
    """The orders that may be the purchase, the most likely one first; several if other programs buy
    the same with this API key. An empty tuple means the order was not found. It means that you were
    not charged only if ``complete`` is set.
    """
    complete: bool
    """Whether the whole history since the purchase was read, and the service can no longer book it.

    If it is set and there is no candidate, nothing was bought; the purchase stays listed and
    reserved until ``resolve(intent, not_made=True)``. If it is not set, the order of the purchase
    may be missing among the candidates.
    """
    reason: Optional[str] = None
    """Why the search is not complete. None if it is complete."""


class Unclaimed(Result, frozen=True):
    """A purchase that is not settled and that no handle of this process holds.

    ``str`` returns one line for a person: the purchase, its state, and what to do.
    """

    outcome: UnclaimedOutcome
    intent_json: msgspec.Raw = msgspec.field(name="intent")
    purchase: Optional[Purchase] = None
    """The reply, if a number was bought.

    ``client.activation(purchase.activation_id)`` claims it.
    """
    error_json: msgspec.Raw = msgspec.field(default=_NULL, name="error")
    message: str = ""
    """One line for a person: the purchase, its state, and what to do."""

    @property
    def intent(self) -> Intent:
        """The intent of the purchase, for ``reconcile`` and ``resolve``."""
        return Intent.from_json(bytes(self.intent_json))

    @property
    def error(self) -> Optional[SastaotpError]:
        """Why the outcome is unknown. None if it is not unknown."""
        return None if self.error_json == _NULL else error_from_json(bytes(self.error_json))

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        shown = ("outcome", "intent", "purchase", "error")
        return f"Unclaimed({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


class SettledLease(Result, frozen=True):
    """A lease of an ended process that ``settle_leftover_leases`` settled, or tried to."""

    unclaimed: Unclaimed
    """The purchase, as it was listed before."""
    settlement: Optional[Settlement] = None
    """How the order was settled. None if that failed."""
    error_json: msgspec.Raw = msgspec.field(default=_NULL, name="error")

    @property
    def error(self) -> Optional[SastaotpError]:
        """Why the order could not be settled. None if it was settled."""
        return None if self.error_json == _NULL else error_from_json(bytes(self.error_json))

    def __repr__(self) -> str:
        shown = ("unclaimed", "settlement", "error")
        return f"SettledLease({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"
