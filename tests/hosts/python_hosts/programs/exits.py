"""Buys numbers and waits for codes until the program ends at a random moment in a random way.

Arguments: the host, the address, an API key, the folder of a journal, a seed. The program prints
the exit status that its end must have.
"""

import sys

HOST = sys.argv.pop(1)
if HOST == "gevent":
    import gevent.monkey

    gevent.monkey.patch_all()

import asyncio
import os
import random
import signal
import threading
import time

import sastaotp

URL, KEY, JOURNAL, SEED = sys.argv[1:]
SETTINGS = {"base_url": URL, "journal": JOURNAL, "late_booking": 0.001}
WANTED = {"country": "22", "max_price": 100}
chance = random.Random(int(SEED))
#: How the program ends, and its exit status then.
END, STATUS = chance.choice(
    [
        ("return", 0),
        ("return", 0),
        ("sys.exit", 3),
        ("raise", 1),
        ("os._exit", 5),
        ("SIGTERM", -signal.SIGTERM),
        ("SIGKILL", -signal.SIGKILL),
    ]
)
WITH = chance.random() < 0.5
#: In a `with` statement of the main thread, SIGTERM becomes SystemExit.
if WITH and END == "SIGTERM":
    STATUS = 128 + signal.SIGTERM
#: Whether the moment is counted from the first number, and not from the start.
AFTER_NUMBER = chance.random() < 0.7
DELAY = chance.choice([0, chance.uniform(0, 0.05), chance.uniform(0, 0.5)])
TASKS = 4
services = chance.choices(["zz_ok", "zz_never"], k=100)


def end():
    """End the program, unless it ends by returning."""
    if END == "sys.exit":
        sys.exit(3)
    if END == "raise":
        raise ZeroDivisionError
    if END == "os._exit":
        os._exit(5)
    if END.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, END))
        # The signal may arrive at a later line.
        time.sleep(60)


def use(client, worker, bought):
    for service in services[worker::TASKS]:
        if worker % 2:
            with client.lease(service, on_too_early="fail", **WANTED) as number:
                bought.set()
                number.wait_for_code(timeout=1)
        else:
            number = client.get_number(service, **WANTED)
            bought.set()
            try:
                number.wait_for_code(timeout=1)
            except sastaotp.WaitTimeoutError:
                number.cancel()


def use_threads(client):
    bought = threading.Event()
    for worker in range(TASKS):
        arguments = (use, client, worker, bought)
        threading.Thread(target=quietly, args=arguments, daemon=True).start()
    if AFTER_NUMBER:
        bought.wait()
    time.sleep(DELAY)
    end()


def quietly(function, *arguments):
    """Run a function, and be silent about the end of its client."""
    try:
        function(*arguments)
    except sastaotp.SastaotpError:
        pass


async def use_asyncio(client, worker, bought):
    for service in services[worker::TASKS]:
        if worker % 2:
            async with client.lease(service, on_too_early="fail", **WANTED) as number:
                bought.set()
                await number.wait_for_code(timeout=1)
        else:
            number = await client.get_number(service, **WANTED)
            bought.set()
            try:
                await number.wait_for_code(timeout=1)
            except sastaotp.WaitTimeoutError:
                await number.cancel()


async def use_tasks(client):
    bought = asyncio.Event()
    tasks = [asyncio.ensure_future(use_asyncio(client, worker, bought)) for worker in range(TASKS)]
    for task in tasks:
        # The end of the client is not an error of the program.
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
    if AFTER_NUMBER:
        await bought.wait()
    await asyncio.sleep(DELAY)
    end()


async def main_asyncio():
    client = sastaotp.AsyncClient(KEY, **SETTINGS)
    if WITH:
        async with client:
            await use_tasks(client)
    else:
        await use_tasks(client)


def main():
    print(STATUS, END, WITH, flush=True)
    if HOST == "uvloop":
        import uvloop

        uvloop.run(main_asyncio())
    elif HOST == "asyncio":
        asyncio.run(main_asyncio())
    else:
        client = sastaotp.Client(KEY, **SETTINGS)
        if WITH:
            with client:
                use_threads(client)
        else:
            use_threads(client)


main()
