"""The process around a client: threads, forks, memory, and an end with waits open."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

import pytest
from conftest import fork

import sastaotp
from sastaotp import Client
from sastaotp.testing import Sandbox

PROGRAMS = Path(__file__).parent / "programs"
EXITS = 30


def test_fifty_threads_share_a_client(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    sastaotp_sandbox.control("seed", {"wallet": "100000.00"}, api_key=key)
    together = threading.Barrier(50)

    def live(client: Client) -> str:
        together.wait()
        number = client.get_number("zz_ok", country="22", max_price=80)
        assert client.get_balance().amount > 0
        code = number.wait_for_code(timeout=60).code
        assert number.complete().state == "completed"
        return f"{number.id} {code}"

    with sastaotp_sandbox.client(key) as client, ThreadPoolExecutor(50) as pool:
        assert len(set(pool.map(live, [client] * 50))) == 50
    sastaotp_sandbox.control("assert", {"charges": 50, "refunds": 0}, api_key=key)


def test_a_forked_child_goes_on_with_the_client_of_its_parent(sastaotp_sandbox: Sandbox) -> None:
    key = sastaotp_sandbox.key()
    client, asynchronous = sastaotp_sandbox.client(key), sastaotp_sandbox.async_client(key)
    number = client.get_number("zz_never", country="22", max_price=80)

    def wait() -> None:
        with pytest.raises(sastaotp.WaitTimeout):
            number.wait_for_code(timeout=1.5)

    def in_the_child() -> None:
        assert client.get_balance().amount == 990
        assert client.activation(number.id).poll().status == "waiting"
        assert asyncio.run(asynchronous.get_balance()).amount == 990
        assert client.unclaimed() == ()
        client.close()

    with ThreadPoolExecutor(4) as pool:
        # Threads of the parent are in the library as it forks.
        waits = [pool.submit(wait) for _ in range(4)]
        time.sleep(0.2)
        child = fork(in_the_child)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        for one in waits:
            one.result()
    assert client.get_balance().amount == 990
    assert number.cancel().state == "cancelled"


@pytest.mark.parametrize("program", ["growth_blocking.py", "growth_async.py"])
def test_a_hundred_thousand_calls_leave_nothing_behind(
    sastaotp_sandbox: Sandbox, program: str, figure: Callable[[str], None]
) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / program), sastaotp_sandbox.url],
        # What C's allocator keeps for each thread is no growth, and differs from run to run.
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figure(done.stdout.strip())


def test_a_process_ends_with_waits_open(sastaotp_sandbox: Sandbox, figure: Callable[[str], None]) -> None:
    shapes = ["threads", "tasks", "both"]

    def end(at: int) -> str:
        done = subprocess.run(
            [sys.executable, str(PROGRAMS / "exit.py"), sastaotp_sandbox.url, shapes[at % len(shapes)]],
            capture_output=True,
            text=True,
            timeout=30,
        )
        return "clean" if (done.returncode, done.stdout, done.stderr) == (0, "waiting\n", "") else repr(done)

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(end, range(EXITS)))
    figure(f"{ends.count('clean')} of {EXITS} ends were clean")
    assert set(ends) == {"clean"}


def test_a_sandbox_ends_with_a_program_that_is_killed() -> None:
    program = (
        "import time; from sastaotp.testing import Sandbox; it = Sandbox(); print(it.url, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        host, port = started.stdout.readline().decode().split("/")[2].split(":")
        socket.create_connection((host, int(port)), 5).close()
        started.kill()
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            socket.create_connection((host, int(port)), 5).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    pytest.fail("the sandbox lives on")
