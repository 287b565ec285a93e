"""Clients of Python at the same work: `aiohttp|requests URL COUNT`, `json|orjson FILE ROUNDS`,
`waits URL COUNT WARM_UP_S MEASURED_S [CA_FILE]`, `purchases URL COUNT WAITS QUIET_S`.
"""

import asyncio
import gc
import json
import random
import resource
import ssl
import sys
import time
from pathlib import Path

HEADERS = {"X-API-Key": "0123456789abcdef0123456789abcdef"}
QUERY = "?action=getStatus&id="
INTERVAL = 5.0


def cpu_us():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


def status(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def report_calls(count, cpu, start):
    cpu, wall = cpu_us() - cpu, time.monotonic() - start
    figures = {"cpu_us": cpu / count, "wall_us": wall * 1e6 / count, "rss_kb": status("VmHWM")}
    print(json.dumps(figures))


async def poll_aiohttp(url, count):
    import aiohttp

    async with aiohttp.ClientSession(headers=HEADERS) as session:

        async def call():
            async with session.get(url + QUERY + "1000001") as reply:
                assert await reply.text() == "STATUS_WAIT_CODE"

        for _ in range(max(1, min(count // 10, 500))):
            await call()
        cpu, start = cpu_us(), time.monotonic()
        for _ in range(count):
            await call()
        report_calls(count, cpu, start)


def poll_requests(url, count):
    import requests

    with requests.Session() as session:
        session.headers.update(HEADERS)
        session.trust_env = False

        def call():
            assert session.get(url + QUERY + "1000001").text == "STATUS_WAIT_CODE"

        for _ in range(max(1, min(count // 10, 500))):
            call()
        cpu, start = cpu_us(), time.monotonic()
        for _ in range(count):
            call()
        report_calls(count, cpu, start)


def decode(kind, path, rounds):
    if kind == "orjson":
        from orjson import loads
    else:
        from json import loads
    body = Path(path).read_bytes()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    table = loads(body)
    peak = status("VmHWM") - before
    entries = len(table)
    del table
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        loads(body)
        best = min(best, time.perf_counter() - start)
    print(json.dumps({"ms": best * 1e3, "peak_kb": peak, "entries": entries}))


async def waits(url, count, warm_up, measured, ca_file):
    import aiohttp

    trusted = ssl.create_default_context(cafile=ca_file) if ca_file else True
    lateness = []
    connector = aiohttp.TCPConnector(limit=512, ssl=trusted)
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as session:
        loop = asyncio.get_running_loop()

        async def wait(number, due):
            target = f"{url}{QUERY}{1_000_000 + number}"
            while True:
                await asyncio.sleep(due - loop.time())
                lateness.append(loop.time() - due)
                async with session.get(target) as reply:
                    assert await reply.text() == "STATUS_WAIT_CODE"
                due = loop.time() + INTERVAL + random.random() * INTERVAL / 10

        begin = loop.time()
        # Like the library: each task starts half a millisecond after the previous one.
        tasks = [
            asyncio.create_task(wait(number, begin + number * 0.0005)) for number in range(count)
        ]
        await asyncio.sleep(warm_up)
        lateness.clear()
        cpu, start = cpu_us(), loop.time()
        await asyncio.sleep(measured)
        cpu, wall, late = cpu_us() - cpu, loop.time() - start, sorted(lateness)
        assert not any(task.done() for task in tasks)
        at = lambda share: late[min(int(len(late) * share), len(late) - 1)] * 1e3
        print(
            json.dumps(
                {
                    "polls": len(late),
                    "seconds": wall,
                    "cpu_us": cpu,
                    "p50_ms": at(0.5),
                    "p99_ms": at(0.99),
                    "max_ms": at(1.0),
                    "threads": status("Threads"),
                    "rss_kb": status("VmRSS"),
                    "peak_kb": status("VmHWM"),
                }
            ),
            flush=True,
        )
        for task in tasks:
            task.cancel()


async def purchases(url, count, waits, quiet):
    """Buys numbers beside waits, without a check, a limit or a record of any purchase."""
    import aiohttp

    lateness, times, numbers = [], [], set()
    # Waits and reads keep their connections. Purchases have 64 others.
    rest = aiohttp.ClientSession(headers=HEADERS, connector=aiohttp.TCPConnector(limit=512))
    buying = aiohttp.ClientSession(headers=HEADERS, connector=aiohttp.TCPConnector(limit=64))
    async with rest, buying:
        loop = asyncio.get_running_loop()

        async def read(session, target):
            async with session.get(target) as reply:
                return await reply.text()

        async def wait(number, due):
            while True:
                await asyncio.sleep(due - loop.time())
                lateness.append(loop.time() - due)
                await read(rest, f"{url}{QUERY}{1_000_000 + number}")
                due = loop.time() + INTERVAL + random.random() * INTERVAL / 10

        async def ask_for_the_balance():
            while True:
                start = loop.time()
                await read(rest, f"{url}?action=getBalance")
                times.append(loop.time() - start)
                await asyncio.sleep(0.1 - (loop.time() - start))

        async def buy():
            query = "?action=getNumber&service=zz_never&country=22&maxPrice=100"
            _, number, _ = (await read(buying, url + query)).split(":")
            numbers.add(number)

        def phase_end():
            at = lambda values: sorted(values)[min(len(values) * 99 // 100, len(values) - 1)]
            figures = at(lateness) * 1e3, at(times) * 1e3
            lateness.clear()
            times.clear()
            return figures

        begin = loop.time()
        tasks = [asyncio.create_task(wait(one, begin + one * 0.0005)) for one in range(waits)]
        tasks.append(asyncio.create_task(ask_for_the_balance()))
        await asyncio.sleep(8)
        phase_end()
        await asyncio.sleep(quiet)
        quiet_late, quiet_balance = phase_end()
        cpu, start = cpu_us(), loop.time()
        await asyncio.gather(*(buy() for _ in range(count)))
        cpu, wall = cpu_us() - cpu, loop.time() - start
        late, balance = phase_end()
        figures = {
            "bought": len(numbers),
            "seconds": wall,
            "cpu_us": cpu,
            "quiet_late_ms": quiet_late,
            "late_ms": late,
            "quiet_balance_ms": quiet_balance,
            "balance_ms": balance,
            "threads": status("Threads"),
            "peak_kb": status("VmHWM"),
        }
        print(json.dumps(figures), flush=True)
        for task in tasks:
            task.cancel()


def main():
    command, target, *rest = sys.argv[1:]
    if command == "aiohttp":
        asyncio.run(poll_aiohttp(target, int(rest[0])))
    elif command == "requests":
        poll_requests(target, int(rest[0]))
    elif command == "waits":
        count, warm_up, measured = map(int, rest[:3])
        ca_file = rest[3] if len(rest) > 3 else None
        asyncio.run(waits(target, count, warm_up, measured, ca_file))
    elif command == "purchases":
        asyncio.run(purchases(target, *map(int, rest)))
    else:
        decode(command, target, int(rest[0]))


main()
