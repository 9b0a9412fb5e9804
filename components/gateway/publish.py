"""A port of the kernel that leads to a host of a Lan.

A connection waits in the kernel's backlog until the host has an address. What the host refuses is refused here by a
RST, since the kernel has said SYN-ACK already.
"""

from __future__ import annotations

from errno import EMFILE, ENFILE
from typing import TYPE_CHECKING

import attrs

from components.gateway import kernel
from components.gateway.door import Door
from components.gateway.flows import Flow, Flows
from components.gateway.kernel import Address, Kind
from components.gateway.pipe import Pipe
from components.gateway.quay import READ, Quay
from netif.events import Event, GotIp, LostIp
from netif.lifecycle import Held
from netif.link import Alarm
from stack.stats import Stats
from stack.udp import UdpEndpoint

if TYPE_CHECKING:
    from components.lan import Host

ACCEPTED = 16  # connections, or datagrams, taken at a time before others have their turn
PAUSE = 0.1  # seconds until a connection is accepted again when there was no descriptor for it
DATAGRAM = 65536  # bytes; none is larger


class Streams(Door):
    """The listening socket of a TCP port."""

    def __init__(self, quay: Quay, most: int, via: Host, to: Host, port: int, sock: kernel.KernelSocket) -> None:
        super().__init__(quay, most)
        self._via, self._to, self._port = via, to, port
        self._sock = sock
        self._open = True
        self._again: Alarm = quay.runtime.alarm(self.look)

    def look(self) -> None:
        """Is there anybody to accept, and may they come in?"""
        ready = self._open and not self.is_full() and self._via.netif.has_address and self._to.netif.has_address
        self.quay.watch(self._sock, READ if ready else 0, self._arrived)

    def _arrived(self, _events: int) -> None:
        for _ in range(ACCEPTED):
            if self.is_full():
                self.stats.count("full")
                break
            try:
                accepted = kernel.accept(self._sock)
            except OSError as error:
                if error.errno in (EMFILE, ENFILE):
                    self.stats.count("no_descriptor")
                    self.quay.forget(self._sock)
                    self._again.at(self.quay.runtime.now() + PAUSE)
                    return
                break
            self._let_in(accepted)
        self.look()

    def _let_in(self, accepted: kernel.KernelSocket) -> None:
        stack = self._via.stack
        try:
            connection = stack.tcp.connect(
                None, (self._to.netif.ip_info.ip.packed, self._port), attrs.evolve(stack.tcp.config, nodelay=True)
            )
        except OSError:
            self.stats.count("refused")
            kernel.reset(accepted)
            return
        pipe = Pipe(self.quay, connection, accepted, self.left)
        self.enter(pipe)
        pipe.begin()

    def left(self, user: object) -> None:
        super().left(user)  # type: ignore[arg-type]
        self.look()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._again.cancel()
            self.quay.forget(self._sock)
            self._sock.close()


class BackFlow(Flow):
    """What goes to the kernel goes to its sender, from the port that he knows."""

    __slots__ = ("sock",)

    def __init__(self, door: Flows, source: Address, endpoint: UdpEndpoint, sock: kernel.KernelSocket) -> None:
        super().__init__(door, source, endpoint)
        self.sock = sock

    def pass_on(self, data: bytes) -> None:
        self.sock.sendto(data, self.key)  # type: ignore[call-overload]


class Datagrams(Flows):
    """The socket of a UDP port; a flow for each sender."""

    def __init__(self, quay: Quay, most: int, via: Host, to: Host, port: int, sock: kernel.KernelSocket) -> None:
        super().__init__(quay, most)
        self._via, self._to, self._port = via, to, port
        self._sock = sock
        self._open = True

    def look(self) -> None:
        ready = self._open and self._via.netif.has_address and self._to.netif.has_address
        self.quay.watch(self._sock, READ if ready else 0, self._arrived)

    def _arrived(self, _events: int) -> None:
        for _ in range(ACCEPTED):
            try:
                data, source = self._sock.recvfrom(DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                self.stats.count("unreachable")  # about an earlier one
                continue
            flow = self.by_key.get(source)
            if flow is not None and flow.endpoint.remote != self._target():
                flow.abort()  # the host has another address now
                flow = None
            flow = flow or self._begin(source)
            if flow is not None:
                flow.arrived(data)

    def _target(self) -> tuple[bytes, int]:
        return self._to.netif.ip_info.ip.packed, self._port

    def _begin(self, source: Address) -> Flow | None:
        endpoint = UdpEndpoint(self._via.stack)
        try:
            endpoint.connect(*self._target())
        except OSError:
            self.stats.count("refused")
            endpoint.close()
            return None
        flow = BackFlow(self, source, endpoint, self._sock)
        self.add(flow)
        return flow

    def close(self) -> None:
        """Nobody is heard any more, so nobody is answered."""
        if self._open:
            self._open = False
            self.abort()
            self.quay.forget(self._sock)
            self._sock.close()


class Published:
    """What `Lan.publish` answers. `close` takes nobody in any more; TCP connections that are open go on, to the end of
    the Lan at most."""

    def __init__(self, quay: Quay, via: Host, to: Host, port: int, bind: Address, kind: Kind, most: int) -> None:
        """OSError, ValueError, TypeError."""
        if kind not in ("tcp", "udp"):
            raise ValueError(f"kind={kind!r}: write 'tcp' or 'udp'")
        for number in (port, bind[1] or 1):
            if not isinstance(number, int) or not 0 < number < 65536:
                raise ValueError(f"publish: {number!r} is no port; take 1 to 65535")
        self.host = to
        self.kind = kind
        sock = kernel.bound(*bind, kind)
        try:
            self.address: Address = sock.getsockname()[:2]
            self._door = (Streams if kind == "tcp" else Datagrams)(quay, most, via, to, port, sock)
        except BaseException:
            sock.close()
            raise
        self._hosts = (via, to)
        self._closed = False
        with Held(quay.runtime):
            self._door.look()
        for host in self._hosts:
            host.netif.subscribe(GotIp, self._readdressed)
            host.netif.subscribe(LostIp, self._readdressed)

    @property
    def port(self) -> int:
        return self.address[1]

    @property
    def stats(self) -> Stats:
        """By the names in components/gateway/door.py."""
        return self._door.stats

    @property
    def is_over(self) -> bool:
        """Closed, and nobody is here any more."""
        return self._closed and not self._door.users

    def _readdressed(self, _event: Event) -> None:
        with Held(self._door.quay.runtime):
            self._door.look()

    def close(self) -> None:
        """Idempotent."""
        self._closed = True
        for host in self._hosts:
            host.netif.unsubscribe(GotIp, self._readdressed)
            host.netif.unsubscribe(LostIp, self._readdressed)
        with Held(self._door.quay.runtime):
            self._door.close()

    def abort(self) -> None:
        """As `close`, with a RST for who is still here."""
        self.close()
        with Held(self._door.quay.runtime):
            self._door.abort()

    def __enter__(self) -> Published:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        host, port = self.address
        return f"<Published {self.kind} {host}:{port} -> {self.host.name}>"
