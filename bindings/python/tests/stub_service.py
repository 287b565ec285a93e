"""An HTTP server that sends the replies a test chooses, in the test's process or as a program."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, List, Optional, Tuple, Union
from urllib.parse import parse_qs, urlsplit

#: HTTP status and body. Text is sent as text/plain, everything else as JSON.
Reply = Tuple[int, Any]

_numbers = itertools.count(1)

#: How long a reply is held at most if a test fails to release it, in seconds.
LONGEST_HOLD = 60


class StubService:
    """Answers each request with ``reply``, or with the result of ``reply(parameters)``.

    If ``hold`` is given, the reply to each purchase waits until that event is set.
    """

    def __init__(
        self,
        reply: Union[Reply, Callable[[Dict[str, str]], Reply]],
        hold: Optional[threading.Event] = None,
    ) -> None:
        #: The headers and the path of each request.
        self.requests: List[Tuple[Dict[str, str], str]] = []
        self.encoding = "identity"
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                parameters = {name: values[0] for name, values in query.items()}
                service.requests.append((dict(self.headers), self.path))
                if callable(reply):
                    status, body = reply(parameters)
                else:
                    status, body = reply
                if hold is not None and is_purchase(parameters):
                    hold.wait(LONGEST_HOLD)
                is_text = isinstance(body, str)
                if isinstance(body, bytes):
                    data = body
                else:
                    data = (body if is_text else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain" if is_text else "application/json")
                self.send_header("Content-Encoding", service.encoding)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """Be silent about a client that left before its reply."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # A later service can have the same port, and must not share its purchases.
        path = f"stubs/{next(_numbers)}/handler_api.php"
        self.url = f"http://127.0.0.1:{self._server.server_port}/{path}"

    @property
    def purchases(self) -> List[str]:
        """The paths of the requests that buy a number."""
        return [path for _, path in self.requests if "action=getNumber" in path]

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def __enter__(self) -> StubService:
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def is_purchase(parameters: Dict[str, str]) -> bool:
    return parameters.get("action", "").startswith("getNumber")


def empty_history() -> Dict[str, Any]:
    """Return the service's reply to getOrders if the account has no order."""
    return {"status": "OK", "total": 0, "orders": []}


def purchase_reply(id: str = "38496653") -> Dict[str, Any]:
    """Return the service's reply to a purchase."""
    return {
        "status": "OK",
        "activation_id": id,
        "order_id": "1001",
        "phone_number": "919876543210",
        "service_code": "tg",
        "country_code": "22",
        "price": 18.5,
        "expires_in": 1200,
    }


def price_reply() -> Dict[str, Any]:
    """Return all prices as the live service writes them: 75,600 entries in 2.5 MB."""
    dice = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    codes = [first + second for first in letters for second in letters][:420]

    def entry() -> Dict[str, Any]:
        return {"cost": dice.randrange(500, 40_000) / 100, "count": 999}

    data = {str(country): {code: entry() for code in codes} for country in range(180)}
    return {"status": "OK", "data": data}


def main(encoding: str) -> None:
    """Print an address and serve all prices there, as ``identity`` or ``gzip``, until killed."""
    body = json.dumps(price_reply(), separators=(",", ":")).encode()
    service = StubService((200, gzip.compress(body) if encoding == "gzip" else body))
    service.encoding = encoding
    print(service.url, flush=True)
    service.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
