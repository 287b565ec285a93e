"""Hosts that the package must recognise: other event loops, and subinterpreters.

``tests/hosts/python_hosts`` runs the package in real hosts.
"""

from __future__ import annotations

import subprocess
import sys
import types
from typing import Any, Callable, Coroutine

import pytest

import sastaotp
from sastaotp import AsyncClient
from sastaotp.testing import Sandbox

KEY = "stp_0123456789abcdef"

#: Buys a number in a subinterpreter that shares the GIL, as mod_wsgi makes them.
IN_SUBINTERPRETER = """
import sys

try:
    import _interpreters
except ImportError:
    import _xxsubinterpreters as _interpreters

program = f"sys_path = {sys.path!r}" + '''
import sys

sys.path[:] = sys_path
import sastaotp

with sastaotp.Client(KEY, base_url=URL) as client:
    with client.lease("zz_ok", country="22", max_price=80) as number:
        print("the code is", number.wait_for_code(timeout=60).code, flush=True)
'''
program = program.replace("KEY", repr(sys.argv[2])).replace("URL", repr(sys.argv[1]))
is_new = sys.version_info >= (3, 13)
interpreter = _interpreters.create("legacy") if is_new else _interpreters.create(isolated=False)
failure = _interpreters.run_string(interpreter, program)
if failure is not None:
    sys.exit(failure.formatted)
_interpreters.destroy(interpreter)
"""


def is_free_threaded() -> bool:
    """Return whether this Python was built without a GIL."""
    return "free-threading" in sys.version


@pytest.mark.skipif(is_free_threaded(), reason="msgspec loads only in the main interpreter there")
def test_client_works_in_a_subinterpreter(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_SUBINTERPRETER, sastaotp_sandbox.url, key],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.startswith("the code is "), done.stdout + done.stderr
    assert done.returncode == 0
    sastaotp_sandbox.control("assert", {"charges": 1, "refunds": 0}, api_key=key)


CALLS: Any = [AsyncClient.get_balance, AsyncClient.close, AsyncClient.__aenter__]


def run_without_asyncio(call: Callable[[AsyncClient], Coroutine[Any, Any, Any]]) -> str:
    """Run the first step of a call without an event loop, and return the text of its error."""
    client = AsyncClient(KEY, base_url="http://127.0.0.1:9/")
    with pytest.raises(sastaotp.UsageError) as caught:
        call(client).send(None)
    # The client is not closed.
    assert client._session is not None
    assert caught.value.charge == sastaotp.Charge.NOT_CHARGED
    return str(caught.value)


@pytest.mark.parametrize("call", CALLS)
def test_call_without_a_loop_names_asyncio(call: Any) -> None:
    message = run_without_asyncio(call)
    assert "in a coroutine that asyncio.run runs, or use Client" in message


@pytest.mark.parametrize("call", CALLS)
def test_call_in_trio_names_the_ways_out(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lowlevel = types.ModuleType("trio.lowlevel")
    monkeypatch.setattr(lowlevel, "in_trio_task", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "trio.lowlevel", lowlevel)
    message = run_without_asyncio(call)
    assert "asyncio" in message
    assert "trio.to_thread.run_sync" in message
    assert "trio-asyncio" in message
