"""Names where the stdlib takes them: the module's functions, connect, sendto, bind, and the awaiting face."""

from __future__ import annotations

import socket

import pytest

from components.lan import Lan
from netif.errors import InvalidParams
from tests.stack.dns.conftest import Scene
from tests.stack.dns.server import record


def greets(listener):
    """Say hello to whoever comes, until the network ends."""
    while True:
        connection, _peer = listener.accept()
        with connection:
            connection.sendall(b"hello")


@pytest.fixture
def named(scene):
    """A scene whose server is also `www.test`, and greets on port 80."""
    server = scene.server()
    address = server.host.ip
    server.records += [
        record("www.test", "A", address),
        record("two.test", "A", "10.0.0.200"),
        record("two.test", "A", address),
        record("alias.test", "CNAME", "www.test"),
        record(f"{'.'.join(reversed(address.split('.')))}.in-addr.arpa", "PTR", "www.test"),
    ]

    def serve():
        with server.host.create_server(("", 80)) as listener:
            greets(listener)

    server.host.spawn(serve)
    scene.lan.run_for(0)
    return scene


def fetch(connection):
    with connection:
        return connection.recv(100)


def test_connect_to_a_name(named):
    def connect():
        with named.client.socket() as s:
            s.connect(("www.test", 80))
            return s.recv(100)

    assert named.run(connect) == b"hello"


def test_create_connection_to_a_name(named):
    assert named.run(lambda: fetch(named.client.create_connection(("alias.test", 80)))) == b"hello"


def test_create_connection_tries_one_address_after_the_other(named):
    assert named.run(lambda: fetch(named.client.create_connection(("two.test", 80)))) == b"hello"


@pytest.mark.parametrize("all_errors", [False, True])
def test_create_connection_tells_why_none_of_them_would_have_it(named, all_errors):
    wanted = ExceptionGroup if all_errors else OSError

    def connect():
        with pytest.raises(wanted) as caught:
            named.client.create_connection(("two.test", 81), all_errors=all_errors)
        return caught.value

    error = named.run(connect)
    if all_errors:
        assert len(error.exceptions) == 2
    else:
        assert isinstance(error, ConnectionRefusedError)


def test_a_socket_that_may_not_wait_waits_for_the_name_all_the_same(named):  # as the stdlib's
    def connect():
        with named.client.socket() as s:
            s.setblocking(False)
            with pytest.raises(BlockingIOError):
                s.connect(("www.test", 80))

    named.run(connect)


def test_connect_ex_lets_gaierror_through(named):  # as the stdlib's
    def connect():
        with named.client.socket() as s, pytest.raises(socket.gaierror) as caught:
            s.connect_ex(("nobody.test", 80))
        return caught.value.errno

    assert named.run(connect) == socket.EAI_NONAME


def test_send_a_datagram_to_a_name(named):
    server = named.servers[0].host

    def listen():
        with server.socket(type=socket.SOCK_DGRAM) as udp:
            udp.bind(("", 7000))
            return udp.recvfrom(100)

    def send():
        with named.client.socket(type=socket.SOCK_DGRAM) as udp:
            assert udp.sendto(b"one", ("www.test", 7000)) == 3

    heard = server.spawn(listen)
    named.run(send)
    named.lan.run_until(heard.done)
    assert heard.result()[0] == b"one"


def test_connect_a_datagram_socket_to_a_name(named):
    def connect():
        with named.client.socket(type=socket.SOCK_DGRAM) as udp:
            udp.connect(("www.test", 7000))
            return udp.getpeername()

    assert named.run(connect) == (named.servers[0].host.ip, 7000)


def test_bind_to_our_own_name(named):
    def bind():
        with named.client.socket() as s:
            s.bind(("www.test", 0))
        return

    with pytest.raises(OSError, match="Cannot assign") as caught:
        named.run(bind)
    assert caught.value.errno == 99


