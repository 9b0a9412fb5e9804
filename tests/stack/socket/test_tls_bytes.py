"""TLS over our sockets: what is carried, what waits for how long, and the ways in which it ends."""

from __future__ import annotations

import errno
import hashlib
import random
import selectors
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

import stack.socket as socket
from components.lan import Lan
from netif import Selector
from netif.runtime import Deadlock
from stack.socket.tls import TlsSocket, wrap
from tests.stack.socket.tls_ends import NAME, Authority, both


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.made()


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan(seed=8) as made:
        yield made


@pytest.fixture
def ends(authority):
    """Wrappers for the two ends: `server(connection)`, `client(connection)`."""

    class Ends:
        @staticmethod
        def server(connection, **options) -> TlsSocket:
            return wrap(authority.server(), connection, server_side=True, **options)

        @staticmethod
        def client(connection, **options) -> TlsSocket:
            return wrap(authority.client(), connection, server_hostname=NAME, **options)

    return Ends


def digest_of(tls, count: int) -> str:
    digest = hashlib.sha256()
    while count:
        data = tls.recv(1 << 16)
        assert data
        digest.update(data)
        count -= len(data)
    return digest.hexdigest()


def exchange(lan, ends, size: int, **faults) -> None:
    """Both send at once, each by a thread that writes beside the one that reads."""
    data = {name: random.Random(name).randbytes(size) for name in ("server", "client")}

    def end(name, wrapped):
        def run(connection):
            with wrapped(connection) as tls:
                writing = lan.hosts[name].spawn(lambda: tls.sendall(data[name]))
                digest = digest_of(tls, size)
                while not writing.done():
                    lan.sleep(0.01)
                writing.result()
                if name == "client":
                    assert tls.unwrap()
                else:
                    assert tls.recv(1) == b""
                    tls.unwrap()
                return digest

        return run

    got = both(lan, end("server", ends.server), end("client", ends.client), **faults)
    assert got == tuple(hashlib.sha256(data[name]).hexdigest() for name in ("client", "server"))


def test_both_ends_send_at_once(lan, ends):
    exchange(lan, ends, 1_000_000, delay="2ms")


@pytest.mark.slow
def test_five_megabytes_both_ways_through_loss(lan, ends):
    exchange(lan, ends, 5_000_000, loss="5%", delay="5ms")


def test_a_record_is_read_piece_by_piece(lan, ends):
    def server(connection):
        with ends.server(connection) as tls:
            tls.sendall(b"0123456789")
            tls.sendall(b"next")
            assert tls.recv(1) == b""

    def client(connection):
        with ends.client(connection) as tls:
            assert tls.pending() == 0
            assert tls.recv(4) == b"0123"
            assert tls.pending() == 6
            buffer = bytearray(b"." * 8)
            assert tls.recv_into(memoryview(buffer)[1:], 3) == 3
            assert buffer == b".456...."
            assert tls.read(0) == b""
            assert tls.recv(100) == b"789"  # no further than the record, as the stdlib
            assert tls.recv(100) == b"next"

    both(lan, server, client)


def test_files_and_lines(lan, ends, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 400)

    def server(connection):
        with ends.server(connection) as tls, tls.makefile("rb") as lines, tls.makefile("wb") as answers:
            tls.close()  # the files hold it
            assert lines.readline() == b"send it\n"
            answers.write(b"here\n")
            answers.flush()
            return lines.read()

    def client(connection):
        with ends.client(connection) as tls:
            tls.write(b"send it\n")
            with tls.makefile("r", encoding="ascii") as lines:
                assert lines.readline() == "here\n"
            with path.open("rb") as file:
                assert tls.sendfile(file, offset=1, count=100_000) == 100_000

    assert both(lan, server, client)[0] == path.read_bytes()[1:100_001]


def test_what_has_no_meaning_on_tls_is_refused(lan, ends):
    def client(connection):
        with ends.client(connection) as tls:
            for call in (
                lambda: tls.recv(1, socket.MSG_PEEK),
                lambda: tls.recv_into(bytearray(1), 1, socket.MSG_PEEK),
                lambda: tls.send(b"x", socket.MSG_OOB),
                lambda: tls.sendall(b"x", socket.MSG_MORE),
                lambda: tls.recvfrom(1),
                lambda: tls.recvfrom_into(bytearray(1)),
                lambda: tls.sendto(b"x", ("10.0.0.1", 1)),
            ):
                with pytest.raises(ValueError, match="not allowed"):
                    call()
            for call in (lambda: tls.sendmsg([b"x"]), lambda: tls.recvmsg(1), tls.dup):
                with pytest.raises(NotImplementedError):
                    call()

    both(lan, lambda connection: ends.server(connection).close(), client)


# the end


