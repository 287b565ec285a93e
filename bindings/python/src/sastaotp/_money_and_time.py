"""Converts micro-rupees and milliseconds of the core to Decimal, timedelta and datetime."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import overload


@overload
def rupees(micros: int) -> Decimal: ...
@overload
def rupees(micros: None) -> None: ...
@overload
def rupees(micros: int | None) -> Decimal | None: ...
def rupees(micros: int | None) -> Decimal | None:
    """Convert micro-rupees to rupees with two to six decimals. Exact in every decimal context."""
    if micros is None:
        return None
    exponent = -6
    while exponent < -2 and micros % 10 == 0:
        micros //= 10
        exponent += 1
    return Decimal(f"{micros}E{exponent}")


def duration(millis: int | None) -> timedelta | None:
    """Convert milliseconds to a timedelta. A value beyond its range becomes ``timedelta.max``."""
    if millis is None:
        return None
    try:
        return timedelta(milliseconds=millis)
    except OverflowError:
        return timedelta.max


def utc_datetime(millis: int | None) -> datetime | None:
    """Convert milliseconds since 1970 to an aware datetime in UTC.

    A value beyond its range becomes ``datetime.max``.
    """
    if millis is None:
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=millis)
    except OverflowError:
        return datetime.max.replace(tzinfo=timezone.utc)
