"""``SastaotpWarning``, and the function that emits it at the line of the caller's program."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Optional

_log = logging.getLogger("sastaotp")


class SastaotpWarning(UserWarning):
    """Money or a number needs attention, although the call succeeded.

    The purchase charged more than its maximum, its reply is odd, its number has the calling code of
    another country, or a lease could not settle its order. Python prints it by default. A filter
    that turns it into an error does not lose the number: then the warning is logged instead.
    """


def warn(message: str, *, logged: Optional[str] = None) -> None:
    """Emit a warning at the line that called the package.

    :param logged: the text to log if a filter turns the warning into an error.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_internal(frame.f_globals.get("__name__")):
        level, frame = level + 1, frame.f_back
    try:
        warnings.warn(message, SastaotpWarning, stacklevel=level)
    except Exception:
        # The caller receives a number that was paid for, not the warning about it.
        _log.warning("%s", logged or message)


def _is_internal(module: object) -> bool:
    return isinstance(module, str) and module.split(".")[0] == "sastaotp"
