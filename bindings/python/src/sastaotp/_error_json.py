"""Turns the core's JSON of an error into an exception."""

from __future__ import annotations

from typing import Optional, Tuple

import msgspec

from ._attempt import Attempt
from ._enums import Charge, Phase, Retry
from ._errors import CLASSES, AlreadySentError, OutcomeUnknownError, SastaotpError
from ._intent import Intent

_NULL = msgspec.Raw(b"null")


class _UnknownAlreadySentError(AlreadySentError, OutcomeUnknownError):
    """The intent was sent before, and it is unknown whether a number was bought."""


class _Fields(msgspec.Struct, frozen=True):
    kind: str
    message: str
    hint: str
    phase: Phase
    charge: Charge
    retry: Retry
    code: Optional[str] = None
    http_status: Optional[int] = None
    retry_after_ms: Optional[int] = None
    fault: Optional[str] = None
    intent: msgspec.Raw = _NULL
    attempts: Tuple[Attempt, ...] = ()
    raw: Optional[str] = None


_decode = msgspec.json.Decoder(_Fields).decode

#: The advice of the core that names no argument, and what it says here instead.
_ADVICE = {
    "explicitly accept any country": "pass any_country=True",
    "explicitly accept any price": "pass accept_any_price=True",
    "set a maximum price": "set max_price",
}


def _with_arguments(fields: _Fields, text: str) -> str:
    """Name the arguments in a text of the core. The texts of other kinds repeat replies."""
    if fields.kind in ("config", "budget"):
        for advice, named in _ADVICE.items():
            text = text.replace(advice, named)
    return text


def error_from_json(text: bytes) -> SastaotpError:
    """Create the exception that the JSON describes."""
    fields = _decode(text)
    message = _with_arguments(fields, fields.message)
    if fields.charge == Charge.UNKNOWN:
        is_second = fields.kind == "already_sent"
        unknown = _UnknownAlreadySentError if is_second else OutcomeUnknownError
        error: SastaotpError = unknown(message)
    else:
        error = CLASSES.get(fields.kind, SastaotpError)(message)
    error.kind = fields.kind
    error.hint = _with_arguments(fields, fields.hint)
    error.code = fields.code
    error.http_status = fields.http_status
    error.phase = fields.phase
    error.charge = fields.charge
    error.retry = fields.retry
    error.retry_after = None if fields.retry_after_ms is None else fields.retry_after_ms / 1000
    error.fault = fields.fault
    error.attempts = fields.attempts
    error.raw = fields.raw
    if fields.intent != _NULL:
        error.intent = Intent(bytes(fields.intent))
    return error
