"""Each host buys a number and receives its code against the sandbox."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
import sastaotp
from sastaotp.testing import Sandbox
from stub_service import StubService, empty_history, is_purchase, purchase_reply

PROGRAMS = Path(__file__).parent / "programs"
#: The Python that tests/hosts/python_hosts/run makes.
FREE_THREADED = os.environ["FREE_THREADED_PYTHON"]
#: The longest time for a program, in seconds. Only a hang exceeds it.
HANG = 400
BUILD = 1500


def run(command: list[Any], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command that must succeed, without a word on stderr."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        **{"timeout": HANG, **options},
    )
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr[-5000:]}"
    return done


def receive(command: list[Any], **options: Any) -> None:
    """Run a command that must print a code and nothing else."""
    done = run(command, **options)
    assert re.fullmatch(r"the code is \d{6}\n", done.stdout), done.stdout
    assert done.stderr == ""


@pytest.fixture
def key(sastaotp_sandbox: Sandbox) -> str:
    """A key with enough money for a hundred numbers."""
    key = sastaotp_sandbox.key()
    sastaotp_sandbox.control("seed", {"wallet": "100000.00"}, api_key=key)
    return key


def spent(sandbox: Sandbox, key: str) -> tuple[int, int]:
    ledger = sandbox.control("ledger", api_key=key)
    return ledger["charges"], ledger["refunds"]


@pytest.mark.parametrize(
    ("name", "arguments", "charges"),
    [
        ("plain", (), 1),
        ("threads", (), 8),
        ("asyncio_loop", ("asyncio",), 1),
        ("asyncio_loop", ("uvloop",), 1),
        ("trio_threads", (), 1),
        ("trio_asyncio_loop", (), 1),
    ],
)
def test_host_receives_a_code(
    sastaotp_sandbox: Sandbox, key: str, name: str, arguments: tuple[str, ...], charges: int
) -> None:
    receive([sys.executable, PROGRAMS / f"{name}.py", sastaotp_sandbox.url, key, *arguments])
    assert spent(sastaotp_sandbox, key) == (charges, 0)


@pytest.mark.parametrize("name", ["plain", "threads", "asyncio_loop"])
def test_free_threaded_python_receives_a_code(
    sastaotp_sandbox: Sandbox, key: str, name: str
) -> None:
    check = "import sys; print(sys._is_gil_enabled(), sys.version_info >= (3, 13))"
    # The import of the package does not enable the GIL.
    done = run([FREE_THREADED, "-c", f"import sastaotp.testing; {check}"])
    assert (done.stdout, done.stderr) == ("False True\n", "")
    arguments = ["asyncio"] if name == "asyncio_loop" else []
    receive([FREE_THREADED, PROGRAMS / f"{name}.py", sastaotp_sandbox.url, key, *arguments])


@pytest.mark.parametrize("kind", ["gevent", "eventlet"])
def test_wait_yields_to_other_greenlets(sastaotp_sandbox: Sandbox, key: str, kind: str) -> None:
    receive([sys.executable, PROGRAMS / "greenlets_buy.py", kind, sastaotp_sandbox.url, key])
    assert spent(sastaotp_sandbox, key) == (59, 1)


@pytest.mark.parametrize("kind", ["gevent", "eventlet"])
@pytest.mark.parametrize("seed", range(3))
def test_killed_greenlets_lose_no_number(
    sastaotp_sandbox: Sandbox, key: str, kind: str, seed: int
) -> None:
    rule = {"match": {"action": "getNumber"}, "times": 0, "delay_ms": 300}
    sastaotp_sandbox.control("faults", rule, api_key=key)
    program = PROGRAMS / "greenlets_killed.py"
    done = run([sys.executable, program, kind, sastaotp_sandbox.url, key, seed])
    charges, refunds = spent(sastaotp_sandbox, key)
    assert done.stdout.startswith(f"{kind} {charges} ")
    assert charges == refunds > 0


@pytest.mark.parametrize("kind", ["gevent", "eventlet"])
def test_purchase_of_a_killed_greenlet_is_listed(kind: str) -> None:
    release = threading.Event()

    def reply(parameters: Any) -> Any:
        if parameters["action"] == "getOrders":
            return 200, empty_history()
        return 200, purchase_reply() if is_purchase(parameters) else "STATUS_WAIT_CODE"

    with StubService(reply, release) as service:
        program = PROGRAMS / "greenlet_killed_in_flight.py"
        process = subprocess.Popen(
            [sys.executable, str(program), kind, service.url, "stp_0123456789abcdef"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            while not service.purchases:
                assert process.poll() is None
                time.sleep(0.01)
            process.stdin.write("the purchase is held\n")
            process.stdin.flush()
            assert process.stdout.readline() == "killed\n"
            release.set()
            assert process.stdout.read() == "38496653 is listed\n"
        assert process.returncode == 0
        assert len(service.purchases) == 1


def test_notebook_awaits_a_code(sastaotp_sandbox: Sandbox, key: str) -> None:
    """Cells with a top-level await share the client and its event loop."""
    settings = f"{key!r}, base_url={sastaotp_sandbox.url!r}"
    cells = [
        f"import sastaotp\nclient = sastaotp.AsyncClient({settings})",
        "number = await client.get_number('zz_ok', country='22', max_price=80)",
        "import asyncio\nwaiting = asyncio.ensure_future(number.wait_for_code(timeout=300))",
        "print('the code is', (await waiting).code)",
        "(await number.complete()).state",
        f"blocking = sastaotp.Client({settings})",
        "with blocking.lease('zz_ok', country='22', max_price=80) as second:\n"
        "    print('the code is', second.wait_for_code(timeout=300).code)",
        "blocking.close()\nawait client.close()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=HANG, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    texts = [output.text for output in outputs if output.output_type == "stream"]
    assert [output.name for output in outputs if output.output_type == "stream"] == ["stdout"] * 2
    assert all(re.fullmatch(r"the code is \d{6}\n", text) for text in texts)
    assert spent(sastaotp_sandbox, key) == (2, 0)


def clean_environment() -> dict[str, str]:
    """Return an environment in which no program finds this Python or the package."""
    return {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}


@pytest.mark.parametrize("form", ["--onefile", "--onedir"])
def test_program_of_pyinstaller_receives_a_code(tmp_path: Path, form: str) -> None:
    shutil.copy(PROGRAMS / "with_sandbox.py", tmp_path / "bot.py")
    run([sys.executable, "-m", "PyInstaller", form, "bot.py"], cwd=tmp_path, timeout=BUILD)
    built = tmp_path / "dist" / "bot"
    receive([built if form == "--onefile" else built / "bot"], cwd="/", env=clean_environment())


@pytest.mark.skipif(
    "SASTAOTP_NUITKA" not in os.environ, reason="a minute of computation: set SASTAOTP_NUITKA=1"
)
def test_program_of_nuitka_receives_a_code(tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "with_sandbox.py", tmp_path / "bot.py")
    bundle = Path(sastaotp.__file__).parent / "_bundle"
    # The line of the README.
    options = ["--standalone", f"--include-raw-dir={bundle}=sastaotp/_bundle"]
    environment = {**os.environ, "NUITKA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "nuitka", *options, "bot.py"]
    run(command, cwd=tmp_path, timeout=BUILD, env=environment)
    receive([tmp_path / "bot.dist" / "bot.bin"], cwd="/", env=clean_environment())