def test_unwrap_gives_the_plain_socket_back(lan, ends):  # RFC 8446 6.1, as FTP's CCC needs it
    def server(connection):
        tls = ends.server(connection)
        assert tls.recv(10) == b"secret"
        assert tls.recv(10) == b""  # its close_notify
        plain = tls.unwrap()
        with plain:
            plain.sendall(b"in the clear")
            assert plain.recv(10) == b"thanks"
            assert tls.version() is None
            again = ends.server(plain)
        with again:
            assert again.recv(10) == b"secret 2"

    def client(connection):
        tls = ends.client(connection)
        tls.sendall(b"secret")
        plain = tls.unwrap()
        with plain:
            assert plain.recv(5, socket.MSG_PEEK) == b"in th"
            assert plain.recv(100) == b"in the clear"
            plain.sendall(b"thanks")
            with pytest.raises(ValueError, match="No SSL wrapper"):
                plain.unwrap()
            again = ends.client(plain)
        with again:
            again.sendall(b"secret 2")

    both(lan, server, client)


def test_plain_bytes_right_behind_the_close_notify_stay_in_the_socket(lan, ends):
    def server(connection):
        tls = ends.server(connection)
        assert tls.recv(10) == b""
        plain = tls.unwrap()
        with plain:
            plain.sendall(b"plain")  # before the client has looked

    def client(connection):
        tls = ends.client(connection)
        tls.settimeout(0.0)
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        lan.sleep(1)
        with tls.unwrap() as plain:
            return plain.recv(10)

    assert both(lan, server, client)[1] == b"plain"


@pytest.mark.parametrize("suppress", [True, False])
def test_an_end_without_close_notify(lan, ends, suppress):
    def client(connection):
        with ends.client(connection, suppress_ragged_eofs=suppress) as tls:
            assert tls.recv(10) == b"bye"
            if suppress:
                assert tls.recv(10) == b""
                assert tls.recv_into(bytearray(10)) == 0
            else:
                with pytest.raises(ssl.SSLEOFError):
                    tls.recv(10)

    def server(connection):
        tls = ends.server(connection)
        tls.sendall(b"bye")
        tls.shutdown(socket.SHUT_WR)
        with tls:
            lan.sleep(1)

    both(lan, server, client)


def test_an_end_in_the_middle_of_the_handshake(lan, ends):
    def client(connection):
        with pytest.raises(ssl.SSLEOFError):
            ends.client(connection)
        assert connection.fileno() == -1

    def server(connection):
        connection.recv(5)
        connection.shutdown(socket.SHUT_WR)
        lan.sleep(1)

    both(lan, server, client)


def test_a_reset_is_a_reset(lan, ends):
    def server(connection):
        tls = ends.server(connection)
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        tls.close()

    def client(connection):
        with ends.client(connection) as tls, pytest.raises(ConnectionResetError):
            tls.recv(1)

    both(lan, server, client)


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 ready\r\n"])
def test_a_peer_that_speaks_plain_text(lan, ends, greeting):
    def server(connection):
        connection.recv(5)
        connection.sendall(greeting)
        with suppress(ConnectionResetError):  # its greeting is not read to the end
            while connection.recv(1000):
                pass

    def client(connection):
        with pytest.raises(ssl.SSLError) as caught:
            ends.client(connection)
        return caught.value.reason

    assert both(lan, server, client)[1] == "WRONG_VERSION_NUMBER"


def test_a_client_that_speaks_http_to_a_tls_server(lan, ends):
    def server(connection):
        with pytest.raises(ssl.SSLError) as caught:
            ends.server(connection)
        return caught.value.reason

    assert both(lan, server, lambda connection: connection.sendall(b"GET / HTTP/1.0\r\n\r\n"))[0] == "HTTP_REQUEST"


