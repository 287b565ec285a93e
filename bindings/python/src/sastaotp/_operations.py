"""The operations of the core's queue: one function each, which pairs its JSON with its result type.

Both clients are built on these functions. The methods of ``Client`` document the operations.
"""

from __future__ import annotations

from decimal import Decimal
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Generic,
    Iterable,
    Mapping,
    Optional,
    Sequence,
    TypeVar,
    cast,
)

import msgspec

from ._arguments import (
    Money,
    OnTooEarly,
    Seconds,
    flag,
    millis,
    money_text,
    on_too_early_text,
    text,
    texts,
    texts_by_name,
    whole,
)
from ._errors import ConfigError
from ._intent import Intent
from ._models import (
    ActivationData,
    Balance,
    Countries,
    Offer,
    OrderPage,
    Prices,
    Reconciliation,
    Services,
    SettledLease,
    Settlement,
    Sms,
    Status,
    StatusChange,
    Unclaimed,
)
from ._money_and_time import rupees

if TYPE_CHECKING:
    from ._native_queue import Hold

T = TypeVar("T")

#: The operations that can cost money.
_PURCHASES = frozenset({"get_number", "lease", "buy", "reget_number"})


class Operation(Generic[T]):
    """A request to the queue, and the decoder of its result."""

    __slots__ = ("arguments", "decode", "hold", "is_purchase", "name", "returns_activation")

    def __init__(self, name: str, decode: Callable[[bytes], T], /, **arguments: Any) -> None:
        self.name = name
        self.decode = decode
        self.is_purchase = name in _PURCHASES
        self.returns_activation = self.is_purchase or name == "claim"
        #: The hold on the activation that it returned, until an activation object takes it.
        self.hold: Optional[Hold] = None
        self.arguments = arguments

    def request(self) -> bytes:
        """Return the JSON to submit, without the arguments that are None."""
        given = {
            name: _argument(value, name)
            for name, value in self.arguments.items()
            if value is not None
        }
        return msgspec.json.encode({"op": self.name, **given})


def _argument(value: Any, name: str) -> Any:
    """Check that a value is a whole number, JSON or text. Lists and dicts are already checked.

    msgspec would encode other types too, but with a different meaning: NaN as null, bytes as
    base64.
    """
    if isinstance(value, (int, list, dict, msgspec.Raw)):
        return cast(Any, value)
    return text(value, name)


def _intent_json(intent: Intent) -> msgspec.Raw:
    if not isinstance(intent, Intent):
        raise ConfigError(
            f"intent is {intent!r}: pass an Intent, from intend, an error or Intent.from_json"
        )
    return msgspec.Raw(intent.to_json().encode())


class _Unclaimed(msgspec.Struct, frozen=True):
    unclaimed: tuple[Unclaimed, ...]


class _Offers(msgspec.Struct, frozen=True):
    offers: tuple[Offer, ...]


class _SettledLeases(msgspec.Struct, frozen=True):
    leases: tuple[SettledLease, ...]


class _BudgetLeft(msgspec.Struct, frozen=True):
    budget_left_micros: Optional[int]


_decode_balance = msgspec.json.Decoder(Balance).decode
_decode_services = msgspec.json.Decoder(Services).decode
_decode_prices = msgspec.json.Decoder(Prices).decode
_decode_offers = msgspec.json.Decoder(_Offers).decode
_decode_countries = msgspec.json.Decoder(Countries).decode
_decode_orders = msgspec.json.Decoder(OrderPage).decode
_decode_status = msgspec.json.Decoder(Status).decode
_decode_change = msgspec.json.Decoder(StatusChange).decode
_decode_sms = msgspec.json.Decoder(Sms).decode
_decode_settlement = msgspec.json.Decoder(Settlement).decode
_decode_reconciliation = msgspec.json.Decoder(Reconciliation).decode
_decode_unclaimed = msgspec.json.Decoder(_Unclaimed).decode
_decode_settled_leases = msgspec.json.Decoder(_SettledLeases).decode
_decode_budget_left = msgspec.json.Decoder(_BudgetLeft).decode

