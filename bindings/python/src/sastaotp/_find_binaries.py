"""Finds the shared library and the sandbox program.

The order is: an environment variable, the installed wheel, the checkout.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
#: The folder of the compiled files in an installed wheel.
BUNDLE = _PACKAGE / "_bundle"
#: The names of the library and of the sandbox program on systems that do not use those of Linux.
_NAMES = {
    "win32": ("sastaotp.dll", "sastaotp-sandbox.exe"),
    "darwin": ("libsastaotp.dylib", "sastaotp-sandbox"),
}
LIBRARY_NAME, PROGRAM_NAME = _NAMES.get(sys.platform, ("libsastaotp.so", "sastaotp-sandbox"))


def find_library() -> Path:
    """Return the path of the shared library. ``SASTAOTP_LIBRARY`` overrides it."""
    return _find("SASTAOTP_LIBRARY", LIBRARY_NAME)


def find_sandbox() -> Path:
    """Return the path of the sandbox program. ``SASTAOTP_SANDBOX`` overrides it."""
    return _find("SASTAOTP_SANDBOX", PROGRAM_NAME)


def _find(variable: str, name: str) -> Path:
    override = os.environ.get(variable)
    if override:
        if not Path(override).is_file():
            raise ImportError(
                f"finding {name}: {variable} is {override}, which is not a file: "
                "set it to the path of the file, or unset it"
            )
        return Path(override)
    candidates = [BUNDLE / name]
    checkout = _checkout()
    if checkout is not None:
        target = checkout / os.environ.get("CARGO_TARGET_DIR", "target")
        candidates.append(target / "release" / name)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    tried = " and ".join(str(candidate) for candidate in candidates)
    raise ImportError(
        f"finding {name}: no file at {tried}: "
        f"install the package with pip, or set {variable} to the path of the file"
    )


def _checkout() -> Path | None:
    """Return the root of the checkout if this is an editable installation."""
    parents = _PACKAGE.parents
    # <root>/bindings/python/src/sastaotp
    root = parents[3] if len(parents) > 3 else None
    return root if root is not None and (root / "Cargo.toml").is_file() else None
