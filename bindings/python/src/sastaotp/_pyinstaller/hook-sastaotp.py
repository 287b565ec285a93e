"""Adds the shared library, the sandbox program and their licences to a program of PyInstaller."""

# ruff: noqa: N999 - PyInstaller chooses the name.
from contextlib import suppress

from sastaotp._find_binaries import BUNDLE, find_library, find_sandbox

_FOLDER = "sastaotp/_bundle"

binaries = [(str(find_library()), _FOLDER)]
# A program that does not use `sastaotp.testing` does not need the sandbox.
with suppress(ImportError):
    binaries.append((str(find_sandbox()), _FOLDER))

_licences = BUNDLE / "THIRD-PARTY-LICENSES"
datas = [(str(_licences), _FOLDER)] if _licences.is_file() else []
