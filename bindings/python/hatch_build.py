"""The build hook of hatchling: compiles the Rust library and sandbox program into the wheel.

The Rust sources are those of the checkout; a source distribution has them in its folder ``rust``.
If ``SASTAOTP_LIBRARY`` and ``SASTAOTP_SANDBOX`` name built files, those are packed instead.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

#: The name that the package loads.
LIBRARY = "libsastaotp.dylib" if sys.platform == "darwin" else "libsastaotp.so"
PROGRAM = "sastaotp-sandbox"
#: The parts of the checkout that cargo needs. Cargo.toml also names the tests and examples.
RUST_SOURCES = (
    "Cargo.toml",
    "Cargo.lock",
    "bindings/build_native.rs",
    "build.rs",
    "README.md",
    "src",
    "include",
    "tests",
    "examples",
)


class Addresses(MetadataHookInterface):
    """Copies the project's addresses from Cargo.toml, the one place that has them."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the addresses. hatchling calls this before it builds."""
        cargo = (rust_sources(Path(self.root)) / "Cargo.toml").read_text(encoding="utf-8")
        found = re.findall(r'^(repository|homepage) = "(.+)"$', cargo, re.MULTILINE)
        metadata["urls"] = {name.capitalize(): url for name, url in found}


class BuildHook(BuildHookInterface[Any]):
    """Adds the compiled files to a wheel, and the Rust sources to a source distribution."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files. hatchling calls this before it packs."""
        here = Path(self.root)
        rust = rust_sources(here)
        force_include: dict[str, str] = build_data["force_include"]
        if self.target_name == "sdist":
            force_include.update({str(rust / name): f"rust/{name}" for name in RUST_SOURCES})
            return
        if version == "editable" and os.environ.get("SASTAOTP_LIBRARY"):
            return
        library, program = find_or_build(rust)
        if version == "editable":
            # The package loads the files from cargo's target folder.
            return
        force_include[str(library)] = f"sastaotp/_bundle/{LIBRARY}"
        force_include[str(program)] = f"sastaotp/_bundle/{PROGRAM}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag([library, program])}"


def rust_sources(here: Path) -> Path:
    """Return the folder of the Rust sources: the checkout, or ``rust`` in a source distribution."""
    return here / "rust" if (here / "rust").is_dir() else here.parents[1]


def find_or_build(rust: Path) -> tuple[Path, Path]:
    """Return the paths of the library and the program, and build them unless both are given."""
    library = os.environ.get("SASTAOTP_LIBRARY")
    program = os.environ.get("SASTAOTP_SANDBOX")
    if library and program:
        return Path(library), Path(program)
    return build_native(rust)


def build_native(rust: Path) -> tuple[Path, Path]:
    """Build the library and the program, and return their paths."""
    cargo = shutil.which("cargo")
    if cargo is None:
        cargo = shutil.which("cargo", path=str(Path.home() / ".cargo" / "bin"))
    if cargo is None:
        sys.exit(
            "building sastaotp: cargo is missing: "
            "install Rust 1.88 or newer (https://rustup.rs), then try again"
        )
    rustc = shutil.which("rustc", path=str(Path(cargo).parent)) or "rustc"
    environment = {**os.environ, "CARGO": cargo, "RUSTC": rustc}
    with tempfile.TemporaryDirectory() as folder:
        builder = str(Path(folder) / "build_native")
        compiler = [rustc, "--edition", "2024", "-o", builder, "bindings/build_native.rs"]
        run(compiler, rust, environment)
        printed = run([builder, "--program", PROGRAM], rust, environment)
    paths = dict(line.split("=", 1) for line in printed.splitlines())
    return Path(paths["shared"]), Path(paths[f"program.{PROGRAM}"])


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Run a command in a folder and return its output."""
    result = subprocess.run(
        command, check=False, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    if result.returncode != 0:
        sys.exit(
            f"building sastaotp: {command[0]} ended with status {result.returncode}: "
            "fix the errors above, then try again"
        )
    return result.stdout


def platform_tag(files: list[Path]) -> str:
    """Return the platform tag: with glibc, the oldest version that has every symbol in use."""
    if not sys.platform.startswith("linux"):
        return re.sub(r"[-.]", "_", sysconfig.get_platform())
    versions = [
        (int(major), int(minor))
        for file in files
        for major, minor in re.findall(rb"GLIBC_(\d+)\.(\d+)", file.read_bytes())
    ]
    machine = platform.machine()
    if not versions:
        return f"linux_{machine}"
    # The tag exists from glibc 2.17 on.
    major, minor = max(*versions, (2, 17))
    return f"manylinux_{major}_{minor}_{machine}"
