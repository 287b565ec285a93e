"""The intent of a purchase: the record with which ``reconcile`` finds the order."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Optional, Union

import msgspec

from ._errors import ConfigError
from ._money_and_time import rupees, utc_datetime


class _Fields(msgspec.Struct, frozen=True):
    intent_id: str
    action: str
    started_at_ms: int
    service: Optional[str] = None
    country: Optional[str] = None
    operator: Optional[str] = None
    multi_sms: bool = False
    parameters: dict[str, str] = {}
    id: Optional[str] = None
    phone_number: Optional[str] = None
    max_price_micros: Optional[int] = None
    watermark: Optional[str] = None


_decode = msgspec.json.Decoder(_Fields).decode


class Intent:
    """A prepared purchase: ``Client.buy`` makes it, and ``Client.reconcile`` looks for it.

    ``Client.intend`` and errors return intents. Save ``to_json()`` before the purchase, and read it
    with ``from_json`` after a restart. An intent is sent once: make another one to buy another
    number, or to try again after a refusal.
    """

    __slots__ = ("_fields", "_json")

    _json: str
    _fields: _Fields

    def __init__(self, text: Union[str, bytes]) -> None:
        try:
            # Keeps the text, so that fields which a later version adds are not lost.
            self._json = text if isinstance(text, str) else text.decode()
            self._fields = _decode(self._json)
        except (msgspec.MsgspecError, AttributeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"reading a saved intent: the text is not the JSON of an intent ({error}): "
                "pass the text that was saved"
            ) from None

    @classmethod
    def from_json(cls, text: Union[str, bytes]) -> Intent:
        """Read a saved intent. Raises ``ConfigError`` if the text is not one."""
        return cls(text)

    def to_json(self) -> str:
        """Return the intent as JSON text, which the library's other languages read too."""
        return self._json

    def without_phone_number(self) -> str:
        """Return JSON text for a log: it has no phone number and can still be reconciled."""
        if self._fields.phone_number is None:
            return self._json
        return msgspec.json.encode(
            {**msgspec.json.decode(self._json), "phone_number": None}
        ).decode()

    @property
    def id(self) -> str:
        """The 16 hexadecimal digits that distinguish this intent from every other."""
        return self._fields.intent_id

    @property
    def service(self) -> Optional[str]:
        """The code of the service. None if a number is bought again."""
        return self._fields.service

    @property
    def country(self) -> Optional[str]:
        """The code of the country, if the request names one.

        The service chooses the country if this and ``operator`` are None.
        """
        return self._fields.country

    @property
    def operator(self) -> Optional[str]:
        """The country code that the parameter ``operator`` sends, if the request has one."""
        return self._fields.operator

    @property
    def multi_sms(self) -> bool:
        """Whether the request is for a number that can receive several codes."""
        return self._fields.multi_sms

    @property
    def parameters(self) -> dict[str, str]:
        """The further parameters of the request. Empty if a number is bought again."""
        return {**self._fields.parameters}

    @property
    def reget_of(self) -> Optional[str]:
        """The id of the activation whose number is bought again."""
        return self._fields.id

    @property
    def phone_number(self) -> Optional[str]:
        """The number that is bought again, if it is known."""
        return self._fields.phone_number

    @property
    def max_price(self) -> Optional[Decimal]:
        """The highest acceptable price in rupees. None if any price was accepted, or is unknown."""
        return rupees(self._fields.max_price_micros)

    @property
    def max_price_micros(self) -> Optional[int]:
        """The highest acceptable price in millionths of a rupee, like ``max_price``."""
        return self._fields.max_price_micros

    @property
    def started_at(self) -> Optional[datetime]:
        """When the intent was created."""
        return utc_datetime(self._fields.started_at_ms)

    @property
    def started_at_ms(self) -> int:
        """When the intent was created, in milliseconds since 1970."""
        return self._fields.started_at_ms

    @property
    def watermark(self) -> Optional[str]:
        """The highest order id known before the purchase, in decimal digits; None if none was.

        The order of the purchase has a higher id.
        """
        return self._fields.watermark

    def __eq__(self, other: object) -> bool:
        return self._fields == other._fields if isinstance(other, Intent) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._fields.intent_id)

    def __repr__(self) -> str:
        return f"Intent({self._json!r})"

    def __reduce__(self) -> tuple[type[Intent], tuple[str]]:
        return Intent, (self._json,)