def test_the_stdlibs_functions(named):
    stack, ip = named.client.stack, named.servers[0].host.ip
    assert named.run(lambda: stack.gethostbyname("www.test")) == ip
    assert named.run(lambda: stack.gethostbyname_ex("alias.test")) == ("www.test", ["alias.test"], [ip])
    stack.hosts = {}
    assert named.run(lambda: stack.gethostbyaddr(ip)) == ("www.test", [], [ip])
    assert named.run(lambda: stack.gethostbyaddr("alias.test")) == ("www.test", [], [ip])
    assert named.run(lambda: stack.getnameinfo((ip, 80))) == ("www.test", "http")
    assert named.run(lambda: stack.getfqdn(ip)) == "www.test"
    assert named.run(lambda: stack.getfqdn("nobody.test")) == "nobody.test"
    assert named.run(lambda: stack.getfqdn()) == "client"


def test_names_of_an_address_that_has_none(named):
    stack = named.client.stack
    assert named.run(lambda: stack.getnameinfo(("192.0.2.77", 7))) == ("192.0.2.77", "echo")
    with pytest.raises(socket.gaierror):
        named.run(lambda: stack.getnameinfo(("192.0.2.77", 7), socket.NI_NAMEREQD))
    with pytest.raises(socket.herror):
        named.run(lambda: stack.gethostbyaddr("192.0.2.77"))


@pytest.fixture
def ours():
    """Our module; the default stack that it makes goes with the test."""
    import stack.socket
    from netif import netif_deinit

    yield stack.socket
    netif_deinit()


def test_the_modules_functions_are_those_of_the_default_stack(ours):
    assert ours.gethostbyname("127.0.0.1") == "127.0.0.1"
    assert ours.gethostbyname(b"127.0.0.1") == "127.0.0.1"
    with pytest.raises(TypeError, match="a host must be str, bytes or bytearray, not int"):
        ours.gethostbyname(7)
    assert ours.gethostbyname_ex("localhost") == ("localhost", [], ["127.0.0.1"])
    assert ours.gethostbyaddr("127.0.0.1") == ("localhost", [], ["127.0.0.1"])
    assert ours.getnameinfo(("127.0.0.1", 80), 0) == ("localhost", "http")
    with pytest.raises(socket.gaierror, match="no name server") as caught:
        ours.getaddrinfo("www.example.com", 80)
    assert caught.value.errno == socket.EAI_NONAME


LIKE_THE_STDLIB = [
    ("", 80),
    (None, None),
    ("127.1", 80),
    ("127.0.0.1", None),
    ("127.0.0.1", "http"),
    ("127.0.0.1", "80"),
    ("127.0.0.1", -1),
    ("127.0.0.1", "nosuch"),
    ("127.0.0.1", 80, 99),
    ("127.0.0.1", 80, 2, 99),
    ("127.0.0.1", 80, 2, 0, 6),
    ("127.0.0.1", 80, 2, 0, 99),
    ("127.0.0.1", None, 2, 0, 99),
    ("127.0.0.1", 80, 2, socket.SOCK_RAW),
    ("127.0.0.1", None, 2, socket.SOCK_RAW),
    ("127.0.0.1", 80, 2, socket.SOCK_STREAM, socket.IPPROTO_UDP),
    ("127.0.0.1", "http", 2, socket.SOCK_STREAM, 0, socket.AI_NUMERICSERV),
    ("127.0.0.1", 80, 2, socket.SOCK_STREAM, 0, socket.AI_CANONNAME),
    ("localhost", 80, 2, 0, 0, socket.AI_NUMERICHOST),
    ("::1", 80, 2),
    (None, 80, 2),
    (None, 80, 2, 0, 0, socket.AI_PASSIVE),
    (b"127.0.0.1", b"80", 2),
]


