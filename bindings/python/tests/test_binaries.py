"""The library and the sandbox program: names on each system, paths, and errors."""

from __future__ import annotations

import os
import platform
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from sastaotp import _find_binaries, _library_file

LOAD = "import sastaotp; sastaotp.Client('stp_0123456789abcdef')"
needs_elf = pytest.mark.skipif(sys.platform != "linux", reason="the library is no ELF file")

#: A purchase with a journal in a folder beside the library.
PROGRAM = """
import os
import sys
from pathlib import Path

from sastaotp.testing import Sandbox

folder = Path(os.environ["SASTAOTP_LIBRARY"]).parent / "journal"
with Sandbox() as sandbox, sandbox.client(journal=folder) as client:
    client.get_number("zz_never", country="22", max_price=80).cancel()
assert any(folder.iterdir())
"""


def run(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


@pytest.mark.parametrize(
    ("platform", "library", "program"),
    [
        ("linux", "libsastaotp.so", "sastaotp-sandbox"),
        ("darwin", "libsastaotp.dylib", "sastaotp-sandbox"),
        ("win32", "sastaotp.dll", "sastaotp-sandbox.exe"),
    ],
)
def test_each_system_has_its_names(
    monkeypatch: pytest.MonkeyPatch, platform: str, library: str, program: str
) -> None:
    path = _find_binaries.__file__
    monkeypatch.setattr(sys, "platform", platform)
    names = runpy.run_path(path)
    assert (names["LIBRARY_NAME"], names["PROGRAM_NAME"]) == (library, program)


@pytest.mark.parametrize("folder", ["with spaces", "मुंबई", "çà&là"])
def test_path_can_be_any_text(tmp_path: Path, folder: str) -> None:
    files = {
        "SASTAOTP_LIBRARY": _find_binaries.find_library(),
        "SASTAOTP_SANDBOX": _find_binaries.find_sandbox(),
    }
    (tmp_path / folder).mkdir()
    copies = {
        name: str(shutil.copy(file, tmp_path / folder / file.name)) for name, file in files.items()
    }
    done = run(PROGRAM, **copies)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("mode", [0o644, 0o755])
def test_sandbox_that_cannot_run_says_why(tmp_path: Path, mode: int) -> None:
    program = tmp_path / "sandbox.exe"
    program.write_bytes(b"no program")
    program.chmod(mode)
    done = run("import sastaotp.testing; sastaotp.testing.Sandbox()", SASTAOTP_SANDBOX=str(program))
    assert "make the program executable, or install the package with pip" in done.stderr
    assert program.name in done.stderr


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("missing", "which is not a file: set it to the path of the file, or unset it"),
        ("broken", "the file is damaged, or not a library: set SASTAOTP_LIBRARY to a file of this"),
    ],
)
def test_error_names_the_file(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "broken").write_bytes(b"This is not a library.")
    path = str(tmp_path / name)
    done = run(LOAD, SASTAOTP_LIBRARY=path)
    assert "ImportError: " in done.stderr
    assert path in done.stderr
    assert expected in done.stderr


def failure_of(library: Path) -> str:
    """Return the last line that a program prints if the library is this file."""
    done = run(LOAD, SASTAOTP_LIBRARY=str(library))
    # A negative status is a signal, such as SIGBUS.
    assert done.returncode == 1, (done.returncode, done.stderr)
    return done.stderr.splitlines()[-1]


