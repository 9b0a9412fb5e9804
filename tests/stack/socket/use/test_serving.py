"""Servers that serve for ever, with threads and selectors of their own, on a real clock."""

import http.client
import http.server
import select
import selectors
import socket
import socketserver
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

import netif
from netif import Lan

PATIENCE = 20


@pytest.fixture
def lan():
    with Lan(seed=7, clock="real") as made:
        made.host("server")
        made.host("client")
        yield made


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{socket.gethostname()} {threading.current_thread().name}".encode()  # a thread of its own asks
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        pass


@contextmanager
def serving(server):
    """In a thread that was started in the server's scope."""
    with server:
        thread = threading.Thread(target=partial(server.serve_forever, 0.05))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join(PATIENCE)


def test_a_threading_server_and_many_clients_in_one_process(lan):
    def fetch(_):
        connection = http.client.HTTPConnection("server", 8000, timeout=PATIENCE)
        connection.request("GET", "/")
        said = connection.getresponse().read()
        connection.close()
        return said

    with netif.use(lan.hosts["server"]):
        server = http.server.ThreadingHTTPServer(("", 8000), Page)
        with serving(server), netif.use(lan.hosts["client"]), ThreadPoolExecutor(4) as pool:
            said = list(pool.map(fetch, range(8)))
    assert {each.split()[0] for each in said} == {b"server"}
    assert len({each.split(b" ", 1)[1] for each in said}) == 8  # threads


def test_a_spawned_server_ends_with_its_lan(lan):
    """It hears of a closed host, and asks for the next connection: with that its thread unwinds."""
    server, client = lan.hosts["server"], lan.hosts["client"]
    threads = []

    @netif.use(server)
    def serve():
        threads.append(threading.current_thread())
        with http.server.HTTPServer(("", 8000), Page) as pages:
            pages.serve_forever(0.05)

    server.spawn(serve)
    asked = client.spawn(lambda: client.create_connection(("server", 8000)).close())
    lan.run_until(asked.done)
    lan.close()
    threads[0].join(PATIENCE)
    assert not threads[0].is_alive()


def test_a_server_on_the_kernel_beside_one_on_a_host(lan):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    kernels = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    with serving(kernels), netif.use(lan.hosts["server"]):
        server = http.server.ThreadingHTTPServer(("", 80), Page)
        with serving(server):
            with netif.use(lan.hosts["client"]):
                ours = opener.open("http://server/", timeout=PATIENCE).read()
            with netif.use(None):
                theirs = opener.open(f"http://127.0.0.1:{kernels.server_port}/", timeout=PATIENCE).read()
    assert ours.startswith(b"server ")
    assert theirs.startswith(socket.gethostname().encode())


def test_socketserver_serves_streams_and_datagrams(lan):
    class Stream(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.readline().upper())

    class Datagram(socketserver.DatagramRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.read().upper())

    with netif.use(lan.hosts["server"]):
        streams = socketserver.ThreadingTCPServer(("", 7), Stream)
        datagrams = socketserver.ThreadingUDPServer(("", 7), Datagram)
        with serving(streams), serving(datagrams), netif.use(lan.hosts["client"]):
            with socket.create_connection(("server", 7), PATIENCE) as asking:
                asking.sendall(b"stream\n")
                assert asking.makefile("rb").read() == b"STREAM\n"
            with socket.socket(type=socket.SOCK_DGRAM) as asking:
                asking.settimeout(PATIENCE)
                asking.sendto(b"datagram", ("server", 7))
                assert asking.recvfrom(100) == (b"DATAGRAM", (lan.hosts["server"].ip, 7))


def test_one_selector_waits_for_sockets_of_two_hosts_and_of_the_kernel(lan):
    with netif.use(lan.hosts["server"]):
        server = socket.create_server(("", 9))
    with netif.use(lan.hosts["client"]):
        client = socket.create_connection(("server", 9), PATIENCE)
    near, far = socket.socketpair()
    with server, client, near, far, selectors.DefaultSelector() as selector:
        accepted, _ = server.accept()
        with accepted:
            for each in (client, near):
                selector.register(each, selectors.EVENT_READ)
            assert selector.select(0) == []
            accepted.sendall(b"x")
            assert [key.fileobj for key, _ in selector.select(PATIENCE)] == [client]
            assert client.recv(1) == b"x"
            far.sendall(b"y")
            assert select.select([client, near], [], [], PATIENCE)[0] == [near]