#: Decodes the result of a purchase.
decode_activation = msgspec.json.Decoder(ActivationData).decode


def _ignore_result(_: bytes) -> None:
    """Decode the result of an operation that returns nothing."""


def get_balance() -> Operation[Balance]:
    return Operation("get_balance", _decode_balance)


def get_services(service: Optional[str]) -> Operation[Services]:
    return Operation("get_services", _decode_services, service=service)


def get_prices(service: Optional[str], country: Optional[str]) -> Operation[Prices]:
    return Operation("get_prices", _decode_prices, service=service, country=country)


def get_offers(
    service: str,
    *,
    countries: Optional[Sequence[str]],
    min_price: Optional[Money],
    max_price: Optional[Money],
    min_available: int,
) -> Operation[tuple[Offer, ...]]:
    return Operation(
        "get_offers",
        lambda json: _decode_offers(json).offers,
        service=service,
        countries=texts(countries, "countries"),
        min_price=None if min_price is None else money_text(min_price, "min_price"),
        max_price=None if max_price is None else money_text(max_price, "max_price"),
        min_available=whole(min_available, "min_available", highest=2**63 - 1),
    )


def get_countries() -> Operation[Countries]:
    return Operation("get_countries", _decode_countries)


def find_country(name: str) -> Operation[Countries]:
    return Operation("find_country", _decode_countries, name=name)


def get_orders(limit: int, page: int, status: Optional[str]) -> Operation[OrderPage]:
    return Operation(
        "get_orders",
        _decode_orders,
        limit=whole(limit, "limit"),
        page=whole(page, "page"),
        status=status,
    )


def get_number(**request: Any) -> Operation[ActivationData]:
    return Operation("get_number", decode_activation, **_number_request(**request))


def lease(**request: Any) -> Operation[ActivationData]:
    return Operation("lease", decode_activation, **_number_request(**request))


def intend(**request: Any) -> Operation[Intent]:
    return Operation("intend", Intent, **_number_request(**request))


def _number_request(
    any_country: bool,
    max_price: Optional[Money],
    accept_any_price: bool,
    multi_sms: bool,
    parameters: Optional[Mapping[str, str]] = None,
    countries: Optional[Sequence[str]] = None,
    offers: Optional[Sequence[Offer]] = None,
    min_price: Optional[Money] = None,
    patience: Seconds = 0,
    **request: Any,
) -> dict[str, Any]:
    """Check the arguments of a purchase. Flags that are False are left out."""
    return {
        "any_country": flag(any_country, "any_country") or None,
        "countries": texts(countries, "countries"),
        "offers": _offers(offers),
        "min_price": None if min_price is None else money_text(min_price, "min_price"),
        **_price_limit(max_price, accept_any_price),
        "multi_sms": flag(multi_sms, "multi_sms") or None,
        "patience_ms": millis(patience, "patience") or None,
        "parameters": texts_by_name(parameters, "parameters"),
        **request,
    }


def _offers(offers: Optional[Sequence[Offer]]) -> Optional[list[dict[str, Any]]]:
    """Check a list of offers, and return the members that the core reads."""
    if offers is None:
        return None
    if isinstance(offers, Offer):
        raise ConfigError("offers is one Offer: pass a list")
    if isinstance(offers, (str, bytes)) or not isinstance(offers, Iterable):
        raise ConfigError(f"offers is {offers!r}: pass a list of offers")
    listed = list(offers)
    for offer in listed:
        if not isinstance(offer, Offer):
            raise ConfigError(f"offers contains {offer!r}: pass offers that get_offers returned")
    return [
        {"country": one.country, "operator": one.operator, "price_micros": one.price_micros}
        for one in listed
    ]


