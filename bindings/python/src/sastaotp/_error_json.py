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


def error_from_json(text: bytes) -> SastaotpError:
    """Create the exception that the JSON describes."""
    fields = _decode(text)
    if fields.charge == Charge.UNKNOWN:
        is_second = fields.kind == "already_sent"
        unknown = _UnknownAlreadySentError if is_second else OutcomeUnknownError
        error: SastaotpError = unknown(fields.message)
    else:
        error = CLASSES.get(fields.kind, SastaotpError)(fields.message)
    error.kind = fields.kind
    error.hint = fields.hint
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
