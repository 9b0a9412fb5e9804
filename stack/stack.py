"""One host: the composition root, the only place that wires the engines together.

Frames, time and the application's calls come in; each changes state and leaves what it touched in `dirty`; one `flush`
then sends what is owed and wakes who waits. It knows no clock, thread or file: `now` is an argument, randomness is
`dice`. The gate is held throughout, but for what makes sockets and for `close`.
"""

from __future__ import annotations

from errno import ECONNABORTED, ENETDOWN, ENODEV
from functools import cached_property, partial
from itertools import count
from typing import TYPE_CHECKING, Any

from netif.account import Account
from netif.closing import aclose_all, close_all
from netif.config import NetstackConfig
from netif.errors import InvalidState, NotSupported
from netif.link import Buffer, Dice, Medium, Offload, Runtime, StackInterface, Waiter
from netif.registry import Registry
from netif.wire.ip import format_address
from stack import naming
from stack.attached import AttachedInterface
from stack.endpoint import Endpoint
from stack.ethernet import EthernetInterface
from stack.failure import failure
from stack.forwarding.layer import Forwarding
from stack.icmp import Icmp
from stack.interface import Interface
from stack.ip import Ip
from stack.ip_config import IpConfig
from stack.limits import Limits
from stack.loopback import LoopbackInterface
from stack.overhearing import Overhearing
from stack.raw import Raw
from stack.stats import Stats
from stack.tcp import sharing
from stack.tcp.config import TcpConfig
from stack.tcp.events import Hook
from stack.tcp.layer import Tcp
from stack.timers import Timed, Timers
from stack.trace import Trace
from stack.tunif import TunInterface
from stack.udp_layer import Udp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netif.dhcp import AddressGiver, DhcpcConfig, DhcpClient, DhcpsConfig, DhcpServer, GivenLease, LeaseHolder
    from netif.link import Attachment
    from stack.dns.config import DnsConfig
    from stack.dns.resolver import Resolver
    from stack.napt.config import NaptConfig
    from stack.socket import blocking
    from stack.socket.aio import HostAio


