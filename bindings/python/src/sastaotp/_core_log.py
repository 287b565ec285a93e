"""Passes the log of the core to the logger ``sastaotp``.

The threads of the core never call Python, which may be about to exit. The core keeps its messages,
and a call of this package takes them.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from ctypes import byref, c_int32, create_string_buffer
from typing import Any, Optional

from ._errors import SastaotpError
from ._settings import call

_log = logging.getLogger("sastaotp")

#: The levels of the core, the most serious first, and those of ``logging``.
_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG, 5: 5}
#: Longer messages are cut.
_LONGEST = 1024

#: The process and the level for which the core collects messages.
_collected: Optional[tuple[int, int]] = None


def collect(lib: Any) -> None:
    """Make the core keep the messages that the logger accepts at this moment."""
    global _collected
    accepted = [level for level, own in _LEVELS.items() if _log.isEnabledFor(own)]
    wanted = (os.getpid(), max(accepted, default=0))
    if wanted == _collected:
        return
    deliver(lib)
    # It fails if the program has set another logger for the core: then that one has the messages.
    with suppress(SastaotpError):
        call(lib, "sastaotp_log_collect", wanted[1])
    _collected = wanted


def deliver(lib: Any) -> None:
    """Pass the messages that the core has kept to the logger. Returns at once if there is none."""
    level = c_int32()
    buffer = create_string_buffer(_LONGEST)
    while lib.sastaotp_log_take(byref(level), buffer, _LONGEST):
        _log.log(_LEVELS[level.value], "%s", buffer.value.decode(errors="replace"))
