"""A proxy on this machine for tests: HTTP's CONNECT and SOCKS5, with a user name and a password."""

from __future__ import annotations

import base64
import socket
import threading
from typing import List

USER = "me"
PASSWORD = "s3cret"


class StubProxy:
    """Connects each client to a host of this machine, and refuses other hosts."""

    def __init__(self, kind: str) -> None:
        #: The hosts that were asked for.
        self.hosts: List[str] = []
        self.connections = 0
        self._greet = {"http": self._greet_http, "socks5": self._greet_socks}[kind]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            self.connections += 1
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near:
            far = self._greet(near)
            if far is None:
                return
            with far:
                threading.Thread(target=_copy, args=(far, near), daemon=True).start()
                _copy(near, far)

    def _greet_http(self, near: socket.socket) -> socket.socket | None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += near.recv(4096)
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode())
        if b"Proxy-Authorization: Basic " + expected not in head:
            near.sendall(b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n")
            return None
        host, _, port = head.split()[1].decode().partition(":")
        self.hosts.append(host)
        if host not in ("127.0.0.1", "localhost"):
            near.sendall(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
            return None
        far = socket.create_connection(("127.0.0.1", int(port)))
        near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        return far

    def _greet_socks(self, near: socket.socket) -> socket.socket | None:
        def read(length: int) -> bytes:
            data = b""
            while len(data) < length:
                data += near.recv(length - len(data)) or b"\0"
            return data

        if 2 not in read(read(2)[1]):
            near.sendall(b"\x05\xff")
            return None
        near.sendall(b"\x05\x02")
        user = read(read(2)[1])
        if (user, read(read(1)[0])) != (USER.encode(), PASSWORD.encode()):
            near.sendall(b"\x01\x01")
            return None
        near.sendall(b"\x01\x00")
        is_address = read(4)[3] == 1
        host = socket.inet_ntoa(read(4)) if is_address else read(read(1)[0]).decode()
        port = int.from_bytes(read(2), "big")
        self.hosts.append(host)
        if host not in ("127.0.0.1", "localhost"):
            near.sendall(b"\x05\x04\x00\x01" + bytes(6))
            return None
        far = socket.create_connection(("127.0.0.1", port))
        near.sendall(b"\x05\x00\x00\x01" + bytes(6))
        return far


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # One of the two is closed.