class Stack(naming.Sources, Overhearing):
    """A NetStack. `with Stack() as host` closes it, and its netifs, at the end."""

    def __init__(
        self,
        name: str = "host",
        *,
        runtime: Runtime | None = None,
        dice: Dice | None = None,
        limits: Limits | None = None,
        tcp: TcpConfig | None = None,
        ip: IpConfig | None = None,
        dns: DnsConfig | None = None,
        forwarding: bool = False,
        napt: NaptConfig | None = None,
    ) -> None:
        """Joins `runtime`, or else the process's default one. `forwarding`: it is a router too."""
        super().__init__()
        if runtime is None:
            from netif.runtime import default_runtime

            runtime = default_runtime()
        self.name = name
        self.runtime: Runtime = runtime
        self.dice: Dice = runtime.dice(name) if dice is None else dice
        self.limits = Limits() if limits is None else limits
        self.ip_config = IpConfig() if ip is None else ip
        self.tcp_config = TcpConfig() if tcp is None else tcp
        self.now = runtime.now()  # seconds; set by advance and flush
        self.stats = Stats()
        # a runtime that bounds nothing may be one of a test's own
        above: Account | None = getattr(runtime, "memory", None)
        self.memory = Account(self.limits.socket_memory, above, partial(self.stats.count, "socket_memory_pressure"))
        self.trace: Trace | None = None
        self.tcp_events: Hook | None = None  # for the connections that are made from now on
        self.napt_config = napt
        self.forwarding = Forwarding(self, forwarding)
        self.dhcp_leases: dict[str, tuple[GivenLease, ...]] = {}  # of servers that have stopped, by interface
        self.dns_config = dns
        self.registry: Registry | None = None  # of its netifs
        self.interfaces: list[Interface] = []  # the links; the loopback is not among them
        self._indices = count(1)
        self.timers = Timers()
        self.dirty: dict[Endpoint, None] = {}
        self.current: Endpoint | None = None  # the endpoint in hand: what `abort_current` aborts
        self.closed = False
        self._touched = False
        self._flushing = False
        self._stranded: list[tuple[Endpoint, OSError]] = []
        self.ip = Ip(self)
        self.loopback = LoopbackInterface(self)
        self.icmp = Icmp(self)
        self.udp = Udp(self)
        self.tcp = Tcp(self)
        self.raw = Raw(self)
        self.ip.rebuild()
        runtime.add_stack(self)

    def __repr__(self) -> str:
        addresses = "".join(f" {format_address(address)}" for address in self.ip.local)
        return f"<Stack {self.name}{addresses}>"

    # what the runtime turns

    def receive(self, interface: StackInterface, frame: Buffer, offload: Offload | None) -> None:
        interface.input(frame, offload)

    def advance(self, now: float) -> None:
        self.now = now
        if self.timers.due(now):
            self.touch()
            self.timers.expire(now)

    def next_deadline(self) -> float | None:
        return self.timers.next_deadline()

    def pending(self) -> bool:
        return self.timers.pending()

    def flush(self, now: float) -> None:
        """Until nothing is owed; a few rounds at most, for what talks to itself might never end."""
        if self._flushing:
            return
        self.now = now
        self._flushing = self._touched = True
        rounds = self.limits.flush_rounds
        waiting: Iterator[Endpoint] | None = iter(())
        try:
            while rounds:
                if self.dirty:
                    batch, self.dirty = self.dirty, {}
                    waiting = iter(batch)
                    for endpoint in waiting:
                        self.current = endpoint
                        endpoint.flush(now)
                        deadline = endpoint.deadline
                        if deadline is not None:
                            armed_at = endpoint.armed_at
                            if armed_at is None or deadline < armed_at:
                                self.timers.arm(endpoint)
                if self._stranded:
                    self._tell_stranded()
                if self.loopback.packets:
                    self.loopback.drain()
                elif not self.dirty:
                    waiting = None
                    break
                rounds -= 1
            else:
                self.stats.count("flush_deferred")
        finally:
            self._flushing = self._touched = False
            if waiting is not None:
                for endpoint in waiting:  # those that an exception, on its way to the crank, left over
                    self.dirty[endpoint] = None
                if self.dirty or self.loopback.packets or self._stranded:
                    self.touch()
        self.current = None

    def abort_current(self, error: BaseException) -> None:
        """The crank caught `error`, a mistake of ours: whoever it happened to ends, the others go on."""
        self.stats.count("internal_error")
        current = self.current
        self.current = None
        if current is not None:
            current.abort(failure(ECONNABORTED))

    def set_default(self, interface: StackInterface | None, dns: tuple[bytes, ...]) -> None:
        self.ip.default = interface if isinstance(interface, Interface) else None
        self.dns = dns
        self.ip.rebuild()

    # its interfaces

    def interface(self, name: str | int) -> Interface:
        """By its if_key, by the stack's name for it or by its index. OSError(ENODEV)."""
        links = list(self.links.values())
        found = [link for link in links if link.name == name]
        found += [link for link in links if name in (link.impl_name, link.index)]
        if not found:
            raise failure(ENODEV)
        return found[0]

    def enlist(self, interface: Interface, letters: str) -> tuple[int, str]:
        """(index, impl name): an index is never given twice; a number is, once it is free."""
        taken = {link.impl_name for link in list(self.links.values())}
        number = 0 if letters == "lo" else 1
        while f"{letters}{number}" in taken:
            number += 1
        index = next(self._indices)
        self.links[index] = interface
        return index, f"{letters}{number}"

    def linked(self, interface: Interface) -> None:
        """Its link is up."""
        self.links[interface.index] = interface
        if interface not in self.interfaces:
            self.interfaces.append(interface)

    def delist(self, interface: Interface) -> None:
        self.links.pop(interface.index, None)
        if interface in self.interfaces:
            self.interfaces.remove(interface)

    # what the engines use

    def owe(self, endpoint: Endpoint) -> None:
        """`endpoint.flush` is to be called at the end of this turn. Every change of state ends here."""
        self.dirty[endpoint] = None
        if not self._touched:
            self._touched = True
            self.runtime.touch(self)

    def touch(self) -> None:
        """There is something for `flush` to do, or for `next_deadline` to tell."""
        if not self._touched:
            self._touched = True
            self.runtime.touch(self)

    def arm(self, item: Timed) -> None:
        """For what has a deadline and is no endpoint; those are armed after their flush."""
        self.timers.arm(item)
        self.touch()

    def strand(self, endpoint: Endpoint, error: OSError) -> None:
        """Tell `endpoint` soon, outside its own flush, that a packet of its found no way."""
        self._stranded.append((endpoint, error))
        self.touch()

    def drop(self, reason: str, owner: object) -> None:
        """A frame or packet is thrown away."""
        self.stats.drop(reason)
        if self.trace is not None:
            self.trace("drop", owner, reason)

    def _tell_stranded(self) -> None:
        stranded, self._stranded = self._stranded, []
        for endpoint, error in dict(stranded).items():
            endpoint.unreachable(error)

    # what an application uses

    @cached_property
    def netstack_config(self) -> NetstackConfig:
        """How a Netif reaches this stack."""
        return NetstackConfig(init_fn=self.attach, input_fn=StackInterface.input)

    def attach(self, netif: Attachment, medium: Medium | None = None) -> AttachedInterface:
        """The interface of a netif, for `medium` or else for its driver's; it counts once its link is up. InvalidState
        at the end of the stack."""
        if self.closed:
            raise InvalidState(f"the stack {self.name!r} is closed: make another for a new interface")
        if medium is None:
            medium = getattr(netif.driver, "medium", Medium.ETHERNET)
        return (TunInterface if medium is Medium.POINT_TO_POINT else EthernetInterface)(self, netif)

    def dhcp_server(self, interface: StackInterface, config: DhcpsConfig, giver: AddressGiver) -> DhcpServer:
        """It serves from its `start` on, from the address that the interface has then."""
        from stack.dhcp.server import Server

        if not isinstance(interface, EthernetInterface):
            raise NotSupported(f"{interface!r} is no Ethernet: nobody can ask there for an address")
        return Server(interface, config, giver)

    def dhcp_client(self, interface: StackInterface, config: DhcpcConfig, holder: LeaseHolder) -> DhcpClient:
        """It asks from its `start` on."""
        from stack.dhcp.client import Client

        if not isinstance(interface, EthernetInterface):
            raise NotSupported(f"{interface!r} is no Ethernet: no server gives addresses there; give it one (ip=)")
        return Client(interface, config, holder)

    def socket(self, family: int = -1, type: int = -1, proto: int = -1) -> blocking.socket:
        from stack.socket.blocking import socket

        return socket(family, type, proto, stack=self)

    def create_server(self, address: tuple[str, int], **options: Any) -> blocking.socket:
        from stack.socket import create_server

        return create_server(address, stack=self, **options)

    def create_connection(self, address: tuple[str, int], *arguments: Any, **options: Any) -> blocking.socket:
        from stack.socket import create_connection

        return create_connection(address, *arguments, stack=self, **options)

    getaddrinfo = naming.getaddrinfo
    gethostbyname = naming.gethostbyname
    gethostbyname_ex = naming.gethostbyname_ex
    gethostbyaddr = naming.gethostbyaddr
    getnameinfo = naming.getnameinfo
    getfqdn = naming.getfqdn
    socket_module = cached_property(naming.socket_module)

    @cached_property
    def resolver(self) -> Resolver:
        """Made, and imported, when the first name is to be looked up."""
        from stack.dns.config import DnsConfig
        from stack.dns.resolver import Resolver

        return Resolver(self, self.dns_config or DnsConfig())

    @cached_property
    def aio(self) -> HostAio:
        """The same, awaiting."""
        from stack.socket.aio import HostAio

        return HostAio(self)

    def close(self, linger: float = 1.0) -> None:
        """End the netifs in order, their connections with them, then what talks to itself. Idempotent."""
        if self.closed:
            return
        self.closed = True
        runtime = self.runtime
        try:
            close_all(self.registry or (), linger)
        finally:
            runtime.enter()
            try:
                if linger > 0 and (waiter := self._finish()) is not None:
                    runtime.wait_closing(waiter, runtime.now() + linger)
            finally:
                self._end()
                runtime.leave()

    async def aclose(self, linger: float = 1.0) -> None:
        """As `close`, awaiting."""
        if self.closed:
            return
        self.closed = True
        runtime = self.runtime
        try:
            await aclose_all(self.registry or (), linger)
        finally:
            runtime.enter()
            try:
                if linger > 0 and (waiter := self._finish()) is not None:
                    await runtime.wait_async(waiter, runtime.now() + linger)
            finally:
                self._end()
                runtime.leave()

    def _finish(self) -> Waiter | None:
        """End the connections with ourselves in order; the waiter will be woken when the last is gone."""
        waiter = self.runtime.waiter("close", self)
        if not self.loopback.finish(waiter):
            return None
        self.touch()
        return waiter

    def _end(self) -> None:
        """Abort whatever was bound to no link, and leave the runtime."""
        error = failure(ENETDOWN)
        if "resolver" in vars(self):
            self.resolver.close()
        self.tcp.abort(self.loopback, error)
        bound = [*self.icmp.sockets.values(), *(one for held in self.udp.ports.values() for one in held)]
        bound += (one for held in self.raw.listeners.values() for one in held)
        bound += self.l2taps.values()
        for endpoint in [*sharing.everyone(self.tcp), *bound]:
            endpoint.abort(error)
        self.flush(self.runtime.now())
        self.memory.close()
        self.runtime.remove_stack(self)

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Stack:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.aclose()
