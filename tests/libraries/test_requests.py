"""requests and httpx, and http.server behind them: pages, uploads, connections that are kept, HTTPS, time-outs."""

from __future__ import annotations

import http.server
import json
import time
import urllib.request
from contextlib import contextmanager

import httpx
import pytest
import requests

BULK = bytes(range(256)) * 800


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/late":
            time.sleep(3)
        if self.path == "/moved":
            return self.answer(302, b"", ("Location", "/bulk"))
        return self.answer(200, BULK if self.path == "/bulk" else json.dumps(self.client_address).encode())

    def do_POST(self):
        self.answer(200, self.rfile.read(int(self.headers["Content-Length"]))[::-1])

    def answer(self, status, body, *headers):
        self.send_response(status)
        for header in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@contextmanager
def pages(scene, context=None):
    with scene.on(scene.server):
        made = http.server.ThreadingHTTPServer(("", 443 if context else 80), Pages)
        if context:
            made.socket = context.wrap_socket(made.socket, server_side=True)
    with made, scene.serving(lambda: made.serve_forever(0.05), made.shutdown):
        yield made


def test_urllib_asks_http_server(scene):
    with pages(scene), scene.on(scene.client):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open("http://server/moved", timeout=60) as page:
            assert page.read() == BULK


def test_requests_keeps_its_connection_and_follows(scene):
    with pages(scene), scene.on(scene.client), requests.Session() as session:
        session.trust_env = False
        first = session.get("http://server/", timeout=60).json()
        assert first[0] == scene.client.ip
        assert session.get("http://server/", timeout=60).json() == first
        page = session.get("http://server/moved", timeout=60)
        assert page.content == BULK
        assert [answer.status_code for answer in page.history] == [302]
        assert session.post("http://server/", data=BULK, timeout=60).content == BULK[::-1]
        with session.get("http://server/bulk", timeout=60, stream=True) as page:
            assert b"".join(page.iter_content(1000)) == BULK


@pytest.mark.filterwarnings("error::urllib3.exceptions.SystemTimeWarning")
def test_requests_by_https(scene, trust, tmp_path):
    trust.authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with pages(scene, trust.server), scene.on(scene.client), requests.Session() as session:
        session.trust_env = False
        with pytest.raises(requests.exceptions.SSLError):
            session.get("https://server/", timeout=60)
        session.verify = str(tmp_path / "ca.pem")
        assert session.get("https://server/bulk", timeout=60).content == BULK
        assert session.post("https://server/", data=BULK, timeout=60).content == BULK[::-1]


def test_requests_says_what_went_wrong(virtual):
    with pages(virtual), virtual.on(virtual.client), requests.Session() as session:
        session.trust_env = False
        before = time.monotonic()
        with pytest.raises(requests.exceptions.ReadTimeout):
            session.get("http://server/late", timeout=2)
        assert 2 <= time.monotonic() - before < 20
        with pytest.raises(requests.exceptions.ConnectionError, match="Connection refused"):
            session.get("http://server:81/", timeout=60)
        with pytest.raises(requests.exceptions.ConnectionError, match="resolve"):
            session.get("http://nobody.invalid/", timeout=60)
        with pytest.raises(requests.exceptions.ConnectTimeout):
            session.get("http://10.0.0.99/", timeout=1)


def test_httpx_over_http_and_https(scene, trust):
    options = {"verify": trust.client, "trust_env": False, "timeout": 60}
    with pages(scene), pages(scene, trust.server), scene.on(scene.client), httpx.Client(**options) as client:
        first = client.get("http://server/").json()
        assert client.get("http://server/").json() == first
        assert client.get("http://server/moved", follow_redirects=True).content == BULK
        assert client.post("https://server/", content=BULK).content == BULK[::-1]
        with client.stream("GET", "https://server/bulk") as page:
            assert b"".join(page.iter_bytes()) == BULK


def test_httpx_times_out_and_is_refused(virtual):
    with pages(virtual), virtual.on(virtual.client), httpx.Client(trust_env=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.get("http://server/late", timeout=2)
        with pytest.raises(httpx.ConnectError, match="refused"):
            client.get("http://server:81/")
        with pytest.raises(httpx.ConnectTimeout):
            client.get("http://10.0.0.99/", timeout=1)
