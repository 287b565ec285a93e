"""Money and time at the surface: rupees as Decimal, seconds or timedelta, aware datetimes; whole numbers below."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Union, overload

#: Rupees. No floats: they are not exact.
Money = Union[Decimal, int, str]
#: A time span: seconds, or a timedelta.
Seconds = Union[float, timedelta]

_LARGEST_UINT32 = 2**32 - 1


@overload
def rupees(micros: int) -> Decimal: ...
@overload
def rupees(micros: None) -> None: ...
@overload
def rupees(micros: int | None) -> Decimal | None: ...
def rupees(micros: int | None) -> Decimal | None:
    """Micro-rupees as rupees, with two to six decimals. Exact, whatever the context of decimal says."""
    if micros is None:
        return None
    exponent = -6
    while exponent < -2 and micros % 10 == 0:
        micros //= 10
        exponent += 1
    return Decimal(f"{micros}E{exponent}")


def money_text(amount: Money, name: str) -> str:
    """Rupees as the text that the core reads."""
    if isinstance(amount, Decimal):
        return format(amount, "f")
    if isinstance(amount, (int, str)) and not isinstance(amount, bool):
        return str(amount)
    raise TypeError(f"{name} is {amount!r}: give rupees as Decimal, int or text, such as '18.50'; floats are not exact")


def millis(span: Seconds, name: str, most: int = 2**63 - 1) -> int:
    """A time span in whole milliseconds, rounded up: a wait is never shorter than it was asked to be."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise TypeError(f"{name} is {span!r}: give seconds, or a timedelta")
    if not 0 <= seconds <= most / 1000:
        raise ValueError(f"{name} is {span!r}: give seconds from 0 to {most // 1000}")
    return math.ceil(round(seconds * 1000, 3))


def uint32(number: int, name: str) -> int:
    """A number that fits into 32 bits: ctypes would cut a larger one in silence."""
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{name} is {number!r}: give a whole number")
    if not 0 <= number <= _LARGEST_UINT32:
        raise ValueError(f"{name} is {number}: give a number from 0 to {_LARGEST_UINT32}")
    return number


def span(millis: int | None) -> timedelta | None:
    """Milliseconds as a timedelta."""
    return None if millis is None else timedelta(milliseconds=millis)


def moment(millis: int | None) -> datetime | None:
    """Milliseconds since 1970 as an aware datetime, UTC; one that no datetime reaches is its last."""
    if millis is None:
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=millis)
    except OverflowError:
        return datetime.max.replace(tzinfo=timezone.utc)
