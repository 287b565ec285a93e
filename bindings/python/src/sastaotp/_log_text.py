"""Describes errors for logs and warnings without their messages.

A message can quote a reply, and a reply can contain an SMS code, a phone number or a secret.
"""

from __future__ import annotations

import re

from ._errors import SastaotpError

#: The form of the codes of the service, such as NO_NUMBERS. An SMS code has no such form.
_OWN_CODE = re.compile("[A-Z]+(_[A-Z]+)+")


def log_text(error: BaseException) -> str:
    """Return the kind of an error, and the service's code and the HTTP status if it has them."""
    if not isinstance(error, SastaotpError):
        return type(error).__name__
    parts = [error.kind or type(error).__name__]
    if error.code is not None:
        parts.append(error.code if _OWN_CODE.fullmatch(error.code) else "another code")
    if error.http_status is not None:
        parts.append(f"HTTP status {error.http_status}")
    return ", ".join(parts)
