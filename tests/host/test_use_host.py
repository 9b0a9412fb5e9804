"""`elsewhere="kernel"`: what a host cannot reach is reached by the kernel, from a namespace."""

import asyncio
import errno
import socket
import ssl
import threading
import urllib.request
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import trustme
import uvloop

import netif
from netif import Stack
from tests.host.namespaces import Namespace, namespace

pytestmark = pytest.mark.host
KERNELS = socket.socket
THERE = "192.0.2.1"


@pytest.fixture
def ns():
    """A namespace whose kernel is 192.0.2.1, on its loopback."""
    with namespace() as made:
        made.ip("address", "add", f"{THERE}/32", "dev", "lo")
        yield made


@pytest.fixture
def host():
    with Stack("host") as made:
        yield made


@pytest.fixture
def listener(ns: Namespace):
    with ns.call(lambda: socket.create_server((THERE, 0))) as made:
        made.settimeout(20)
        yield made


def test_a_stream_turns_into_the_kernels_with_what_it_was_told(ns, host, listener):
    @netif.use(host, elsewhere="kernel")
    def talk():
        with socket.socket() as asking:
            assert not isinstance(asking, KERNELS)
            asking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asking.settimeout(20)
            asking.connect(listener.getsockname())
            assert isinstance(asking, socket.socket)
            assert asking.getpeername() == listener.getsockname()
            assert asking.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert asking.gettimeout() == asking.timeout == 20
            with listener.accept()[0] as accepted, asking.makefile("rb") as file:
                asking.sendall(b"hello")
                assert accepted.recv(10) == b"hello"
                accepted.sendall(b"line\n")
                assert file.readline() == b"line\n"
        assert asking.fileno() == -1

    ns.call(talk)


def test_a_subclass_turns_too_and_keeps_its_methods(ns, host, listener):
    @netif.use(host, elsewhere="kernel")
    def talk():
        class Shouting(socket.socket):
            def recv(self, count):
                return super().recv(count).upper()

        with Shouting() as asking:
            asking.connect(listener.getsockname())
            assert isinstance(asking, Shouting)
            with listener.accept()[0] as accepted:
                accepted.sendall(b"hello")
                assert asking.recv(10) == b"HELLO"

    ns.call(talk)


def test_datagrams_pass_and_an_attempt_that_does_not_wait(ns, host, listener):
    @netif.use(host, elsewhere="kernel")
    def talk():
        with netif.use(None), socket.socket(type=socket.SOCK_DGRAM) as far:
            far.bind((THERE, 0))
            with netif.use(host, elsewhere="kernel"), socket.socket(type=socket.SOCK_DGRAM) as asking:
                assert asking.sendto(b"hello", far.getsockname()) == 5
                assert far.recv(10) == b"hello"
            with netif.use(host, elsewhere="kernel"), socket.socket(type=socket.SOCK_DGRAM) as asking:
                assert asking.sendmsg([b"he", b"llo"], [], 0, far.getsockname()) == 5
                assert far.recv(10) == b"hello"
        with socket.socket() as asking:
            asking.setblocking(False)
            assert asking.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS)
            listener.accept()[0].close()

    ns.call(talk)


def test_what_is_near_stays_the_hosts_and_what_is_bound_too(ns, host, listener):
    @netif.use(host, elsewhere="kernel")
    def talk():
        with socket.create_server(("127.0.0.1", 0)) as near, socket.create_connection(near.getsockname()) as asking:
            assert asking.getpeername() == near.getsockname()
            near.accept()[0].close()
        with socket.socket() as asking:
            asking.bind(("127.0.0.1", 0))
            with pytest.raises(OSError):
                asking.connect(listener.getsockname())

    ns.call(talk)


def test_unless_it_was_said_nothing_passes(ns, host, listener):
    @netif.use(host)
    def talk():
        with pytest.raises(OSError) as failure:
            socket.create_connection(listener.getsockname())
        assert failure.value.errno == errno.ENETUNREACH
        with pytest.raises(socket.gaierror):
            socket.getaddrinfo("ip6-localhost.invalid", 80)

    ns.call(talk)


def test_urllib_fetches_from_the_kernel_with_tls_and_without(ns, host):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"the kernel's")

        def log_message(self, *arguments):
            pass

    @netif.use(host, elsewhere="kernel")
    def fetch(url: str, context: ssl.SSLContext) -> bytes:
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        with urllib.request.build_opener(*handlers).open(url, timeout=20) as answer:
            return answer.read()

    issuer = trustme.CA()
    contexts = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    issuer.issue_cert(THERE).configure_cert(contexts[0])
    issuer.configure_trust(contexts[1])
    for scheme in ("http", "https"):
        with ns.call(lambda: HTTPServer((THERE, 0), Page)) as server:
            if scheme == "https":
                server.socket = contexts[0].wrap_socket(server.socket, server_side=True)
            url = f"{scheme}://{THERE}:{server.server_port}/"
            serving = threading.Thread(target=server.handle_request)
            serving.start()
            assert ns.call(partial(fetch, url, contexts[1])) == b"the kernel's"
            serving.join()


@pytest.mark.parametrize("factory", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_asyncios_connections_pass_and_the_near_ones_do_not(ns, host, listener, factory):
    async def answer(reader, writer):
        writer.write(socket.gethostname().encode())
        writer.close()
        await writer.wait_closed()

    async def ask(where):
        reader, writer = await asyncio.open_connection(*where)
        said = await reader.read()
        writer.close()
        return said

    async def main():
        near = await asyncio.start_server(answer, "127.0.0.1", 0)
        accepting = asyncio.to_thread(listener.accept)
        far, (accepted, _), said = await asyncio.gather(
            asyncio.open_connection(*listener.getsockname()), accepting, ask(near.sockets[0].getsockname())
        )
        assert said == b"host"
        reader, writer = far
        with accepted:
            accepted.sendall(b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.close()
            await writer.wait_closed()
        loop = asyncio.get_running_loop()
        with socket.socket() as asking:
            asking.setblocking(False)
            await loop.sock_connect(asking, listener.getsockname())
            listener.accept()[0].close()
            assert await loop.sock_recv(asking, 10) == b""
        near.close()
        await near.wait_closed()

    @netif.use(host, elsewhere="kernel")
    def run():
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())

    ns.call(run)
