"""Proxies and certificates: the settings ``proxy``, ``roots`` and ``ca_pem``."""

from __future__ import annotations

import http.server
import shutil
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple, cast

import pytest
from stub_proxy import StubProxy

import sastaotp
from sastaotp import Client
from sastaotp.testing import Sandbox

KEY = "stp_canary_network"
BUY: Dict[str, Any] = {"country": "22", "max_price": 100}


@pytest.mark.parametrize(
    ("kind", "scheme"), [("http", "http"), ("socks5", "socks5"), ("socks5", "socks5h")]
)
def test_stated_proxy_is_used(sastaotp_sandbox: Sandbox, kind: str, scheme: str) -> None:
    proxy = StubProxy(kind)
    url = f"{scheme}://me:s3cr%65t@{proxy.address}"
    with sastaotp_sandbox.client(proxy=url) as client:
        number = client.get_number("zz_ok", **BUY)
        assert number.wait_for_code(timeout=60).code
        number.complete()
    assert set(proxy.hosts) == {"127.0.0.1"}
    wrong = url.replace("s3cr%65t", "wr0ng")
    with (
        sastaotp_sandbox.client(proxy=wrong) as client,
        pytest.raises(
            sastaotp.ConnectionFailedError, match="check them in the URL of the proxy"
        ) as caught,
    ):
        client.get_number("zz_ok", **BUY)
    assert caught.value.charge == "not_charged"
    assert "wr0ng" not in f"{caught.value} {caught.value!r} {client!r} {vars(client)}"


async def test_stated_proxy_is_used_with_asyncio(sastaotp_sandbox: Sandbox) -> None:
    proxy = StubProxy("socks5")
    url = f"socks5h://me:s3cret@{proxy.address}"
    async with sastaotp_sandbox.async_client(proxy=url) as client:
        assert (await client.get_balance()).amount > 0
    assert proxy.connections == 1


def test_environment_chooses_the_proxy(
    sastaotp_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = StubProxy("socks5")
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", f"socks5h://me:s3cret@{proxy.address}")
    with (
        Client(KEY, base_url="https://service.test/") as client,
        pytest.raises(sastaotp.ConnectionFailedError, match="cannot reach the host") as caught,
    ):
        client.get_number("tg", **BUY)
    assert caught.value.charge == "not_charged"
    assert set(proxy.hosts) == {"service.test"}
    # The environment is ignored for this machine, and with "direct".
    count = proxy.connections
    with sastaotp_sandbox.client() as client:
        client.get_balance()
    with (
        Client(KEY, base_url="https://service.invalid/", proxy="direct") as client,
        pytest.raises(sastaotp.ConnectionFailedError, match=r"looking up service.invalid"),
    ):
        client.get_balance()
    assert proxy.connections == count
    monkeypatch.setenv("ALL_PROXY", "socks4://127.0.0.1:1080")
    with pytest.raises(sastaotp.ConfigError, match=r'in ALL_PROXY is a SOCKS4.*proxy to "direct"'):
        Client(KEY)
    Client(KEY, proxy="direct").close()


class Balance(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"status":"OK","balance":5}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def secure_service(tmp_path: Path) -> Iterator[Tuple[str, Path]]:
    """The URL of a service on this machine, and the file of its self-signed certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is missing")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-out", str(certificate), "-keyout", str(key)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Balance)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}/", certificate
    server.shutdown()
    server.server_close()


def test_certificates_of_the_service_are_trusted(
    secure_service: Tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    base_url, certificate = secure_service
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    pem = certificate.read_bytes()
    with Client(KEY, base_url=base_url, ca_pem=pem) as client:
        assert client.get_balance().amount == 5
    with (
        Client(KEY, base_url=base_url) as client,
        pytest.raises(sastaotp.TlsError, match="ca_pem, or set roots to both"),
    ):
        client.get_balance()
    with pytest.raises(sastaotp.ConfigError, match="ca_pem is the path of a file"):
        Client(KEY, base_url=base_url, ca_pem=str(certificate))
    with pytest.raises(sastaotp.ConfigError, match=r"ca_pem is a path: .*path\.read_bytes\(\)"):
        Client(KEY, base_url=base_url, ca_pem=cast(Any, certificate))
    with pytest.raises(sastaotp.ConfigError, match="is the path of a file that does not exist"):
        Client(KEY, base_url=base_url, ca_pem="/missing/ca.pem")
    with pytest.raises(sastaotp.ConfigError, match="is DER, not PEM: convert it"):
        Client(KEY, base_url=base_url, ca_pem=ssl.PEM_cert_to_DER_cert(pem.decode()))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for roots in ("system", "both"):
        with Client(KEY, base_url=base_url, roots=roots) as client:
            assert client.get_balance().amount == 5
    with (
        Client(KEY, base_url=base_url) as client,
        pytest.raises(sastaotp.TlsError, match="only then SSL_CERT_FILE and SSL_CERT_DIR count"),
    ):
        client.get_balance()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate) + ".missing")
    with pytest.raises(sastaotp.ConfigError, match=r"SSL_CERT_FILE is .*, which cannot be read"):
        Client(KEY, base_url=base_url, roots="system")
