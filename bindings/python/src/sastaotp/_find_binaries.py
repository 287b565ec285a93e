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
_LIBRARY_VARIABLE, _PROGRAM_VARIABLE = "SASTAOTP_LIBRARY", "SASTAOTP_SANDBOX"


def find_library() -> Path:
    """Return the path of the shared library. ``SASTAOTP_LIBRARY`` overrides it."""
    return _find(_LIBRARY_VARIABLE, LIBRARY_NAME)


def find_sandbox() -> Path:
    """Return the path of the sandbox program. ``SASTAOTP_SANDBOX`` overrides it."""
    return _find(_PROGRAM_VARIABLE, PROGRAM_NAME)


def library_advice() -> str:
    """Return how to get a library that works, for an error about the present one."""
    return _advice(_LIBRARY_VARIABLE)


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
    raise ImportError(f"finding {name}: no file at {tried}: {_advice(variable)}")


def _advice(variable: str) -> str:
    """Return how to get a file: the advice depends on the kind of installation."""
    if os.environ.get(variable):
        return f"set {variable} to a file of this version for this system, or unset it"
    if "__compiled__" in globals():
        return (
            "compile the program again, with the options of Nuitka that the section Hosts of the "
            "package's README has"
        )
    if getattr(sys, "frozen", False):
        return (
            "build the program again from a Python that has the package installed; PyInstaller "
            "then adds the file, and other tools must copy the folder sastaotp/_bundle"
        )
    checkout = _checkout()
    if checkout is not None:
        return f"run pip install -e {checkout / 'bindings' / 'python'}, which needs Rust (cargo)"
    if not _PACKAGE.is_dir():
        return "extract the package to a folder: a library cannot be loaded from an archive"
    return (
        "run pip install --force-reinstall sastaotp with the pip of this Python, "
        "which chooses the files for this system"
    )


def _checkout() -> Path | None:
    """Return the root of the checkout if this is an editable installation."""
    parents = _PACKAGE.parents
    # <root>/bindings/python/src/sastaotp
    root = parents[3] if len(parents) > 3 else None
    return root if root is not None and (root / "Cargo.toml").is_file() else None
