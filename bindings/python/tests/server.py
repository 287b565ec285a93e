"""A service that answers what a test says: a small HTTP server, in threads of the test or as a program of its own."""

from __future__ import annotations

import gzip
import json
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, List, Tuple, Union
from urllib.parse import parse_qs, urlsplit

#: Status and body; a text is sent as the service sends plain text, anything else as JSON.
Answer = Tuple[int, Any]


class Server:
    """Answers every request with what ``answer`` gives for the parameters of its query, after ``delay`` seconds."""

    def __init__(self, answer: Union[Answer, Callable[[Dict[str, str]], Answer]], delay: float = 0.0) -> None:
        #: The headers and the path of each request.
        self.seen: List[Tuple[Dict[str, str], str]] = []
        self.encoding = "identity"
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                owner.seen.append((dict(self.headers), self.path))
                status, body = answer(query) if callable(answer) else answer
                time.sleep(delay)
                plain = isinstance(body, str)
                data = body if isinstance(body, bytes) else (body if plain else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain" if plain else "application/json")
                self.send_header("Content-Encoding", owner.encoding)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/stubs/handler_api.php"

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def __enter__(self) -> Server:
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def number(id: str = "38496653") -> Dict[str, Any]:
    """What the service answers to a purchase."""
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


def prices() -> Dict[str, Any]:
    """All prices, as the live service writes them: 75,600 entries in 2.5 MB."""
    dice = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    codes = [a + b for a in letters for b in letters][:420]
    price: Callable[[], Dict[str, Any]] = lambda: {"cost": dice.randrange(500, 40_000) / 100, "count": 999}  # noqa: E731
    data = {str(country): {code: price() for code in codes} for country in range(180)}
    return {"status": "OK", "data": data}


def main(encoding: str) -> None:
    """As a program: answers with all prices, as they are or as gzip; prints its address and serves until it is ended."""
    body = json.dumps(prices(), separators=(",", ":")).encode()
    server = Server((200, gzip.compress(body) if encoding == "gzip" else body))
    server.encoding = encoding
    print(server.url, flush=True)
    server.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