@pytest.mark.parametrize("arguments", LIKE_THE_STDLIB, ids=map(repr, LIKE_THE_STDLIB))
def test_getaddrinfo_answers_and_refuses_as_the_stdlib(lan, arguments):
    def outcome(ask):
        try:
            return ask(*arguments)
        except OSError as error:
            return type(error), error.errno

    host = lan.host("any")
    assert outcome(host.stack.getaddrinfo) == outcome(socket.getaddrinfo)


def test_the_awaiting_face():
    import asyncio

    async def main():
        async with Lan(clock="asyncio") as lan:
            scene = Scene(lan, lan.host("client"))
            server = lan.host("ns")
            client, ip = scene.client, server.ip
            client.stack.dns = (bytes(map(int, ip.split("."))),)
            heard = []

            async def serve():
                from netif.wire import dns

                udp = server.aio.socket(socket.SOCK_DGRAM)
                udp.bind(("", 53))
                while True:
                    data, source = await udp.recvfrom(2000)
                    message = dns.parse(data)
                    heard.append(message)
                    if message.questions[0].name == dns.parse_name("silent.test"):
                        continue
                    answers = (record("www.test", "A", ip),)
                    said = {"flags": dns.QR | dns.RA, "questions": message.questions, "answers": answers}
                    await udp.sendto(dns.emit(dns.Message(ident=message.ident, **said)), source)

            async def greet():
                async with server.aio.listen(("", 80)) as listener:
                    connection, _ = await listener.accept()
                    async with connection:
                        await connection.sendall(b"hello")

            serving, greeting = asyncio.create_task(serve()), asyncio.create_task(greet())
            await asyncio.sleep(0)
            async with client.aio.connect(("www.test", 80)) as s:
                assert await s.recv(100) == b"hello"
            assert await client.aio.gethostbyname("www.test") == ip
            assert (await client.aio.getaddrinfo("www.test", "http", type=socket.SOCK_STREAM))[0][4] == (ip, 80)
            assert len(heard) == 1
            udp = client.aio.socket(socket.SOCK_DGRAM)
            assert await udp.sendto(b"x", ("www.test", 9)) == 1
            udp.close()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.aio.gethostbyname("silent.test")
            assert not client.stack.resolver.queries
            with pytest.raises(RuntimeError):
                client.stack.gethostbyname("other.test")
            assert client.stack.gethostbyname("10.0.0.1") == "10.0.0.1"
            serving.cancel()
            await asyncio.gather(serving, greeting, return_exceptions=True)

    asyncio.run(main())


def test_where_names_come_from_may_be_said_in_text():
    with Lan(seed=1) as lan:
        stack = lan.host("a").stack
        lan.host("b")
        assert stack.gethostbyname("b") == "10.0.0.2", "the Lan's table grows"
        stack.hosts = {"printer": "10.0.0.9"}
        stack.dns = ["10.0.0.1", b"\x0a\0\0\2"]
        stack.search = ["one.test"]
        assert stack.gethostbyname("printer") == "10.0.0.9"
        assert (stack.dns, stack.search) == ((b"\x0a\0\0\1", b"\x0a\0\0\2"), ("one.test",))


@pytest.mark.parametrize(
    ("source", "value", "told"),
    [
        ("dns", "10.0.0.1", "dns: '10.0.0.1' is no list; write ['10.0.0.1']"),
        ("dns", ["router"], "dns: 'router' is not an IPv4 address"),
        ("search", "one.test", "search: 'one.test' is no list; write ['one.test']"),
        ("hosts", {"printer": "there"}, "hosts: 'there' is not an IPv4 address"),
        ("hosts", "/etc/hosts", "hosts: '/etc/hosts' is no table"),
    ],
)
def test_where_they_cannot_come_from_is_told(source, value, told):
    with Lan(seed=1) as lan:
        stack = lan.host("a").stack
        before = getattr(stack, source)
        with pytest.raises(InvalidParams) as caught:
            setattr(stack, source, value)
        assert str(caught.value).startswith(told)
        assert getattr(stack, source) == before
