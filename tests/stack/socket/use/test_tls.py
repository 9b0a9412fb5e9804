"""HTTPS between programs as they are: `SSLContext.wrap_socket` given a host's socket, or the kernel's."""

import http.client
import http.server
import socket
import ssl
import threading
import urllib.error
import urllib.request
from functools import partial

import pytest

import netif
from netif import Lan

PATIENCE = 20


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"{self.path} by {self.connection.version()}".encode() + b"." * 200_000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))[::-1]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        pass


def make_server(context: ssl.SSLContext, address=("", 443), kind=http.server.HTTPServer):
    """As the stdlib's documents show it."""
    server = kind(address, Pages)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


def serve(context: ssl.SSLContext, connections: int) -> None:
    with make_server(context) as server:
        for _ in range(connections):
            try:
                request, address = server.get_request()
            except ssl.SSLError:
                continue
            server.process_request(request, address)


def open_page(context: ssl.SSLContext, url: str) -> bytes:
    quiet = urllib.request.ProxyHandler({})
    with urllib.request.build_opener(quiet, urllib.request.HTTPSHandler(context=context)).open(url, timeout=60) as page:
        return page.read()


def test_urllib_fetches_by_https_from_http_server_on_another_host(scene, authority):
    page = scene.run(
        partial(open_page, authority.client, "https://server/page"), partial(serve, authority.server, connections=1)
    )
    assert page.rstrip(b".") == b"/page by TLSv1.3"
    assert len(page) > 200_000


def test_a_connection_of_http_client_is_kept_by_tls(scene, authority):
    def converse():
        connection = http.client.HTTPSConnection("server", context=authority.client, timeout=60)
        got = []
        for body in (b"abc", b"\0" * 300_000 + b"1"):
            connection.request("POST", "/", body)
            got.append(connection.getresponse().read())
        assert isinstance(connection.sock, socket.socket)
        assert isinstance(connection.sock, ssl.SSLSocket)
        connection.close()
        return got

    got = scene.run(converse, partial(serve, authority.server, connections=1))
    assert got == [b"cba", b"1" + b"\0" * 300_000]


def test_a_certificate_for_another_name_is_refused(scene, authority):
    def fetch():
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            open_page(authority.client, f"https://{scene.server.ip}/")

    scene.run(fetch, partial(serve, authority.server, connections=1))


def test_https_gets_through_loss(authority):
    with Lan(seed=1) as lan:
        server, client = lan.host("server", loss="10%"), lan.host("client", loss="10%", delay="10ms")
        server.spawn(partial(netif.use(server)(serve), authority.server, 1))
        page = client.spawn(partial(netif.use(client)(open_page), authority.client, "https://server/"))
        lan.run_until(page.done)
        assert page.result().startswith(b"/ by TLS")


def test_one_context_wraps_a_hosts_sockets_and_the_kernels_at_once(authority):
    """In threads, on a real clock: an HTTPS server on a host and one on the kernel, and clients of both."""
    kernels = make_server(authority.server, ("127.0.0.1", 0), http.server.ThreadingHTTPServer)
    with Lan(seed=7, clock="real") as lan, kernels:
        with netif.use(lan.host("server")):
            ours = make_server(authority.server, kind=http.server.ThreadingHTTPServer)
            threads = [threading.Thread(target=each.serve_forever, args=[0.05]) for each in (ours, kernels)]
            for thread in threads:
                thread.start()
        with netif.use(lan.host("client")), ours:
            assert open_page(authority.client, "https://server/ours").startswith(b"/ours by TLS")
            with netif.use(None):
                plain = socket.create_connection(kernels.server_address, PATIENCE)
                with authority.client.wrap_socket(plain, server_hostname="server") as secure:
                    assert type(secure) is ssl.SSLSocket
                    secure.sendall(b"GET /theirs HTTP/1.0\r\n\r\n")
                    assert secure.recv(100).startswith(b"HTTP/1.1 200")
            for each in (ours, kernels):
                each.shutdown()
        for thread in threads:
            thread.join(PATIENCE)
