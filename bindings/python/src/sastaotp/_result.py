"""The base of the results: frozen objects that print their converted values."""

from __future__ import annotations

import msgspec


class Result(msgspec.Struct, frozen=True):
    """Prints and hashes its fields without the raw reply."""

    def __repr__(self) -> str:
        names = (_printed_name(field) for field in self.__struct_fields__)
        shown = (f"{name}={getattr(self, name)!r}" for name in names if name)
        return f"{type(self).__name__}({', '.join(shown)})"

    def __hash__(self) -> int:
        values = (getattr(self, name) for name in self.__struct_fields__)
        return hash(tuple(value for value in values if not isinstance(value, msgspec.Raw)))


def _printed_name(field: str) -> str:
    """Return the name of the converted value (``price`` for ``price_micros``), empty to hide it."""
    for suffix in ("_micros", "_ms"):
        if field.endswith(suffix):
            return field[: -len(suffix)]
    return "" if field == "raw_json" else field