def test_records_in_the_smallest_pieces(lan, ends):
    """A byte at a time, as a peer may send it."""

    def server(connection):
        with ends.server(connection, do_handshake_on_connect=False) as tls:
            tls.settimeout(0.0)
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    lan.sleep(0.001)
            tls.setblocking(True)
            tls.sendall(tls.recv(10))

    def client(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        tls = context.wrap_bio(incoming, outgoing)

        def step(act, *arguments):
            while True:
                try:
                    return act(*arguments)
                except ssl.SSLWantReadError:
                    drop()
                    incoming.write(connection.recv(1 << 16))

        def drop():
            while byte := outgoing.read(1):
                connection.send(byte)
                lan.sleep(0.0005)

        step(tls.do_handshake)
        tls.write(b"piecemeal")
        drop()
        return step(tls.read, 10)

    assert both(lan, server, client)[1] == b"piecemeal"


# how long


def test_one_deadline_for_a_handshake_however_many_bytes_come(lan, ends):
    def server(connection):
        connection.recv(5)
        connection.sendall(bytes.fromhex("1603031000"))
        for _ in range(4):
            lan.sleep(0.4)
            connection.sendall(b"x")
        lan.sleep(1)

    def client(connection):
        connection.settimeout(2.0)
        started = lan.now()
        with pytest.raises(TimeoutError, match="handshake operation timed out"):
            ends.client(connection)
        return lan.now() - started

    assert both(lan, server, client)[1] == pytest.approx(2.0)


def test_a_read_times_out_in_the_middle_of_a_record_and_goes_on_there(lan, ends):
    def server(connection):
        tls = ends.server(connection)
        tls.recv(1)
        tls.sendall(b"x" * 16000)
        with tls:
            lan.sleep(10)

    def client(connection):
        with ends.client(connection) as tls:
            tls.settimeout(0.5)
            tls.sendall(b"?")
            timeouts, got = [], b""
            while not got:
                try:
                    got = tls.recv(20_000)
                except TimeoutError as error:
                    timeouts.append(str(error))
            return timeouts, got

    timeouts, got = both(lan, server, client, rate="100kbit")[1]
    assert got == b"x" * 16000
    assert set(timeouts) == {"The read operation timed out"}


def test_a_write_that_timed_out_is_repeated_and_nothing_is_sent_twice(lan, ends):
    data = random.Random(3).randbytes(3_000_000)

    def server(connection):
        with ends.server(connection) as tls:
            lan.sleep(3)
            return digest_of(tls, len(data))

    def client(connection):
        with ends.client(connection) as tls:
            tls.settimeout(1.0)
            with pytest.raises(TimeoutError, match="write operation timed out"):
                tls.sendall(data)
            with pytest.raises(ssl.SSLError, match="bad write retry"):
                tls.write(data[:10])
            tls.settimeout(None)
            tls.sendall(data)

    assert both(lan, server, client)[0] == hashlib.sha256(data).hexdigest()


def test_closing_wakes_a_read_in_another_thread(lan, ends):
    def client(connection):
        tls = ends.client(connection)

        def wait():
            with pytest.raises(OSError) as caught:
                tls.recv(1)
            return caught.value.errno

        waiting = lan.hosts["client"].spawn(wait)
        lan.sleep(1)
        tls.close()
        lan.sleep(1)
        assert waiting.done()
        return waiting.result()

    assert both(lan, reading(ends.server), client)[1] == errno.EBADF


def reading(wrapped):
    def run(connection):
        with wrapped(connection) as tls:
            return tls.recv(1)

    return run


def test_a_deadlock_names_the_reader(ends):
    with pytest.raises(Deadlock, match="recv"), Lan(seed=8) as lan:
        both(lan, reading(ends.server), reading(ends.client))


# without waiting


def test_what_comes_while_a_read_is_under_way_is_found(connection, hosts, ends):
    plain_client, plain_server = connection
    count = 300

    def serve():
        with ends.server(plain_server) as tls:
            for _ in range(count):
                tls.sendall(tls.recv(100))

    serving = hosts.run(serve)
    with ends.client(plain_client) as tls:
        tls.setblocking(False)
        for number in range(count):
            message, got, patience = b"%d" % number, None, time.monotonic() + 10
            tls.send(message)
            while got is None and time.monotonic() < patience:
                with suppress(ssl.SSLWantReadError):
                    got = tls.recv(100)
            assert got == message
    serving.result(20)


def test_hands_are_not_shaken_without_waiting_unless_asked(lan, ends):
    def client(connection):
        connection.setblocking(False)
        with pytest.raises(ValueError, match="non-blocking"):
            ends.client(connection)
        assert connection.fileno() == -1

    both(lan, lambda connection: None, client)


def by_selector(wrapped, speak, selector_of=Selector):
    """An end that does each step when the Selector says so."""

    def run(connection):
        connection.setblocking(False)
        with wrapped(connection, do_handshake_on_connect=False) as tls, selector_of() as selector:
            selector.register(tls, selectors.EVENT_READ)

            def call(act, *arguments):
                while True:
                    try:
                        return act(*arguments)
                    except ssl.SSLWantReadError:
                        selector.modify(tls, selectors.EVENT_READ)
                    except ssl.SSLWantWriteError:
                        selector.modify(tls, selectors.EVENT_WRITE)
                    assert selector.select(60)

            call(tls.do_handshake)
            return speak(tls, call)

    return run


def digesting(tls, call):
    digest = hashlib.sha256()
    while block := call(tls.recv, 1 << 16):
        digest.update(block)
    call(tls.unwrap)
    return digest.digest()


def sending(data):
    def speak(tls, call):
        assert call(tls.send, data) == len(data)
        call(tls.unwrap)

    return speak


def test_without_waiting_by_a_selector(lan, ends):
    data = random.Random(5).randbytes(1_000_000)
    server, client = by_selector(ends.server, digesting), by_selector(ends.client, sending(data))
    assert both(lan, server, client, delay="3ms")[0] == hashlib.sha256(data).digest()


def test_without_waiting_by_the_stdlibs_selectors(connection, hosts, ends):
    plain_client, plain_server = connection
    data = random.Random(5).randbytes(1_000_000)
    client = by_selector(ends.client, sending(data), selectors.DefaultSelector)
    server = by_selector(ends.server, digesting, selectors.DefaultSelector)
    serving = hosts.run(lambda: server(plain_server))
    client(plain_client)
    assert serving.result(20) == hashlib.sha256(data).digest()


def test_the_descriptor_goes_with_the_endpoint(connection, ends):
    plain, _ = connection
    number = plain.fileno()
    with ends.client(plain, do_handshake_on_connect=False) as tls:
        assert (tls.fileno(), plain.fileno()) == (number, -1)
        with socket.socket(fileno=tls.detach()) as again:
            assert again.fileno() == number
            assert again.getpeername()