def _price_limit(max_price: Optional[Money], accept_any_price: bool) -> dict[str, Any]:
    return {
        "max_price": None if max_price is None else money_text(max_price, "max_price"),
        "accept_any_price": flag(accept_any_price, "accept_any_price") or None,
    }


def buy(intent: Intent) -> Operation[ActivationData]:
    return Operation("buy", decode_activation, intent=_intent_json(intent))


def reget_number(
    id: str, max_price: Optional[Money], accept_any_price: bool
) -> Operation[ActivationData]:
    limit = _price_limit(max_price, accept_any_price)
    return Operation("reget_number", decode_activation, id=id, **limit)


def get_status(id: str) -> Operation[Status]:
    return Operation("get_status", _decode_status, id=id)


def set_status(id: str, status: int) -> Operation[StatusChange]:
    return Operation(
        "set_status", _decode_change, id=id, status=whole(status, "status", -(2**31), 2**31 - 1)
    )


def wait_for_code(
    id: str,
    timeout: Seconds,
    interval: Optional[Seconds],
    accept_same_code: bool,
    cancel_on_timeout: bool,
) -> Operation[Sms]:
    return Operation(
        "wait_for_code",
        _decode_sms,
        id=id,
        timeout_ms=millis(timeout, "timeout"),
        interval_ms=None if interval is None else millis(interval, "interval"),
        accept_same_code=flag(accept_same_code, "accept_same_code") or None,
        cancel_on_timeout=flag(cancel_on_timeout, "cancel_on_timeout") or None,
    )


def claim(id: str) -> Operation[ActivationData]:
    return Operation("claim", decode_activation, id=id)


def mark_sms_sent(id: str) -> Operation[None]:
    return Operation("mark_sms_sent", _ignore_result, id=id)


def request_next_code(id: str) -> Operation[None]:
    return Operation("request_next_code", _ignore_result, id=id)


def complete(id: str, without_code: bool) -> Operation[Settlement]:
    without = flag(without_code, "without_code") or None
    return Operation("complete", _decode_settlement, id=id, without_code=without)


def cancel(id: str) -> Operation[Settlement]:
    return Operation("cancel", _decode_settlement, id=id)


def settle(id: str, on_too_early: OnTooEarly) -> Operation[Settlement]:
    policy = on_too_early_text(on_too_early)
    return Operation("settle", _decode_settlement, id=id, on_too_early=policy)


def mark_unclaimed(id: str) -> Operation[None]:
    return Operation("mark_unclaimed", _ignore_result, id=id)


def keep(id: str) -> Operation[None]:
    return Operation("keep", _ignore_result, id=id)


def reconcile(intent: Intent, timeout: Seconds) -> Operation[Reconciliation]:
    return Operation(
        "reconcile",
        _decode_reconciliation,
        intent=_intent_json(intent),
        timeout_ms=millis(timeout, "timeout"),
    )


def resolve(intent: Intent, not_made: bool, activation_id: Optional[str]) -> Operation[None]:
    return Operation(
        "resolve",
        _ignore_result,
        intent=_intent_json(intent),
        not_made=flag(not_made, "not_made") or None,
        activation_id=activation_id,
    )


def settle_leftover_leases(on_too_early: OnTooEarly) -> Operation[tuple[SettledLease, ...]]:
    return Operation(
        "settle_leftover_leases",
        lambda json: _decode_settled_leases(json).leases,
        on_too_early=on_too_early_text(on_too_early),
    )


def unclaimed() -> Operation[tuple[Unclaimed, ...]]:
    return Operation("unclaimed", lambda json: _decode_unclaimed(json).unclaimed)


def finish(wait: Seconds, argument: str = "end_wait") -> Operation[tuple[Unclaimed, ...]]:
    return Operation(
        "finish",
        lambda json: _decode_unclaimed(json).unclaimed,
        timeout_ms=millis(wait, argument),
    )


def budget_left() -> Operation[Optional[Decimal]]:
    return Operation(
        "budget_left", lambda json: rupees(_decode_budget_left(json).budget_left_micros)
    )
