"""The library and the sandbox program: names on each system, paths, and errors."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sastaotp import _find_binaries

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
        ("broken", "install the package with the pip of this Python"),
    ],
)
def test_error_names_the_file(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "broken").write_bytes(b"This is not a library.")
    path = str(tmp_path / name)
    done = run("import sastaotp; sastaotp.Client('stp_0123456789abcdef')", SASTAOTP_LIBRARY=path)
    assert "ImportError: " in done.stderr
    assert path in done.stderr
    assert expected in done.stderr
