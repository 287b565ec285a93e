"""The operations of the core's queue: a function for each, with the JSON that begins it and the type of its result.

Both clients are made of these; what an operation does is told at the methods of ``Client``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Callable, Generic, Optional, TypeVar

import msgspec

from ._errors import ConfigError
from ._intent import Intent
from ._models import (
    Balance,
    Countries,
    Number,
    OrderPage,
    Prices,
    Reconciliation,
    Services,
    Settlement,
    Sms,
    Status,
    StatusChange,
    Unclaimed,
)
from ._units import Money, Seconds, flag, millis, money_text, rupees, text, whole

T = TypeVar("T")

#: The operations that may cost money: what they bought must not be lost when their caller gives up.
_PURCHASES = frozenset({"get_number", "buy", "reget_number"})


class Operation(Generic[T]):
    """Something to do, and how its result is read."""

    __slots__ = ("arguments", "buys", "name", "read")

    def __init__(self, name: str, read: Callable[[bytes], T], /, **arguments: Any) -> None:
        self.name = name
        self.read = read
        self.buys = name in _PURCHASES
        self.arguments = arguments

    def request(self) -> bytes:
        """The JSON that begins it; arguments that are None are not given."""
        given = {name: _argument(value, name) for name, value in self.arguments.items() if value is not None}
        return msgspec.json.encode({"op": self.name, **given})


def _argument(value: Any, name: str) -> Any:
    """An argument as JSON has it. What is no text would become one that means something else, or null: not given."""
    return value if isinstance(value, (int, msgspec.Raw)) else text(value, name)


def _saved(intent: Intent) -> msgspec.Raw:
    """An intent as an argument."""
    if not isinstance(intent, Intent):
        raise ConfigError(f"intent is {intent!r}: give an Intent, of intend, of an error or of Intent.from_json")
    return msgspec.Raw(intent.to_json().encode())


class _Unclaimed(msgspec.Struct, frozen=True):
    unclaimed: tuple[Unclaimed, ...]


class _BudgetLeft(msgspec.Struct, frozen=True):
    budget_left_micros: Optional[int]


_balance = msgspec.json.Decoder(Balance).decode
_services = msgspec.json.Decoder(Services).decode
_prices = msgspec.json.Decoder(Prices).decode
_countries = msgspec.json.Decoder(Countries).decode
_orders = msgspec.json.Decoder(OrderPage).decode
_status = msgspec.json.Decoder(Status).decode
_change = msgspec.json.Decoder(StatusChange).decode
_sms = msgspec.json.Decoder(Sms).decode
_settlement = msgspec.json.Decoder(Settlement).decode
_reconciliation = msgspec.json.Decoder(Reconciliation).decode
_unclaimed = msgspec.json.Decoder(_Unclaimed).decode
_budget_left = msgspec.json.Decoder(_BudgetLeft).decode

#: What was bought.
read_number = msgspec.json.Decoder(Number).decode


def _nothing(_: bytes) -> None:
    """The result of an operation that has none."""


def get_balance() -> Operation[Balance]:
    return Operation("get_balance", _balance)


def get_services(service: Optional[str]) -> Operation[Services]:
    return Operation("get_services", _services, service=service)


def get_prices(service: Optional[str], country: Optional[str]) -> Operation[Prices]:
    return Operation("get_prices", _prices, service=service, country=country)


def get_countries() -> Operation[Countries]:
    return Operation("get_countries", _countries)


def find_country(name: str) -> Operation[Countries]:
    return Operation("find_country", _countries, name=name)


def get_orders(limit: int, page: int, status: Optional[str]) -> Operation[OrderPage]:
    return Operation("get_orders", _orders, limit=whole(limit, "limit"), page=whole(page, "page"), status=status)


def get_number(**request: Any) -> Operation[Number]:
    return Operation("get_number", read_number, **_number(**request))


def intend(**request: Any) -> Operation[Intent]:
    return Operation("intend", Intent, **_number(**request))


def _number(max_price: Optional[Money], accept_any_price: bool, multi_sms: bool, **request: Any) -> dict[str, Any]:
    """The arguments of a purchase; flags that are not set are not sent."""
    return {
        "max_price": None if max_price is None else money_text(max_price, "max_price"),
        "accept_any_price": flag(accept_any_price, "accept_any_price") or None,
        "multi_sms": flag(multi_sms, "multi_sms") or None,
        **request,
    }


def buy(intent: Intent) -> Operation[Number]:
    return Operation("buy", read_number, intent=_saved(intent))


def reget_number(id: str) -> Operation[Number]:
    return Operation("reget_number", read_number, id=id)


def get_status(id: str) -> Operation[Status]:
    return Operation("get_status", _status, id=id)


def set_status(id: str, status: int) -> Operation[StatusChange]:
    return Operation("set_status", _change, id=id, status=whole(status, "status", -(2**31), 2**31 - 1))


def wait_for_code(
    id: str, timeout: Seconds, interval: Optional[Seconds], accept_same_code: bool, cancel_on_timeout: bool
) -> Operation[Sms]:
    return Operation(
        "wait_for_code",
        _sms,
        id=id,
        timeout_ms=millis(timeout, "timeout"),
        interval_ms=None if interval is None else millis(interval, "interval"),
        accept_same_code=flag(accept_same_code, "accept_same_code") or None,
        cancel_on_timeout=flag(cancel_on_timeout, "cancel_on_timeout") or None,
    )


def mark_sms_sent(id: str) -> Operation[None]:
    return Operation("mark_sms_sent", _nothing, id=id)


def request_next_code(id: str) -> Operation[None]:
    return Operation("request_next_code", _nothing, id=id)


def complete(id: str) -> Operation[Settlement]:
    return Operation("complete", _settlement, id=id)


def cancel(id: str) -> Operation[Settlement]:
    return Operation("cancel", _settlement, id=id)


def settle(id: str, wait_out: bool) -> Operation[Settlement]:
    return Operation("settle", _settlement, id=id, wait_out=flag(wait_out, "wait_out"))


def leave(id: str) -> Operation[None]:
    return Operation("leave", _nothing, id=id)


def reconcile(intent: Intent) -> Operation[Reconciliation]:
    return Operation("reconcile", _reconciliation, intent=_saved(intent))


def unclaimed() -> Operation[tuple[Unclaimed, ...]]:
    return Operation("unclaimed", lambda text: _unclaimed(text).unclaimed)


def budget_left() -> Operation[Optional[Decimal]]:
    return Operation("budget_left", lambda text: rupees(_budget_left(text).budget_left_micros))
