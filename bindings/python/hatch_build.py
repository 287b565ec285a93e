"""Builds the shared library and the sandbox program with cargo, and puts them into a wheel that says what it runs on.

The Rust sources are those of the checkout, or of the source distribution, which has them under ``rust``.
``SASTAOTP_LIBRARY`` and ``SASTAOTP_SANDBOX`` name files that were built before.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIBRARY = "libsastaotp.dylib" if sys.platform == "darwin" else "libsastaotp.so"
PROGRAM = "sastaotp-sandbox"
#: What cargo needs of the checkout; Cargo.toml names the tests and examples too.
RUST = ("Cargo.toml", "Cargo.lock", "build.rs", "README.md", "src", "include", "tests", "examples")
#: As bindings/c links it: a library with thread-locals must stay loaded.
LINK = [] if sys.platform == "darwin" else ["-Clink-arg=-Wl,-soname,libsastaotp.so.0", "-Clink-arg=-Wl,-z,nodelete"]


class BuildHook(BuildHookInterface[Any]):
    """What hatchling calls before it packs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the files that are not in this folder."""
        here = Path(self.root)
        rust = here / "rust" if (here / "rust").is_dir() else here.parents[1]
        force_include: dict[str, str] = build_data["force_include"]
        if self.target_name == "sdist":
            force_include.update({str(rust / name): f"rust/{name}" for name in RUST})
            return
        if version == "editable" and os.environ.get("SASTAOTP_LIBRARY"):
            return
        library, program = build(rust)
        if version == "editable":
            # The package finds them where cargo put them.
            return
        force_include[str(library)] = f"sastaotp/_bundle/{LIBRARY}"
        force_include[str(program)] = f"sastaotp/_bundle/{PROGRAM}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag([library, program])}"


def build(rust: Path) -> tuple[Path, Path]:
    """The library and the program: built before, or by cargo."""
    named = [os.environ.get("SASTAOTP_LIBRARY"), os.environ.get("SASTAOTP_SANDBOX")]
    if all(named):
        return Path(str(named[0])), Path(str(named[1]))
    cargo = shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo" / "bin"))
    if cargo is None:
        sys.exit(
            "sastaotp: cargo is missing, and this installation builds a library in Rust: "
            "install Rust 1.88 or newer (https://rustup.rs), then try again"
        )
    target = rust / os.environ.get("CARGO_TARGET_DIR", "target")
    common = ["--release", "--locked", "--manifest-path", str(rust / "Cargo.toml"), "--target-dir", str(target)]
    for command in (
        [cargo, "rustc", *common, "--lib", "--features", "capi", "--crate-type", "cdylib", "--", *LINK],
        [cargo, "build", *common, "--features", "sandbox", "--bin", PROGRAM],
    ):
        if subprocess.run(command, check=False).returncode != 0:
            sys.exit(f"sastaotp: cargo could not build it; the command was {' '.join(command)}")
    return target / "release" / LIBRARY, target / "release" / PROGRAM


def platform_tag(files: list[Path]) -> str:
    """The platform that the files run on: with glibc, the oldest that has every symbol they ask for."""
    if not sys.platform.startswith("linux"):
        return re.sub(r"[-.]", "_", sysconfig.get_platform())
    needed = [(int(a), int(b)) for file in files for a, b in re.findall(rb"GLIBC_(\d+)\.(\d+)", file.read_bytes())]
    machine = platform.machine()
    if not needed:
        return f"linux_{machine}"
    # glibc 2.17 is the oldest that the tag can name.
    major, minor = max(*needed, (2, 17))
    return f"manylinux_{major}_{minor}_{machine}"
