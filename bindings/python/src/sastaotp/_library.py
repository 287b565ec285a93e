"""Where the shared library and the sandbox program are: named by a variable, in the wheel, or in the checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
#: Where the wheel has what was built.
BUNDLE = _PACKAGE / "_bundle"
LIBRARY_NAME = "libsastaotp.dylib" if sys.platform == "darwin" else "libsastaotp.so"
PROGRAM_NAME = "sastaotp-sandbox"


def find_library() -> Path:
    """The shared library: ``SASTAOTP_LIBRARY``, else the wheel's, else that of the checkout."""
    return _find("SASTAOTP_LIBRARY", LIBRARY_NAME)


def find_sandbox() -> Path:
    """The sandbox program: ``SASTAOTP_SANDBOX``, else the wheel's, else that of the checkout."""
    return _find("SASTAOTP_SANDBOX", PROGRAM_NAME)


def _find(variable: str, name: str) -> Path:
    named = os.environ.get(variable)
    if named:
        if not Path(named).is_file():
            raise ImportError(f"sastaotp: {variable} names {named}, and there is no such file")
        return Path(named)
    places = [BUNDLE / name]
    checkout = _checkout()
    if checkout is not None:
        target = checkout / os.environ.get("CARGO_TARGET_DIR", "target")
        places.append(target / "release" / name)
    for place in places:
        if place.is_file():
            return place
    looked = " or ".join(str(place) for place in places)
    raise ImportError(
        f"sastaotp: {name} is not there as {looked}: install the package with pip, "
        f"or say where the file is with {variable}"
    )


def _checkout() -> Path | None:
    """The root of the checkout that an editable installation runs from."""
    parents = _PACKAGE.parents
    # <root>/bindings/python/src/sastaotp
    root = parents[3] if len(parents) > 3 else None
    return root if root is not None and (root / "Cargo.toml").is_file() else None
