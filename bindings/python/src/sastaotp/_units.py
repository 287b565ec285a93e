"""Money and time at the surface: rupees as Decimal, seconds or timedelta, aware datetimes; whole numbers below."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Union, overload

from ._errors import ConfigError

#: Rupees. No floats: they are not exact.
Money = Union[Decimal, int, str]
#: A time span: seconds, or a timedelta.
Seconds = Union[float, timedelta]

#: The largest number of 32 bits: ctypes would cut a larger one in silence.
LARGEST_UINT32 = 2**32 - 1


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
    if isinstance(amount, str):
        return text(amount, name)
    if isinstance(amount, int) and not isinstance(amount, bool):
        return str(amount)
    raise ConfigError(
        f"{name} is {amount!r}: give rupees as Decimal, int or text, such as '18.50'; floats are not exact"
    )


def millis(span: Seconds, name: str, most: int = 2**63 - 1) -> int:
    """A time span in whole milliseconds, rounded up: a wait is never shorter than it was asked to be."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise ConfigError(f"{name} is {span!r}: give seconds, or a timedelta")
    if not 0 <= seconds <= most / 1000:
        raise ConfigError(f"{name} is {span!r}: give seconds from 0 to {most // 1000}")
    return math.ceil(round(seconds * 1000, 3))


def text(value: str, name: str, *, shown: bool = True) -> str:
    """A text that can be written as UTF-8. Nothing else is taken for one: bytes and numbers would mean something else."""
    if not isinstance(value, str):
        raise ConfigError(f"{name} is {value!r}: give text" if shown else f"{name} is no text: give text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{name} cannot be written as UTF-8: give text") from None
    # Of a subclass, an enumeration's member among them, the text that it is equal to.
    return str.__str__(value)


def whole(number: int, name: str, least: int = 0, most: int = LARGEST_UINT32) -> int:
    """A whole number in its range."""
    if not isinstance(number, int) or isinstance(number, bool):
        raise ConfigError(f"{name} is {number!r}: give a whole number")
    if not least <= number <= most:
        raise ConfigError(f"{name} is {number}: give a number from {least} to {most}")
    return int(number)


def flag(value: bool, name: str) -> bool:
    """True or False, and nothing that counts as one."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}: give True or False")
    return value


def span(millis: int | None) -> timedelta | None:
    """Milliseconds as a timedelta; more than one holds is its largest."""
    if millis is None:
        return None
    try:
        return timedelta(milliseconds=millis)
    except OverflowError:
        return timedelta.max


def moment(millis: int | None) -> datetime | None:
    """Milliseconds since 1970 as an aware datetime, UTC; one that no datetime reaches is its last."""
    if millis is None:
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=millis)
    except OverflowError:
        return datetime.max.replace(tzinfo=timezone.utc)
