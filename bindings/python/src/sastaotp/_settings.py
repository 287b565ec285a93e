"""The settings of a client, kept in the library: no Python object holds the key."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_int64, c_uint8
from typing import Any, Optional, Union

from . import _native
from ._errors import ConfigError, SastaotpError, error_from_json
from ._units import LARGEST_UINT32, Money, Seconds, millis, money_text, text, whole

#: Requests that are under way at once, where nothing else is said.
_CONNECTIONS = 64


class Settings:
    """A configuration of the library. A fork copies it whole, so a child makes a client of its own from it."""

    def __init__(self) -> None:
        self.lib = _native.library()
        self.config = _native.ConfigPointer()
        #: Requests that are under way at once.
        self.workers = _CONNECTIONS
        self._call("sastaotp_config_from_env", byref(self.config))

    @classmethod
    def with_key(cls, api_key: Optional[str]) -> Union[Settings, Exception]:
        """Settings from the environment, and a key that goes before that of the environment.

        Returns what failed, and raises nothing: a traceback through here would have the key among its locals.
        """
        try:
            settings = cls()
            if api_key is not None:
                settings._call("sastaotp_config_set_api_key", settings.config, c_text(api_key, "api_key", shown=False))
        except Exception as error:
            error.__cause__ = error.__context__ = None
            return error.with_traceback(None)
        return settings

    def add(
        self,
        *,
        base_url: Optional[str],
        timeout: Optional[Seconds],
        budget: Optional[Money],
        max_requests_per_minute: Optional[int],
        max_connections: Optional[int],
        user_agent: Optional[str],
        ca_pem: Union[str, bytes, None],
        key_in: Optional[int],
    ) -> None:
        """Takes what is given; the library's defaults are for the rest."""
        if base_url is not None:
            self._set("base_url", c_text(base_url, "base_url"))
        if timeout is not None:
            self._set("timeout_ms", millis(timeout, "timeout", most=LARGEST_UINT32))
        if budget is not None:
            self._set("budget", self._micros(budget))
        if max_requests_per_minute is not None:
            self._set("max_requests_per_minute", whole(max_requests_per_minute, "max_requests_per_minute"))
        if max_connections is not None:
            self.workers = whole(max_connections, "max_connections")
            self._set("max_connections", self.workers)
        if user_agent is not None:
            self._set("user_agent", c_text(user_agent, "user_agent"))
        if ca_pem is not None:
            pem = ca_pem if isinstance(ca_pem, bytes) else text(ca_pem, "ca_pem").encode()
            place = (c_uint8 * len(pem)).from_buffer_copy(pem)
            self._call("sastaotp_config_add_ca_pem", self.config, place, len(pem))
        if key_in is not None:
            self._set("key_in", whole(key_in, "key_in"))

    def _micros(self, amount: Money) -> int:
        micros = c_int64()
        self._call("sastaotp_amount_parse", c_text(money_text(amount, "budget"), "budget"), byref(micros))
        return micros.value

    def _set(self, name: str, value: Union[bytes, int]) -> None:
        self._call(f"sastaotp_config_set_{name}", self.config, value)

    def _call(self, name: str, *arguments: Any) -> None:
        call(self.lib, name, *arguments)

    def __del__(self) -> None:
        if getattr(self, "config", None):
            self.lib.sastaotp_config_free(self.config)


def call(lib: ctypes.CDLL, name: str, *arguments: Any) -> None:
    """Calls a function of the library that can fail, and raises what it failed with."""
    error = _native.ErrorPointer()
    if getattr(lib, name)(*arguments, byref(error)) != _native.OK:
        raise read_error(lib, error)


def read_error(lib: ctypes.CDLL, error: Any) -> SastaotpError:
    """The exception of an error that is ours, and frees it."""
    try:
        return error_from_json(lib.sastaotp_error_json(error))
    finally:
        lib.sastaotp_error_free(error)


def c_text(value: str, name: str, *, shown: bool = True) -> bytes:
    """A text for the library, which would end at a NUL."""
    given = text(value, name, shown=shown)
    if "\0" in given:
        raise ConfigError(f"{name} holds a NUL: give text without")
    return given.encode()