@needs_elf
def test_truncated_library_is_an_error_not_a_crash(tmp_path: Path) -> None:
    content = _find_binaries.find_library().read_bytes()
    file = tmp_path / "library"
    for length in (1, 4, 63, 64, 100, 5000, *(len(content) * part // 10 for part in range(1, 10))):
        file.write_bytes(content[:length])
        message = failure_of(file)
        assert message.startswith(f"ImportError: loading {file}: "), message
        assert "truncated" in message or "damaged" in message, message
        assert "set SASTAOTP_LIBRARY to a file of this version" in message


@needs_elf
def test_complete_library_has_the_needed_length() -> None:
    path = _find_binaries.find_library()
    _library_file.check_length(path)
    assert _library_file._needed_length(path.read_bytes()[:4096]) > path.stat().st_size // 2


def with_other_processor(content: bytes) -> bytes:
    number = 62 if platform.machine() == "aarch64" else 183
    return content[:18] + bytes([number, 0]) + content[20:]


def with_newer_glibc(content: bytes) -> bytes:
    versions = _library_file.GLIBC_VERSION.findall(content)
    newest = max(versions, key=lambda version: tuple(map(int, version)))
    old, new = b"\0GLIBC_%s.%s\0" % newest, b"\0GLIBC_%s.%s\0" % (newest[0], b"9" * len(newest[1]))
    assert old in content
    return content.replace(old, new)


def without_a_function(content: bytes) -> bytes:
    return content.replace(b"sastaotp_queue_join", b"sastaotp_queue_joyn")


@needs_elf
@pytest.mark.parametrize(
    ("change", "reason", "needs"),
    [
        (with_other_processor, "cannot open shared object file", "the file is a library for Linux"),
        (with_newer_glibc, "' not found (required by", "it needs glibc 2.9"),
        (lambda content: bytes(len(content)), "invalid ELF header", "the file is damaged"),
        (lambda _: b"", "file too short", "the file is damaged"),
        (lambda _: b"MZ" + bytes(58) + b"\x40" + bytes(7) + b"\x64\x86", "", "Windows on x86_64"),
        (without_a_function, "undefined symbol: sastaotp_queue_join", "of another version"),
    ],
)
def test_error_has_the_reason_and_the_need(
    tmp_path: Path, change: Callable[[bytes], bytes], reason: str, needs: str
) -> None:
    file = tmp_path / "library"
    file.write_bytes(change(_find_binaries.find_library().read_bytes()))
    if change is with_newer_glibc and not _library_file._c_library().startswith("glibc"):
        pytest.skip("this system has no glibc")
    message = failure_of(file)
    assert reason in message
    assert needs in message


@pytest.mark.parametrize(
    ("reason", "needs"),
    [
        ("failed to map segment from shared object", "it may be mounted with noexec"),
        ("Error relocating x: memfd_create: symbol not found", "it needs glibc 2."),
        ("Error loading shared library ld-linux-x86-64.so.2: No such file", "it needs glibc 2."),
        ("anything else", ""),
    ],
)
@needs_elf
def test_reasons_of_loaders_are_explained(reason: str, needs: str) -> None:
    content = b"\0GLIBC_2.17\0GLIBC_2.4\0"
    found = _library_file._needs_on_linux(content, reason)
    assert needs in found if needs else found == ""


def test_advice_depends_on_the_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def advice(package: Path) -> str:
        monkeypatch.setattr(_find_binaries, "_PACKAGE", package)
        monkeypatch.setattr(_find_binaries, "BUNDLE", package / "_bundle")
        with pytest.raises(ImportError, match="no file at") as caught:
            _find_binaries.find_library()
        return str(caught.value)

    monkeypatch.delenv("SASTAOTP_LIBRARY", raising=False)
    monkeypatch.setenv("CARGO_TARGET_DIR", str(tmp_path / "empty"))
    checkout = tmp_path / "checkout"
    package = checkout / "bindings" / "python" / "src" / "sastaotp"
    package.mkdir(parents=True)
    assert "run pip install --force-reinstall sastaotp" in advice(package)
    (checkout / "Cargo.toml").touch()
    assert f"run pip install -e {checkout / 'bindings' / 'python'}, which" in advice(package)
    assert "extract the package to a folder" in advice(tmp_path / "program.zip" / "sastaotp")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert "PyInstaller then adds the file" in advice(package)
    monkeypatch.setattr(_find_binaries, "__compiled__", True, raising=False)
    assert "the options of Nuitka" in advice(package)
