"""The settings of a client. The core stores them, so no Python object holds the API key."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_int64, c_uint8
from typing import Any, Optional, Union

from . import _c_api
from ._arguments import (
    LARGEST_UINT32,
    Durability,
    Folder,
    Money,
    Seconds,
    durability_value,
    flag,
    folder_text,
    millis,
    money_text,
    text,
    whole,
)
from ._enums import ApiKeyLocation
from ._error_json import error_from_json
from ._errors import ConfigError, SastaotpError

_DEFAULT_MAX_CONNECTIONS = 64


class Settings:
    """A configuration of the core. A forked child inherits it and creates its own client."""

    def __init__(self) -> None:
        self.lib = _c_api.library()
        self.config = _c_api.ConfigPointer()
        #: How many requests can be in flight at once.
        self.max_connections = _DEFAULT_MAX_CONNECTIONS
        #: How long the end of the program waits for purchases in flight, in seconds.
        self.end_wait = 10.0
        self._call("sastaotp_config_from_env", byref(self.config))

    @classmethod
    def with_key(cls, api_key: Optional[str]) -> Union[Settings, Exception]:
        """Read the environment, and set the key if one is given.

        Returns an exception instead of raising it: a traceback through this frame would show the
        key among its locals.
        """
        try:
            settings = cls()
            if api_key is not None:
                key = c_text(api_key, "api_key", in_message=False)
                settings._call("sastaotp_config_set_api_key", settings.config, key)
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
        ca_pem: Union[str, bytes, None],
        api_key_location: Optional[int],
        journal: Optional[Folder],
        durability: Durability,
        journal_on_network: bool,
    ) -> None:
        """Set the given settings. The others keep the defaults of the core."""
        if base_url is not None:
            self._set("base_url", c_text(base_url, "base_url"))
        if timeout is not None:
            self._set("timeout_ms", millis(timeout, "timeout", highest=LARGEST_UINT32))
        if late_booking is not None:
            span = millis(late_booking, "late_booking", highest=LARGEST_UINT32)
            self._set("late_booking_ms", span)
        self.end_wait = millis(end_wait, "end_wait", highest=LARGEST_UINT32) / 1000
        if budget is not None:
            self._set("budget", self._micros(budget))
        if max_requests_per_minute is not None:
            limit = whole(max_requests_per_minute, "max_requests_per_minute")
            self._set("max_requests_per_minute", limit)
        if max_connections is not None:
            self.max_connections = whole(max_connections, "max_connections")
            self._set("max_connections", self.max_connections)
        if user_agent is not None:
            self._set("user_agent", c_text(user_agent, "user_agent"))
        if ca_pem is not None:
            pem = ca_pem if isinstance(ca_pem, bytes) else text(ca_pem, "ca_pem").encode()
            buffer = (c_uint8 * len(pem)).from_buffer_copy(pem)
            self._call("sastaotp_config_add_ca_pem", self.config, buffer, len(pem))
        if api_key_location is not None:
            location = whole(api_key_location, "api_key_location", highest=max(ApiKeyLocation))
            self._set("api_key_location", location)
        if journal is not None:
            self._set("journal", c_text(folder_text(journal, "journal"), "journal"))
        self._set("durability", durability_value(durability))
        self._set("journal_on_network", flag(journal_on_network, "journal_on_network"))

    def _micros(self, amount: Money) -> int:
        micros = c_int64()
        amount_text = c_text(money_text(amount, "budget"), "budget")
        self._call("sastaotp_amount_parse", amount_text, byref(micros))
        return micros.value

    def _set(self, name: str, value: Union[bytes, int]) -> None:
        self._call(f"sastaotp_config_set_{name}", self.config, value)

    def _call(self, name: str, *arguments: Any) -> None:
        call(self.lib, name, *arguments)

    def __del__(self) -> None:
        if getattr(self, "config", None):
            self.lib.sastaotp_config_free(self.config)


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
