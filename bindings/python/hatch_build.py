"""The build hook of hatchling: compiles the Rust library and sandbox program into the wheel.

The Rust sources are those of the checkout; a source distribution has them in its folder ``rust``.
If ``SASTAOTP_NATIVE`` is the path of a folder that ``dist/build`` made, the hook compiles nothing
and packs the files of that folder, for the folder's target.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

PROGRAM = "sastaotp-sandbox"
#: The licences of the code in the compiled files.
LICENCES = "THIRD-PARTY-LICENSES"
#: The parts of the checkout that cargo needs. Cargo.toml also names the tests and examples.
RUST_SOURCES = (
    "Cargo.toml",
    "Cargo.lock",
    "bindings/build_native.rs",
    "build.rs",
    "README.md",
    LICENCES,
    "src",
    "include",
    "tests",
    "examples",
)


class Native(NamedTuple):
    """The compiled files of a wheel, and the platforms that it is for."""

    library: Path
    program: Path
    #: The name without a version, which the package loads.
    library_name: str
    #: One or more platform tags, joined by dots.
    tags: str


class Addresses(MetadataHookInterface):
    """Copies the README, and the project's addresses from Cargo.toml, which alone has them."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the addresses and the README. hatchling calls this before it builds."""
        cargo = (rust_sources(Path(self.root)) / "Cargo.toml").read_text(encoding="utf-8")
        found = dict(re.findall(r'^(repository|homepage|version) = "(.+)"$', cargo, re.MULTILINE))
        version = found.pop("version")
        metadata["urls"] = {name.capitalize(): url for name, url in found.items()}
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        # On PyPI, links to files of the checkout need the address of the repository.
        if "repository" in found:
            target = f"]({found['repository']}/blob/v{version}/"
            readme = readme.replace("](../../", target)
        else:
            readme = re.sub(r"\[([^]]*)\]\(\.\./\.\./[^)]*\)", r"\1", readme)
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}


class BuildHook(BuildHookInterface[Any]):
    """Adds the compiled files to a wheel, and the Rust sources to a source distribution."""

    copies: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files. hatchling calls this before it packs."""
        here = Path(self.root)
        rust = rust_sources(here)
        force_include: dict[str, str] = build_data["force_include"]
        if self.target_name == "sdist":
            force_include.update({str(rust / name): f"rust/{name}" for name in RUST_SOURCES})
            return
        if version == "editable":
            # The package loads that library, or the files in cargo's target folder.
            if not os.environ.get("SASTAOTP_LIBRARY"):
                build_native(rust)
            return
        folder = os.environ.get("SASTAOTP_NATIVE")
        native = read_native(Path(folder)) if folder else build_native(rust)
        # Copies, because a folder that was downloaded may have lost the permission to execute.
        self.copies = tempfile.TemporaryDirectory()
        for file, name, mode in (
            (native.library, native.library_name, 0o644),
            (native.program, native.program.name, 0o755),
        ):
            copy = Path(shutil.copyfile(file, Path(self.copies.name) / name))
            copy.chmod(mode)
            force_include[str(copy)] = f"sastaotp/_bundle/{name}"
        force_include[str(rust / LICENCES)] = f"sastaotp/_bundle/{LICENCES}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{native.tags}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the copies. hatchling calls this after it has packed."""
        if self.copies:
            self.copies.cleanup()


def rust_sources(here: Path) -> Path:
    """Return the folder of the Rust sources: the checkout, or ``rust`` in a source distribution."""
    return here / "rust" if (here / "rust").is_dir() else here.parents[1]


def read_native(folder: Path) -> Native:
    """Return the files of a folder that ``dist/build`` made."""
    if not folder.is_absolute() or not (folder / "target.json").is_file():
        sys.exit(
            f"building sastaotp: SASTAOTP_NATIVE is {folder}, which has no target.json: "
            "set it to the absolute path of a folder that dist/build made"
        )
    target = json.loads((folder / "target.json").read_text(encoding="utf-8"))
    files = target["files"]
    return Native(
        library=folder / files["shared"],
        program=folder / files["sandbox"],
        library_name=Path(files["shared_link"] or files["shared"]).name,
        tags=".".join(target["wheel_tags"]),
    )


def build_native(rust: Path) -> Native:
    """Build the library and the program for this machine."""
    cargo = shutil.which("cargo")
    if cargo is None:
        cargo = shutil.which("cargo", path=str(Path.home() / ".cargo" / "bin"))
    if cargo is None:
        # pip builds a source distribution if it finds no wheel.
        is_source_distribution = (rust.parent / "hatch_build.py").is_file()
        wheels = (
            f"pip found no wheel for this system ({sysconfig.get_platform()}): "
            "run pip install --upgrade pip, because an old pip does not find the newer ones; or "
        )
        sys.exit(
            f"building sastaotp: cargo is missing: {wheels if is_source_distribution else ''}"
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
    library, program = Path(paths["shared"]), Path(paths[f"program.{PROGRAM}"])
    return Native(library, program, library.name, platform_tag([library, program]))


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
        # A universal Python runs on two processors, the compiled files on one.
        tag = sysconfig.get_platform().replace("universal2", platform.machine())
        return re.sub(r"[-.]", "_", tag)
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
