"""The attempts of a purchase that may try several countries."""

from __future__ import annotations

from decimal import Decimal
from typing import Optional

from ._money_and_time import rupees
from ._result import Result


class Attempt(Result, frozen=True):
    """One attempt of a purchase with ``countries``, ``offers``, ``min_price`` or ``patience``."""

    country: Optional[str] = None
    """The code of the country. None if the service may choose it, or an operator pins it."""
    operator: Optional[str] = None
    """The operator of the request: a code that pins the country, or a mobile operator."""
    price_micros: Optional[int] = None
    refused: Optional[str] = None
    """Why the purchase moved on: the error code of the refusal, such as ``NO_NUMBERS``.

    ``"skipped: "`` and the reason if nothing was sent. None if the attempt bought the number, or
    ended the call: its failure is the error of the call.
    """

    @property
    def price(self) -> Optional[Decimal]:
        """The listed price in rupees, if ``min_price`` is set or the offer has a price."""
        return rupees(self.price_micros)
