"""Misuse of TLS, on the kernel's sockets under `ssl` and on ours: the same exception, with the same number."""

from __future__ import annotations

import contextlib
import socket as kernel
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from netif.runtime import ThreadedRuntime
from stack.socket.tls import wrap
from stack.stack import Stack
from tests.stack.socket.tls_ends import NAME, Authority

PATIENCE = 20.0  # seconds; for what takes milliseconds unless it is broken


class World(NamedTuple):
    """Where sockets come from, and how they are wrapped."""

    sockets: Any
    wrap: Callable[..., Any]
    authority: Authority


@pytest.fixture(scope="module")
def worlds() -> Iterator[tuple[World, World]]:
    authority = Authority.made()
    runtime = ThreadedRuntime(strict=True)
    with Stack(runtime=runtime) as host:
        theirs = World(kernel, lambda context, sock, **options: context.wrap_socket(sock, **options), authority)
        yield theirs, World(host, wrap, authority)
    runtime.check()
    runtime.close()


class Ends:
    """A connected pair: `raw` and `peer` are plain, `tls` shakes hands on `raw` with a thread at the other end."""

    def __init__(self, world: World, closing: contextlib.ExitStack) -> None:
        self.world, self.closing = world, closing
        self.context = world.authority.client()
        self.server_context = world.authority.server()
        with world.sockets.create_server(("127.0.0.1", 0)) as listener:
            self.raw = closing.enter_context(world.sockets.create_connection(listener.getsockname(), PATIENCE))
            self.peer, _ = listener.accept()
        closing.callback(lambda: self.peer.close())
        self.peer.settimeout(PATIENCE)

    def fresh(self) -> Any:
        return self.closing.enter_context(self.world.sockets.socket())

    def wrap(self, sock: Any, context: Any = None, **options: Any) -> Any:
        if not options.get("server_side"):
            options.setdefault("server_hostname", NAME)
        made = self.world.wrap(context or self.context, sock, **options)
        return self.closing.enter_context(made)

    def tls(self, **options: Any) -> Any:
        def serve() -> None:
            self.peer = self.world.wrap(self.server_context, self.peer, server_side=True)

        serving = threading.Thread(target=serve)
        serving.start()
        made = self.wrap(self.raw, **options)
        if not options.get("do_handshake_on_connect", True):
            made.do_handshake()
        serving.join(PATIENCE)
        return made

    def unwrap_both(self, tls: Any) -> Any:
        answering = threading.Thread(target=self.peer.unwrap)
        answering.start()
        plain = tls.unwrap()
        answering.join(PATIENCE)
        return plain


def unasked(ends: Ends, **options: Any) -> Any:
    return ends.wrap(ends.raw, do_handshake_on_connect=False, **options)


def each(*calls: Callable[[Any], object]) -> Callable[[Any], object]:
    def act(ends: Any) -> object:
        return [attempt(call, ends) for call in calls]

    return act


def attempt(act: Callable[[Any], object], what: Any) -> object:
    try:
        answer = act(what)
        return answer if isinstance(answer, (int, bytes, str, tuple, list, type(None))) else type(answer).__mro__[-1]
    except Exception as error:
        return type(error), getattr(error, "errno", None), getattr(error, "reason", None)


