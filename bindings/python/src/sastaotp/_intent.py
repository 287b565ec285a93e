"""A purchase that was about to be made: the record of it that outlives a lost reply."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Optional, Union

import msgspec

from ._errors import ConfigError
from ._units import moment, rupees


class _Fields(msgspec.Struct, frozen=True):
    action: str
    started_ms: int
    service: Optional[str] = None
    country: Optional[str] = None
    operator: Optional[str] = None
    multi_sms: bool = False
    id: Optional[str] = None
    phone_number: Optional[str] = None
    max_price_micros: Optional[int] = None
    watermark: Optional[int] = None


_decode = msgspec.json.Decoder(_Fields).decode


class _Large(msgspec.Struct):
    """What a language without large integers saves as text."""

    max_price_micros: Any = None
    watermark: Any = None


_decode_large = msgspec.json.Decoder(_Large).decode


def _with_numbers(text: str) -> str:
    """The text of an intent with the numbers that the library writes."""
    large = msgspec.structs.asdict(_decode_large(text))
    numbers = {name: int(value) for name, value in large.items() if isinstance(value, str)}
    # Otherwise as it came.
    return msgspec.json.encode({**msgspec.json.decode(text), **numbers}).decode() if numbers else text


class Intent:
    """A purchase to make or to look for.

    ``to_json`` is to be saved before the purchase, and ``from_json`` reads it again: see ``intend``, ``buy`` and ``reconcile``.
    """

    __slots__ = ("_fields", "_json")

    _json: str
    _fields: _Fields

    def __init__(self, text: Union[str, bytes]) -> None:
        try:
            # What a later version adds to it is not lost.
            self._json = _with_numbers(text if isinstance(text, str) else text.decode())
            self._fields = _decode(self._json)
        except (msgspec.MsgspecError, AttributeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"reading a saved intent: the text is not the JSON of an intent ({error}): give it as it was saved"
            ) from None

    @classmethod
    def from_json(cls, text: Union[str, bytes]) -> Intent:
        """Read an intent that was saved."""
        return cls(text)

    def to_json(self) -> str:
        """The intent as JSON text."""
        return self._json

    def without_phone_number(self) -> str:
        """The intent as JSON text for a log: it can be reconciled, and shows nobody's number."""
        if self._fields.phone_number is None:
            return self._json
        return msgspec.json.encode({**msgspec.json.decode(self._json), "phone_number": None}).decode()

    @property
    def service(self) -> Optional[str]:
        """The code of the service, unless a number is bought again."""
        return self._fields.service

    @property
    def country(self) -> Optional[str]:
        """The code of the country, where one was asked for."""
        return self._fields.country

    @property
    def operator(self) -> Optional[str]:
        """The provider, where one was asked for."""
        return self._fields.operator

    @property
    def multi_sms(self) -> bool:
        """Whether a number was asked for that can get several codes."""
        return self._fields.multi_sms

    @property
    def reget_of(self) -> Optional[str]:
        """The activation whose number is bought again."""
        return self._fields.id

    @property
    def max_price(self) -> Optional[Decimal]:
        """The most that may be charged; None where any price was accepted, or is not known."""
        return rupees(self._fields.max_price_micros)

    @property
    def started_at(self) -> Optional[datetime]:
        """When the intent was made."""
        return moment(self._fields.started_ms)

    @property
    def watermark(self) -> Optional[int]:
        """The highest order id that was known then: what was bought has a higher one."""
        return self._fields.watermark

    def __eq__(self, other: object) -> bool:
        return self._fields == other._fields if isinstance(other, Intent) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        return f"Intent({self._json!r})"

    def __reduce__(self) -> tuple[type[Intent], tuple[str]]:
        return Intent, (self._json,)
