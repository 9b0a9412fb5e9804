"""A host of a Lan whose ports lead to the kernel's side.

A SYN is answered when the kernel has connected, so that what is refused there is refused here, and by nobody who had
said yes before. A datagram that nobody has asked for makes a flow of its own. Where something leads is its owner's to
say; None: nowhere, which is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import ECONNREFUSED, EINPROGRESS, ETIMEDOUT
from functools import partial
from socket import SO_ERROR, SOL_SOCKET
from typing import TypeAlias

import attrs

from components.gateway import kernel
from components.gateway.door import Door
from components.gateway.flows import Flow, Flows
from components.gateway.kernel import KernelSocket
from components.gateway.pipe import Pipe
from components.gateway.quay import READ, WRITE, Quay
from netif.lifecycle import Held
from netif.wire import icmp
from netif.wire.udp import HEADER
from stack import Stack
from stack.tcp.catch_all import CatchAll
from stack.udp import Address, UdpEndpoint

BATCH = 16  # datagrams taken at a time before others have their turn
DATAGRAM = 65536  # bytes; none is larger
Target: TypeAlias = "Callable[[bytes, int], kernel.Address | None]"


class Dialling(Door):
    """TCP from the Lan."""

    def __init__(self, quay: Quay, stack: Stack, target: Target, most: int) -> None:
        super().__init__(quay, most)
        self._stack = stack
        self._target = target
        self._dialled: dict[tuple[Address, Address], KernelSocket] = {}
        self._listener = CatchAll(stack.tcp, self._asked, attrs.evolve(stack.tcp.config, nodelay=True))

    def is_full(self) -> bool:
        return len(self.users) + len(self._dialled) >= self.most

    def _asked(self, local: Address, remote: Address) -> None:
        to = self._target(*local)
        if to is None:
            self.stats.count("not_allowed")
            self._listener.refuse(local, remote)
        elif self.is_full():
            self.stats.count("full")
            self._listener.forget_syn(local, remote)
        else:
            self._dial(local, remote, to)

    def _dial(self, local: Address, remote: Address, to: kernel.Address) -> None:
        try:
            sock = kernel.make(to[0], "tcp")
        except OSError:
            self.stats.count("no_descriptor")
            self._listener.forget_syn(local, remote)
            return
        self._dialled[local, remote] = sock
        error = sock.connect_ex(to)
        if error == EINPROGRESS:
            self.quay.watch(sock, WRITE, partial(self._answered, local, remote))
        else:
            self._decide(local, remote, error)

    def _answered(self, local: Address, remote: Address, _events: int) -> None:
        sock = self._dialled[local, remote]
        self.quay.forget(sock)
        self._stack.advance(self.quay.runtime.now())
        self._decide(local, remote, sock.getsockopt(SOL_SOCKET, SO_ERROR))

    def _decide(self, local: Address, remote: Address, error: int) -> None:
        sock = self._dialled.pop((local, remote))
        connection = None
        if not error:
            connection = self._listener.admit(local, remote)
        elif error == ETIMEDOUT:
            self._listener.forget_syn(local, remote)  # nobody has said anything, and neither do we
        else:
            self._listener.refuse(local, remote)
        if connection is None:
            self.stats.count("refused")
            kernel.reset(sock)
            return
        pipe = Pipe(self.quay, connection, sock, self.left)
        self.enter(pipe)
        pipe.begin()

    def abort(self) -> None:
        for sock in self._dialled.values():
            self.quay.forget(sock)
            sock.close()
        self._dialled.clear()
        self._listener.close()
        super().abort()


class OutFlow(Flow):
    """With a kernel socket of its own."""

    __slots__ = ("_quay", "sock")

    def __init__(self, door: Flows, key: object, endpoint: UdpEndpoint, sock: KernelSocket) -> None:
        super().__init__(door, key, endpoint)
        self.sock = sock
        self._quay = door.quay
        self._quay.watch(sock, READ, self._arrived)

    def pass_on(self, data: bytes) -> None:
        try:
            self.sock.send(data)
        except ConnectionRefusedError:  # of an earlier one
            self._unreachable()
            self.sock.send(data)

    def _arrived(self, _events: int) -> None:
        for _ in range(BATCH):
            try:
                data = self.sock.recv(DATAGRAM)
            except ConnectionRefusedError:
                self._unreachable()
                continue
            except OSError:
                return
            self.arrived(data)

    def _unreachable(self) -> None:
        """Say so to whoever sent it, quoting what came last (RFC 1122 3.2.2.1)."""
        self.door.stats.count("unreachable")
        if self.last is None:
            return
        data, header, interface = self.last
        (dst, dport), source = self.endpoint.local, self.endpoint.remote
        assert source is not None
        length = int.from_bytes(header[2:4], "big") - len(header)
        quote = header + HEADER.pack(source[1], dport, length, 0) + data
        interface.stack.icmp.unreachable(interface, icmp.PORT_UNREACHABLE, source[0], dst, quote, 0)

    def abort(self) -> None:
        self._quay.forget(self.sock)
        self.sock.close()
        super().abort()


class Sending(Flows):
    """UDP from the Lan."""

    def __init__(self, quay: Quay, stack: Stack, target: Target, most: int) -> None:
        super().__init__(quay, most)
        self._stack = stack
        self._target = target
        stack.udp.unclaimed = self._unclaimed

    def _unclaimed(self, local: Address, source: Address) -> UdpEndpoint | None:
        """A socket for a datagram that has none; it will have those that follow."""
        to = self._target(*local)
        if to is None:
            self.stats.count("not_allowed")
            return None
        endpoint = UdpEndpoint(self._stack)
        endpoint.reuse = True
        endpoint.wants = 1  # the header too
        sock = None
        try:
            sock = kernel.make(to[0], "udp")
            sock.connect(to)
            endpoint.bind(*local)
            endpoint.connect(*source)
        except OSError as error:
            self.stats.count("refused" if sock is not None or error.errno == ECONNREFUSED else "no_descriptor")
            if sock is not None:
                sock.close()
            endpoint.close()
            return None
        self.add(OutFlow(self, (local, source), endpoint, sock))
        return endpoint

    def abort(self) -> None:
        self._stack.udp.unclaimed = None
        super().abort()


class Outlet:
    """Both."""

    def __init__(self, quay: Quay, stack: Stack, target: Target, most: int) -> None:
        """The gate is held. OSError(EADDRINUSE): this host has one already."""
        self._runtime = quay.runtime
        self.tcp = Dialling(quay, stack, target, most)
        self.udp = Sending(quay, stack, target, most)

    @property
    def is_over(self) -> bool:
        """It lasts as long as its host."""
        return False

    def abort(self) -> None:
        with Held(self._runtime):
            self.tcp.abort()
            self.udp.abort()