MISUSES: dict[str, Callable[[Ends], object]] = {
    "wrap a datagram socket": lambda e: e.wrap(e.closing.enter_context(e.world.sockets.socket(type=kernel.SOCK_DGRAM))),
    "a name for a server": lambda e: e.wrap(e.raw, e.server_context, server_side=True, server_hostname=NAME),
    "a session for a server": lambda e: e.wrap(e.raw, e.server_context, server_side=True, session=e.tls().session),
    "no name to check": lambda e: e.wrap(e.raw, server_hostname=None),
    "an empty name": lambda e: e.wrap(e.raw, server_hostname=""),
    "a name with a dot first": lambda e: e.wrap(e.raw, server_hostname=".example.org"),
    "what a name with a dot first leaves": lambda e: (
        attempt(lambda r: e.wrap(r, server_hostname=".example.org"), e.raw), e.raw.fileno())[1],
    "a name with a zero": lambda e: e.wrap(e.raw, server_hostname="exa\0mple.org"),
    "a server's context for a client": lambda e: e.wrap(e.raw, e.server_context, do_handshake_on_connect=False),
    "a client's context for a server": lambda e: e.wrap(e.raw, server_side=True, do_handshake_on_connect=False),
    "non-blocking, with a handshake": lambda e: (e.raw.setblocking(False), e.wrap(e.raw)),
    "wrap what is closed": lambda e: (e.raw.close(), e.wrap(e.raw)),
    "wrap twice": lambda e: (unasked(e), e.wrap(e.raw)),
    "the plain one after wrapping": lambda e: (unasked(e), e.raw.recv(1)),
    "its descriptor after wrapping": lambda e: (unasked(e), e.raw.fileno())[1],
    "handshake before connect": lambda e: e.wrap(e.fresh()).do_handshake(),
    "read before connect": lambda e: e.wrap(e.fresh()).read(1),
    "write before connect": lambda e: e.wrap(e.fresh()).write(b"x"),
    "recv before connect": lambda e: e.wrap(e.fresh()).recv(1),
    "send before connect": lambda e: e.wrap(e.fresh()).send(b"x"),
    "unwrap before connect": lambda e: e.wrap(e.fresh()).unwrap(),
    "read nothing": lambda e: each(
        lambda s: s.recv(0), lambda s: s.read(0), lambda s: s.recv_into(bytearray()), lambda s: s.recv(0),
    )(e.tls()),
    "its facts before connect": lambda e: each(
        lambda s: s.version(), lambda s: s.cipher(), lambda s: s.session, lambda s: s.session_reused,
        lambda s: s.pending(), lambda s: s.selected_alpn_protocol(), lambda s: s.compression(),
        lambda s: s.shared_ciphers(), lambda s: s.getpeercert(), lambda s: s.get_channel_binding(),
        lambda s: s.get_channel_binding("nonsense"), lambda s: s.verify_client_post_handshake(),
        lambda s: s.server_side, lambda s: s.server_hostname,
    )(e.wrap(e.fresh())),
    "its facts before the handshake": lambda e: each(
        lambda s: s.version(), lambda s: s.cipher(), lambda s: s.session, lambda s: s.session_reused,
        lambda s: s.pending(), lambda s: s.selected_alpn_protocol(), lambda s: s.getpeercert(),
        lambda s: s.get_channel_binding(), lambda s: s.verify_client_post_handshake(),
    )(unasked(e)),
    "connect twice": lambda e: e.tls().connect(("127.0.0.1", 1)),
    "connect as a server": lambda e: e.wrap(e.fresh(), e.server_context, server_side=True).connect(("127.0.0.1", 1)),
    "connect to nobody, twice": lambda e: each(
        lambda s: s.connect(("127.0.0.1", 1)), lambda s: s.connect(("127.0.0.1", 1)),
        lambda s: s.connect_ex(("127.0.0.1", 1)), lambda s: s.connect(("127.0.0.1", 1)),
    )(e.wrap(e.fresh())),
    "accept without listen": lambda e: e.wrap(e.fresh(), e.server_context, server_side=True).accept(),
    "flags": lambda e: each(
        lambda s: s.recv(1, kernel.MSG_PEEK), lambda s: s.recv_into(bytearray(1), 1, kernel.MSG_PEEK),
        lambda s: s.send(b"x", kernel.MSG_OOB), lambda s: s.sendall(b"x", kernel.MSG_OOB),
    )(e.tls()),
    "calls for datagrams": lambda e: each(
        lambda s: s.recvfrom(1), lambda s: s.recvfrom_into(bytearray(1)), lambda s: s.sendto(b"x", ("127.0.0.1", 1)),
        lambda s: s.sendmsg([b"x"]), lambda s: s.recvmsg(1), lambda s: s.recvmsg_into([bytearray(1)]),
        lambda s: s.dup(),
    )(e.tls()),
    "sizes and buffers": lambda e: each(
        lambda s: s.recv(0), lambda s: s.recv(-1), lambda s: s.read(-1), lambda s: s.read(0), lambda s: s.send(b""),
        lambda s: s.sendall(b""), lambda s: s.write(b""), lambda s: s.recv_into(bytearray(0), 0),
        lambda s: s.read(0, bytearray(0)), lambda s: s.send("text"), lambda s: s.sendall("text"), lambda s: s.write(3),
        lambda s: s.recv_into(b"constant"), lambda s: s.read(None), lambda s: s.send(memoryview(b"abcd")[::2]),
        lambda s: s.sendall(memoryview(b"abcd")[::2]),
    )(e.tls()),
    "would block": lambda e: each(
        lambda s: s.setblocking(False), lambda s: s.recv(1), lambda s: s.read(1), lambda s: s.recv_into(bytearray(1)),
        lambda s: s.unwrap(), lambda s: s.pending(),
    )(e.tls()),
    "time-outs": lambda e: each(
        lambda s: s.settimeout(0.01), lambda s: s.recv(1), lambda s: s.recv_into(bytearray(1)),
        lambda s: s.gettimeout(),
    )(e.tls()),
    "a handshake that would block": lambda e: each(
        lambda s: s.setblocking(False), lambda s: s.do_handshake(), lambda s: s.read(1), lambda s: s.write(b"x"),
    )(unasked(e)),
    "a handshake that times out": lambda e: each(
        lambda s: s.settimeout(0.01), lambda s: s.do_handshake(), lambda s: s.read(1), lambda s: s.write(b"x"),
    )(unasked(e)),
    "after close": lambda e: each(
        lambda s: s.close(), lambda s: s.recv(1), lambda s: s.read(1), lambda s: s.send(b"x"), lambda s: s.write(b"x"),
        lambda s: s.sendall(b"x"), lambda s: s.pending(), lambda s: s.version(), lambda s: s.unwrap(),
        lambda s: s.getpeercert(), lambda s: s.cipher(), lambda s: s.do_handshake(), lambda s: s.fileno(),
        lambda s: s.close(), lambda s: s.shutdown(kernel.SHUT_WR), lambda s: s.session,
    )(e.tls()),
    "after shutdown": lambda e: each(
        lambda s: s.shutdown(kernel.SHUT_WR), lambda s: s.read(1), lambda s: s.write(b"x"), lambda s: s.send(b"x"),
        lambda s: s.version(), lambda s: s.unwrap(), lambda s: s.pending(),
    )(e.tls()),
    "after the peer's close": lambda e: each(
        lambda s: e.peer.close(), lambda s: s.recv(1), lambda s: s.recv(1), lambda s: s.recv_into(bytearray(1)),
        lambda s: s.unwrap(),
    )(e.tls()),
    "after the peer's close, told": lambda e: each(
        lambda s: e.peer.close(), lambda s: s.recv(1), lambda s: s.recv(1),
    )(e.tls(suppress_ragged_eofs=False)),
    "a second handshake": lambda e: each(lambda s: s.do_handshake(), lambda s: s.do_handshake(True))(e.tls()),
    "after unwrap": lambda e: each(
        lambda s: e.unwrap_both(s) is s, lambda s: s.unwrap(),
        lambda s: s.read(1), lambda s: s.version(), lambda s: s.send(b"plain"), lambda s: e.peer.recv(5),
    )(e.tls()),
    "a session of another context": lambda e: setattr(unasked(e, context=e.world.authority.client()), "session", 3),
    "deprecated": lambda e: each(lambda s: s.selected_npn_protocol())(e.tls()),
}  # fmt: skip


@pytest.mark.parametrize("misuse", MISUSES)
def test_misused_tls_raises_what_the_stdlib_does(worlds, misuse):
    outcomes = []
    for world in worlds:
        with contextlib.ExitStack() as closing, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", ResourceWarning)  # the stdlib's wrap_socket forgets one
            outcomes.append(attempt(MISUSES[misuse], Ends(world, closing)))
    assert outcomes[1] == outcomes[0]


def test_the_whole_surface_is_there():
    from stack.socket.tls import TlsSocket

    left_out = {"_create", "_real_connect"}  # how the stdlib makes one
    theirs = {name for name in vars(ssl.SSLSocket) if not name.startswith("__")} - left_out
    assert theirs <= set(dir(TlsSocket))
