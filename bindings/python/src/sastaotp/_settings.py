"""The settings of a client, as the struct of the core. No attribute shows the API key."""

from __future__ import annotations

import ctypes
import os
from ctypes import byref, c_int64, sizeof
from typing import Any, Optional, Union

from . import _c_api
from ._arguments import (
    LARGEST_UINT32,
    Durability,
    Folder,
    Money,
    Roots,
    Seconds,
    durability_value,
    flag,
    folder_text,
    millis,
    money_text,
    pem_bytes,
    roots_value,
    text,
    whole,
)
from ._enums import ApiKeyLocation
from ._error_json import error_from_json
from ._errors import ConfigError, SastaotpError

_DEFAULT_MAX_CONNECTIONS = 64


class Settings:
    """A configuration of the core. A forked child inherits it and creates its own client.

    The key and the proxy's URL, which can contain a password, are in buffers of ctypes, whose
    ``repr`` omits them. Both are overwritten when the settings are freed, or before that by
    ``forget_secrets``.
    """

    def __init__(self) -> None:
        self.lib = _c_api.library()
        self.config = _c_api.Config(size=sizeof(_c_api.Config), budget_micros=_c_api.NO_BUDGET)
        #: The memory of the texts whose addresses are in ``config``, by the name of the field.
        self._buffers: dict[str, ctypes.Array[ctypes.c_char]] = {}
        #: How many requests can be in flight at once.
        self.max_connections = _DEFAULT_MAX_CONNECTIONS
        #: How long the end of the program waits for purchases in flight, in seconds.
        self.end_wait = 10.0

    @classmethod
    def with_secrets(
        cls, api_key: Optional[str], proxy: Optional[str]
    ) -> Union[Settings, Exception]:
        """Create settings with a key, the given one or that of the environment, and a proxy.

        Returns an exception instead of raising it: a traceback through this frame would show the
        secrets among its locals.
        """
        try:
            settings = cls()
            key = api_key if api_key is not None else _variable("SASTAOTP_API_KEY")
            if key is not None:
                settings._store("api_key", c_text(key, "api_key", in_message=False))
            if proxy is not None:
                settings._store("proxy", c_text(proxy, "proxy", in_message=False))
        except Exception as error:
            error.__cause__ = error.__context__ = None
            return error.with_traceback(None)
        return settings

    def add(
        self,
        *,
        base_url: Optional[str],
        timeout: Optional[Seconds],
        late_booking: Optional[Seconds],
        end_wait: Seconds,
        budget: Optional[Money],
        max_requests_per_minute: Optional[int],
        max_connections: Optional[int],
        user_agent: Optional[str],
        roots: Roots,
        ca_pem: Union[str, bytes, None],
        api_key_location: Optional[int],
        journal: Optional[Folder],
        durability: Durability,
        journal_on_network: bool,
    ) -> None:
        """Add the given settings. The others keep the defaults of the core."""
        config = self.config
        # The environment is read now: a forked child may have another one.
        base_url = base_url if base_url is not None else _variable("SASTAOTP_BASE_URL")
        if base_url is not None:
            self._store("base_url", c_text(base_url, "base_url"))
        if timeout is not None:
            config.timeout_ms = _positive_millis(timeout, "timeout")
        if late_booking is not None:
            config.late_booking_ms = _positive_millis(late_booking, "late_booking")
        self.end_wait = millis(end_wait, "end_wait", highest=LARGEST_UINT32) / 1000
        if budget is not None:
            config.budget_micros = self._micros(budget)
        if max_requests_per_minute is not None:
            name = "max_requests_per_minute"
            config.max_requests_per_minute = whole(max_requests_per_minute, name, lowest=1)
        if max_connections is not None:
            self.max_connections = whole(max_connections, "max_connections", lowest=1)
            config.max_connections = self.max_connections
        if user_agent is not None:
            self._store("user_agent", c_text(user_agent, "user_agent"))
        config.roots = roots_value(roots)
        if ca_pem is not None:
            pem = pem_bytes(ca_pem)
            self._store("ca_pem", pem)
            config.ca_pem_length = len(pem)
        if api_key_location is not None:
            location = whole(api_key_location, "api_key_location", highest=max(ApiKeyLocation))
            config.api_key_location = location
        journal = journal if journal is not None else _variable("SASTAOTP_JOURNAL")
        if journal is not None:
            self._store("journal", c_text(folder_text(journal, "journal"), "journal"))
        config.durability = durability_value(durability)
        config.journal_on_network = flag(journal_on_network, "journal_on_network")

    def forget_secrets(self) -> None:
        """Overwrite the secrets. No client can be created from these settings any more."""
        for name in ("api_key", "proxy"):
            secret = self._buffers.get(name)
            if secret is not None:
                secret.raw = bytes(len(secret))

    def _micros(self, amount: Money) -> int:
        micros = c_int64()
        amount_text = c_text(money_text(amount, "budget"), "budget")
        call(self.lib, "sastaotp_amount_parse", amount_text, byref(micros))
        return micros.value

    def _store(self, name: str, value: bytes) -> None:
        """Copy a text, and set the field with this name to the address of the copy."""
        buffer = ctypes.create_string_buffer(value)
        self._buffers[name] = buffer
        setattr(self.config, name, ctypes.addressof(buffer))

    def __del__(self) -> None:
        if getattr(self, "_buffers", None):
            self.forget_secrets()


def _variable(name: str) -> Optional[str]:
    """Return an environment variable. None if it is unset or empty."""
    return os.environ.get(name) or None


def _positive_millis(span: Seconds, name: str) -> int:
    """Convert a time span to milliseconds. The core reads 0 as its default, so 0 becomes 1."""
    return max(1, millis(span, name, highest=LARGEST_UINT32))


def call(lib: ctypes.CDLL, name: str, *arguments: Any) -> None:
    """Call a function of the core, and raise its error if it fails."""
    error = _c_api.ErrorPointer()
    if getattr(lib, name)(*arguments, byref(error)) != _c_api.OK:
        raise read_error(lib, error)


def read_error(lib: ctypes.CDLL, error: Any) -> SastaotpError:
    """Convert an error that the caller owns to an exception, and free it."""
    try:
        return error_from_json(lib.sastaotp_error_json(error))
    finally:
        lib.sastaotp_error_free(error)


def c_text(value: str, name: str, *, in_message: bool = True) -> bytes:
    """Convert text to a C string. NUL is refused: a C string would end there."""
    checked = text(value, name, in_message=in_message)
    if "\0" in checked:
        raise ConfigError(f"{name} contains NUL: pass text without NUL")
    return checked.encode()
