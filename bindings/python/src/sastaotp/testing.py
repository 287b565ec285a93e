"""The sandbox: an imitation of the service on this machine, for tests and first steps.

It needs no account and no money.

>>> with Sandbox() as sandbox, sandbox.client() as client:
...     print(client.get_balance().amount)
1000.00

The pytest fixture ``sastaotp_sandbox`` provides one sandbox for the whole test run.
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

from . import _ends
from ._async_client import AsyncClient
from ._client import Client
from ._find_binaries import find_sandbox

_key_numbers = itertools.count(1)


class Sandbox:
    """A running sandbox program on a port of 127.0.0.1. It accepts any API key.

    Each key has its own wallet, orders, clock and faults. The program exits with this process.
    """

    def __init__(self, *, port: int = 0) -> None:
        program = find_sandbox()
        # The program exits at the end of its standard input, even if this process is killed.
        try:
            self._process = subprocess.Popen(
                [str(program), "--port", str(port), "--until-eof"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # On Windows, no console opens, and a Ctrl-C of this console does not reach the
                # program.
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            # The class follows from the number: PermissionError, for example.
            raise OSError(
                error.errno,
                f"starting the sandbox: {error.strerror}: make the program executable, "
                "or install the package with pip, which does",
                str(program),
            ) from error
        # Runs when the interpreter exits too, but not in a forked child.
        self._stop = weakref.finalize(self, _stop, self._process, os.getpid())
        # Clients can still wait for replies to purchases.
        _ends.finalize_after_reports(self._stop)
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode().strip()
        if not line.startswith("SASTAOTP_URL="):
            self.close()
            raise RuntimeError(
                f"starting {program}: it printed {line!r} instead of its address: "
                "install the program and this package from one version"
            )
        self.url = line[len("SASTAOTP_URL=") :]
        """The address, for ``base_url`` of a client or for ``SASTAOTP_BASE_URL``."""

    def key(self) -> str:
        """Return an API key that was not used before."""
        return f"sandbox_{os.getpid()}_{next(_key_numbers)}"

    def client(self, api_key: Optional[str] = None, **settings: Any) -> Client:
        """Return a blocking client of the sandbox, with a new key unless one is given."""
        return Client(api_key or self.key(), base_url=self.url, **settings)

    def async_client(self, api_key: Optional[str] = None, **settings: Any) -> AsyncClient:
        """Return an asyncio client of the sandbox, with a new key unless one is given."""
        return AsyncClient(api_key or self.key(), base_url=self.url, **settings)

    def control(self, call: str, body: Optional[dict[str, Any]] = None, *, api_key: str) -> Any:
        """Read or change the data of one API key. The project's README describes the calls.

        Without a body it reads. Raises ``AssertionError`` if the sandbox refuses the call, or if a
        figure of ``assert`` differs.

        :param call: ``reset``, ``seed``, ``clock``, ``sms``, ``expire``, ``provider_cancel``,
            ``faults``, ``ledger``, ``assert`` or ``log``.

        >>> rule = {"match": {"action": "getBalance"}, "fault": "H07"}
        >>> sandbox.control("faults", rule, api_key=key)
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
        """Stop the program."""
        self._stop()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


#: Ignores the proxy settings of the environment: the sandbox is on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _stop(process: subprocess.Popen[bytes], pid: int) -> None:
    if os.getpid() != pid:
        return
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
