"""What an activation of either client knows without asking."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Optional

from ._models import Number, Purchase, Settlement, Sms, Status


class Bought:
    """A number that was bought, or was taken up by its id."""

    __slots__ = ("_code", "_number")

    def __init__(self, number: Number) -> None:
        self._number = number
        self._code: Optional[Sms] = None

    @property
    def id(self) -> str:
        """The id of the activation. Opaque text."""
        return self._number.id

    @property
    def phone_number(self) -> Optional[str]:
        """The number as the service wrote it; None for an activation that was taken up by its id."""
        return self._number.phone_number

    @property
    def price(self) -> Optional[Decimal]:
        """What was charged, in rupees, where the service said so."""
        return self._number.price

    @property
    def expires_at(self) -> Optional[datetime]:
        """When the order expires, where the service said so."""
        return self._number.expires_at

    @property
    def purchase(self) -> Optional[Purchase]:
        """What the reply to the purchase said."""
        return self._number.purchase

    @property
    def code(self) -> Optional[Sms]:
        """The last code that came to this object: by a wait, a look, or as its order was closed. Asks nobody."""
        return self._code

    def _received(self, sms: Sms) -> Sms:
        self._code = sms
        return sms

    def _polled(self, status: Status) -> Status:
        self._code = status.sms or self._code
        return status

    def _closed(self, settlement: Settlement) -> Settlement:
        self._code = settlement.code or self._code
        return settlement

    def __repr__(self) -> str:
        shown = self.id if self.phone_number is None else f"{self.id} {self.phone_number}"
        return f"<{type(self).__name__} {shown}>"
