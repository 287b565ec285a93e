"""Threads, forks, memory growth, and processes that exit or are killed."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Callable, List

import pytest
from conftest import HANG, Join, fork, needs_fork, until

import sastaotp
from sastaotp import Client
from sastaotp.testing import Sandbox

PROGRAMS = Path(__file__).parent / "programs"
EXITS = 30


def test_fifty_threads_share_a_client(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    sastaotp_sandbox.control("seed", {"wallet": "100000.00"}, api_key=key)
    barrier = threading.Barrier(50)

    def use_number(client: Client) -> str:
        barrier.wait()
        number = client.get_number("zz_ok", country="22", max_price=80)
        assert client.get_balance().amount > 0
        code = number.wait_for_code(timeout=60).code
        assert number.complete().state == "completed"
        return f"{number.id} {code}"

    with sastaotp_sandbox.client(key) as client, ThreadPoolExecutor(50) as pool:
        assert len(set(pool.map(use_number, [client] * 50))) == 50
    sastaotp_sandbox.control("assert", {"charges": 50, "refunds": 0}, api_key=key)


@needs_fork
def test_forked_child_uses_its_parents_client(sastaotp_sandbox: Sandbox, joins: List[Join]) -> None:
    key = sastaotp_sandbox.key()
    client, asynchronous = sastaotp_sandbox.client(key), sastaotp_sandbox.async_client(key)
    number = client.get_number("zz_never", country="22", max_price=80)

    def wait() -> None:
        with pytest.raises(sastaotp.WaitTimeoutError):
            number.wait_for_code(timeout=1.5)

    def in_the_child() -> None:
        assert client.get_balance().amount == 990
        assert client.activation(number.id).get_status().kind == "waiting"
        assert asyncio.run(asynchronous.get_balance()).amount == 990
        assert client.unclaimed() == ()
        client.close()

    with ThreadPoolExecutor(4) as pool:
        # Threads of the parent are inside the library during the fork.
        joins.clear()
        waits = [pool.submit(wait) for _ in range(4)]
        until(lambda: len({join.ticket for join in joins}) == 4)
        child = fork(in_the_child)
        assert os.waitpid(child, 0)[1] == 0
        for waiting in waits:
            waiting.result()
    assert client.get_balance().amount == 990
    assert number.cancel().state == "cancelled"


@needs_fork
def test_forked_child_ignores_a_changed_environment(
    sastaotp_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SASTAOTP_API_KEY", sastaotp_sandbox.key())
    monkeypatch.setenv("SASTAOTP_BASE_URL", sastaotp_sandbox.url)
    monkeypatch.setenv("SASTAOTP_JOURNAL", str(tmp_path))
    client = Client(budget=1000)
    number = client.get_number("zz_never", country="22", max_price=80)
    for name in ("API_KEY", "BASE_URL", "JOURNAL"):
        monkeypatch.delenv(f"SASTAOTP_{name}")

    def in_the_child() -> None:
        assert client.get_balance().amount == 990
        # The parent's purchase counts, because the child uses the same journal.
        assert client.budget_left() == 990
        client.close()

    assert os.waitpid(fork(in_the_child), 0)[1] == 0
    assert number.cancel().state == "cancelled"
    client.close()


@pytest.mark.parametrize("program", ["leak_blocking.py", "leak_async.py"])
def test_hundred_thousand_calls_leak_no_memory(
    sastaotp_sandbox: Sandbox, program: str, figure: Callable[[str], None]
) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / program), sastaotp_sandbox.url],
        # With one arena, the memory that C's allocator keeps per thread does not vary.
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figure(done.stdout.strip())


def test_process_exits_with_open_waits(
    sastaotp_sandbox: Sandbox, figure: Callable[[str], None]
) -> None:
    program = str(PROGRAMS / "exit_with_open_waits.py")
    kinds = ["threads", "tasks", "both", "tasks without descriptor"]

    def run_and_exit(index: int) -> str:
        done = subprocess.run(
            [sys.executable, program, sastaotp_sandbox.url, kinds[index % len(kinds)]],
            capture_output=True,
            text=True,
            timeout=120,
        )
        lines = done.stderr.splitlines()
        is_clean = (done.returncode, done.stdout) == (0, "waiting\n")
        # Each open order is reported, and nothing else is printed.
        orders = 8 if kinds[index % len(kinds)] == "both" else 4
        is_clean &= len(lines) == orders and all(line.startswith("sastaotp: ") for line in lines)
        return "clean" if is_clean else repr(done)

    with ThreadPoolExecutor(4) as pool:
        exits = list(pool.map(run_and_exit, range(EXITS)))
    figure(f"{exits.count('clean')} of {EXITS} exits were clean")
    assert set(exits) == {"clean"}


def test_sandbox_exits_with_a_killed_process() -> None:
    program = (
        "import time; from sastaotp.testing import Sandbox; sandbox = Sandbox(); "
        "print(sandbox.url, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        host, port = started.stdout.readline().decode().split("/")[2].split(":")
        socket.create_connection((host, int(port)), 5).close()
        started.kill()
    end = time.monotonic() + HANG
    while time.monotonic() < end:
        try:
            # A sandbox that is about to exit resets a connection that it has not accepted.
            with suppress(ConnectionResetError, ConnectionAbortedError):
                socket.create_connection((host, int(port)), 5).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    pytest.fail("the sandbox still runs")
