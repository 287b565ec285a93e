"""The sandbox: the service itself, on this machine, for tests and first steps. No account, no money.

>>> with Sandbox() as sandbox, sandbox.client() as client:
...     print(client.get_balance().amount)
1000.00

With pytest, the fixture ``sastaotp_sandbox`` is one for the whole run.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import urllib.error
import urllib.request
import weakref
from typing import Any, Optional

from ._async_client import AsyncClient
from ._client import Client
from ._library import find_sandbox

_numbers = itertools.count(1)


class Sandbox:
    """A sandbox program of its own. Any API key works, and each has a wallet, orders, a clock and faults of its own."""

    def __init__(self, *, port: int = 0) -> None:
        program = find_sandbox()
        # It ends with this process, also where that is killed.
        self._program = subprocess.Popen(
            [str(program), "--port", str(port), "--until-eof"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        # Ends it with the interpreter too; never from a forked child.
        self._end = weakref.finalize(self, _end, self._program, os.getpid())
        assert self._program.stdout is not None
        line = self._program.stdout.readline().decode().strip()
        if not line.startswith("SASTAOTP_URL="):
            self.close()
            raise RuntimeError(f"starting {program}: it printed {line!r}, not its address")
        #: The address: ``base_url`` of a client, or ``SASTAOTP_BASE_URL``.
        self.url = line[len("SASTAOTP_URL=") :]

    def key(self) -> str:
        """An API key that nobody used before."""
        return f"sandbox_{os.getpid()}_{next(_numbers)}"

    def client(self, api_key: Optional[str] = None, **settings: Any) -> Client:
        """A client of the sandbox, with a key of its own where none is given."""
        return Client(api_key or self.key(), base_url=self.url, **settings)

    def async_client(self, api_key: Optional[str] = None, **settings: Any) -> AsyncClient:
        """The same for asyncio."""
        return AsyncClient(api_key or self.key(), base_url=self.url, **settings)

    def control(self, call: str, body: Optional[dict[str, Any]] = None, *, api_key: str) -> Any:
        """A control call on what this key has: ``sms``, ``faults``, ``clock``, ``assert``. Without a body it reads.

        >>> sandbox.control("faults", {"match": {"action": "getBalance"}, "fault": "H07"}, api_key=key)
        """
        host = self.url.split("/")[2]
        request = urllib.request.Request(
            f"http://{host}/_sandbox/{call}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-API-Key": api_key, "Content-Type": "application/json"},
        )
        try:
            with _opener.open(request, timeout=10) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{call}: {error.read().decode()}") from None

    def close(self) -> None:
        """End the program."""
        self._end()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


#: Without the proxies of the environment: the sandbox is on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _end(program: subprocess.Popen[bytes], pid: int) -> None:
    if os.getpid() != pid:
        return
    program.kill()
    program.wait()
    for pipe in (program.stdin, program.stdout):
        if pipe is not None:
            pipe.close()
