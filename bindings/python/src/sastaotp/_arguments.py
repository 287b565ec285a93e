"""Checks the arguments of public functions and converts them to the values that the core takes.

Every function raises ``ConfigError`` with the name of the argument if the value is not accepted.
"""

from __future__ import annotations

import math
import os
from datetime import timedelta
from decimal import Decimal
from typing import Iterable, Literal, Mapping, Optional, Union

from ._errors import ConfigError

#: Rupees. Floats are refused: they are not exact.
Money = Union[Decimal, int, str]
#: A time span: seconds, or a timedelta.
Seconds = Union[float, timedelta]
#: The reaction to an order that is too young to be cancelled: raise TooEarlyError, or wait.
OnTooEarly = Literal["fail", "wait"]

#: The failures that a journal survives: the end of the process and a power loss, or only the end.
Durability = Literal["power", "process"]
#: The certificate authorities to trust.
Roots = Literal["web", "system", "both"]
#: The path of a folder.
Folder = Union[str, "os.PathLike[str]"]

#: The largest number of 32 bits. ctypes would truncate a larger one without an error.
LARGEST_UINT32 = 2**32 - 1


def money_text(amount: Money, name: str) -> str:
    """Convert rupees to the text that the core parses."""
    if isinstance(amount, Decimal):
        return format(amount, "f")
    if isinstance(amount, str):
        return text(amount, name)
    if isinstance(amount, int) and not isinstance(amount, bool):
        return str(amount)
    raise ConfigError(
        f"{name} is {amount!r}: pass rupees as Decimal, int or text, such as '18.50'; "
        "floats are not exact"
    )


def millis(span: Seconds, name: str, highest: int = 2**63 - 1) -> int:
    """Convert a time span to whole milliseconds, rounded up so that no wait is too short."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise ConfigError(f"{name} is {span!r}: pass seconds or a timedelta")
    if not 0 <= seconds <= highest / 1000:
        raise ConfigError(f"{name} is {span!r}: pass seconds from 0 to {highest // 1000}")
    return math.ceil(round(seconds * 1000, 3))


def text(value: str, name: str, *, in_message: bool = True, verb: str = "is") -> str:
    """Check that a value is text with a UTF-8 form. Bytes and numbers are refused, not converted.

    The error repeats the value unless ``in_message`` is False. ``verb`` relates it to the name.
    """
    if not isinstance(value, str):
        if not in_message:
            raise ConfigError(f"{name} is not text: pass text")
        example = f", such as '{str(value).lower()}'" if isinstance(value, int) else ""
        raise ConfigError(f"{name} {verb} {value!r}: pass text{example}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{name} has no UTF-8 form: pass text without lone surrogates") from None
    # A member of an enumeration becomes the text that it is equal to.
    return str.__str__(value)


def texts(values: Optional[Iterable[str]], name: str) -> Optional[list[str]]:
    """Check a list of texts. A single text is refused: its letters would be the list."""
    if values is None:
        return None
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise ConfigError(f"{name} is {values!r}: pass a list of texts")
    return [text(value, name, verb="contains") for value in values]


def texts_by_name(values: Optional[Mapping[str, str]], name: str) -> Optional[dict[str, str]]:
    """Check a mapping of texts to texts. An empty one is the same as None."""
    if values is None:
        return None
    if not isinstance(values, Mapping):
        raise ConfigError(f"{name} is {values!r}: pass a dict of texts")
    return {
        text(key, name, verb="contains"): text(value, f'{name}["{key}"]')
        for key, value in values.items()
    } or None


def whole(number: int, name: str, lowest: int = 0, highest: int = LARGEST_UINT32) -> int:
    """Check that a value is a whole number in its range."""
    if not isinstance(number, int) or isinstance(number, bool):
        raise ConfigError(f"{name} is {number!r}: pass a whole number")
    if not lowest <= number <= highest:
        raise ConfigError(f"{name} is {number}: pass a number from {lowest} to {highest}")
    return int(number)


def flag(value: bool, name: str) -> bool:
    """Check that a value is True or False. Values that are only truthy are refused."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}: pass True or False")
    return value


def on_too_early_text(value: OnTooEarly) -> str:
    """Check the argument ``on_too_early``."""
    if value not in ("fail", "wait"):
        raise ConfigError(f"on_too_early is {value!r}: pass 'fail' or 'wait'")
    return value


def durability_value(value: Durability) -> int:
    """Return the constant SASTAOTP_DURABILITY_… of the argument ``durability``."""
    names = ("power", "process")
    if value not in names:
        raise ConfigError(f"durability is {value!r}: pass 'power' or 'process'")
    return names.index(value)


def roots_value(value: Roots) -> int:
    """Return the constant SASTAOTP_ROOTS_… of the argument ``roots``."""
    names = ("web", "system", "both")
    if value not in names:
        raise ConfigError(f"roots is {value!r}: pass 'web', 'system' or 'both'")
    return names.index(value)


def pem_bytes(pem: Union[str, bytes]) -> bytes:
    """Check the argument ``ca_pem``."""
    if isinstance(pem, bytes):
        return pem
    if isinstance(pem, os.PathLike):
        raise ConfigError("ca_pem is a path: pass the text of the file, path.read_bytes()")
    return text(pem, "ca_pem").encode()


def folder_text(folder: Folder, name: str) -> str:
    """Check a path and convert it to text."""
    return text(os.fspath(folder) if isinstance(folder, os.PathLike) else folder, name)
