"""A whole network in one process: `Lan`, a switch that gives out addresses, and `Host`, a stack with a port on it.

Knows whose address is whose, and in which order faults and captures go around a port; all else is the runtime's, the
switch's and the stacks'. Addresses and dice follow from the seed and the order in which hosts are made, so that a scene
on the virtual clock is the same at every run, bit for bit; the MAC of a host that asks for its address, from the seed
and its name.
"""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeAlias, TypeVar, Unpack, cast

import attrs

from components.cable import Cable, SentFrames, cable
from components.gateway.doors import Doors
from components.guests import Guest, check_name, make_guest
from components.patch import Patch, wire
from netif import mac as macs
from netif.closing import aclose_all, close_all
from netif.config import Flags
from netif.dhcp import DhcpcConfig, DhcpsConfig
from netif.events import GotIp
from netif.netif import Netif
from netif.runtime.tasks import check_function
from netif.wire import ethernet
from stack import Stack
from tapio import PcapngWriter, Sniff, Switch, TextTrace, impair
from tapio.capture import Comments

if TYPE_CHECKING:
    from os import PathLike

    from netif.link import Driver, Runtime, Task
    from stack.ip_config import IpConfig
    from stack.limits import Limits
    from stack.socket import blocking
    from stack.socket.aio import HostAio
    from stack.tcp.config import TcpConfig
    from tapio.faults import Side, Words
    from tapio.impairment import Rules
    from tapio.memory import Bounds

T = TypeVar("T")
Clock: TypeAlias = Literal["virtual", "real", "asyncio"]
Leases: TypeAlias = "bool | Literal['uplink'] | DhcpcConfig"
LINGER = 1.0  # seconds for what is still open at the end, all hosts together
PROBE = 0.02  # seconds for which the DHCP server waits for whoever has an address already
POLL = 0.002  # seconds between two looks at a condition, on a clock that nobody steps


class Host:
    """One machine on a Lan: a stack, a network card, and whatever is spawned on it."""

    def __init__(self, lan: Lan, name: str, stack: Stack, netif: Netif) -> None:
        self.lan = lan
        self.name = name
        self.stack = stack
        self.netif = netif

    @property
    def ip(self) -> str:
        return str(self.netif.ip_info.ip)

    @property
    def mac(self) -> str:
        return ethernet.format_mac(self.netif.mac)

    @property
    def aio(self) -> HostAio:
        """The awaiting sockets, on an asyncio clock or in `lan.run`."""
        return self.stack.aio

    @property
    def socket_module(self) -> ModuleType:
        """As the stack's."""
        return self.stack.socket_module

    @property
    def runtime(self) -> Runtime:
        return self.stack.runtime

    def spawn(self, fn: Callable[[], Any]) -> Task[Any]:
        """Run `fn` as this host's application: on a virtual clock only spawned code may block."""
        check_function(fn, "spawn", "spawn(main)")
        name = f"{self.name}/{getattr(fn, '__name__', 'task')}"
        if inspect.iscoroutinefunction(fn):
            return self.stack.runtime.spawn(partial(self._run_async, fn), name)
        return self.stack.runtime.spawn(partial(self._run, fn), name)

    def _run(self, fn: Callable[[], Any]) -> Any:
        try:
            return fn()
        except OSError:
            if not self.lan.closing:
                raise
            return None  # the network went away under it: the end of the Lan, not a failure

    async def _run_async(self, fn: Callable[[], Any]) -> Any:
        try:
            return await fn()
        except (OSError, ExceptionGroup) as error:
            others = None if isinstance(error, OSError) else error.split(OSError)[1]
            if others is not None or not self.lan.closing:
                raise
            return None

    def socket(self, *arguments: Any, **options: Any) -> blocking.socket:
        return self.stack.socket(*arguments, **options)

    def create_server(self, address: tuple[str, int], **options: Any) -> blocking.socket:
        return self.stack.create_server(address, **options)

    def create_connection(self, address: tuple[str, int], *arguments: Any, **options: Any) -> blocking.socket:
        return self.stack.create_connection(address, *arguments, **options)

    def __repr__(self) -> str:
        return f"<Host {self.name} {self.ip} {self.mac}>"


class Lan(Doors):
    """A switch with hosts on it. Leave it by `with` (or `async with`, on an asyncio clock): everything ends with it."""

    def __init__(
        self,
        seed: int | str = 0,
        clock: Clock = "virtual",
        *,
        subnet: str = "10.0.0.0/24",
        pcapng: str | PathLike[str] | None = None,
        comments: bool = False,
        trace: TextIO | bool | None = None,
        sinks: Iterable[Any] = (),
        strict: bool = True,
        dhcp: Leases = False,
        uplink: Driver | str | None = None,
    ) -> None:
        """`pcapng`: a file to write all frames to; `comments`: each with what became of it (docs/capture.md);
        `trace`: where to print them (True: stdout); `sinks`: who else is told of them, as a Sniff's are. `dhcp`: the
        first address is that of a host "dhcp", which gives the others theirs; how these ask for them may be said;
        "uplink": whoever gives addresses is out there.
        `uplink`: a driver that the switch is joined to, or the name of a wire (docs/wires.md)."""
        try:
            self.network = IPv4Network(subnet)
        except ValueError as error:
            raise ValueError(f"subnet={subnet!r}: {error}; write it as in 10.0.0.0/24") from None
        self._free = self.network.hosts()
        self._taken: set[IPv4Address] = set()
        self.hosts: dict[str, Host] = {}
        self.names: dict[str, bytes] = {}  # which every host here can look up
        self.switch = Switch()
        self.closing = False
        self.runtime: Any = make_runtime(clock, seed, strict)
        self.sinks: list[Any] = [SentFrames(sink) for sink in sinks]
        epoch = 0.0 if clock == "virtual" else time.time() - self.runtime.now()
        self._writer = PcapngWriter(pcapng, epoch=epoch) if pcapng is not None else None
        self._comments = Comments(self._writer) if self._writer is not None and comments else None
        if self._writer is not None:
            self.sinks.append(SentFrames(self._comments or self._writer))
        if trace:
            self.sinks.append(SentFrames(TextTrace(sys.stdout if trace is True else trace)))
        self.seed = seed
        self.dhcp: DhcpcConfig | None = None
        self.uplink: Patch | None = None
        self.guests: dict[str, Guest] = {}
        try:
            if uplink is not None:
                self.uplink = Patch(self.switch.port(), wire(uplink), runtime=self.runtime, name="uplink")
            if dhcp:
                if dhcp != "uplink":
                    serve(self.host("dhcp").netif, self.network)
                self.dhcp = dhcp if isinstance(dhcp, DhcpcConfig) else DhcpcConfig()
        except BaseException:
            self.close(0)
            raise

    # hosts

    def host(
        self,
        name: str,
        *,
        tx: Side = None,
        rx: Side = None,
        script: Rules = None,
        ip: str | None = None,
        mac: str | None = None,
        mtu: int | None = None,
        vlan: int | None = None,
        offload: bool = True,
        tcp: TcpConfig | None = None,
        limits: Limits | None = None,
        ip_config: IpConfig | None = None,
        **faults: Unpack[Words],
    ) -> Host:
        """A new host with the next free address. `faults` of its cable (loss, delay, rate ...: docs/impair.md)
        hold per direction or are pairs (out, in); `tx` and `rx` are rules of one direction. `vlan`: its port is an
        access port of that VLAN."""
        if name in self.hosts:
            raise ValueError(f"there is a host {name!r} on this Lan already")
        address = None if self.dhcp is not None and ip is None else self._take(ip)
        bounds: Bounds = {} if offload else {"gso_max": 0, "tx_checksum": False, "rx_checksum": False}
        port = self.switch.port(vlan=vlan, **bounds)
        driver: Driver = impair(self.plugged(name, port), tx=tx, rx=rx, script=script, **faults)
        if self.sinks:
            driver = cable(driver, self.sinks, name)
        stack = Stack(name, runtime=self.runtime, tcp=tcp, limits=limits, ip=ip_config)
        stack.hosts = self.names
        if self._comments is not None and isinstance(driver, Cable):
            driver.watch(stack, self._comments)
        if address is None:
            netif = self._asking(driver, stack, mac, mtu)
        else:
            mac = mac or ethernet.format_mac(b"\x02\0" + address.packed)
            netif = Netif(driver, stack=stack, ip=f"{address}/{self.network.prefixlen}", mac=mac, mtu=mtu)
            self.names[name] = address.packed
        host = self.hosts[name] = Host(self, name, stack, netif)
        return self._led(host)

    def plugged(self, name: str, port: Driver) -> Driver:
        """What a new host's cable ends in, that leads to `port` of the switch: here, the port itself."""
        return port

    def _asking(self, driver: Driver, stack: Stack, mac: str | None, mtu: int | None) -> Netif:
        """It has an address, and its name is known, once the server has given it one."""
        assert self.dhcp is not None
        mac = mac or ethernet.format_mac(macs.derive(stack.name, "Lan", machine=str(self.seed)))
        netif = Netif(driver, stack=stack, mac=mac, mtu=mtu, flags=Flags.DHCP_CLIENT)
        netif.subscribe(GotIp, partial(self._named, stack.name))
        netif.dhcpc_config = attrs.evolve(self.dhcp, hostname=stack.name)
        netif.connected()
        return netif

    def qemu_args(self, name: str = "guest", *, mac: str | None = None, device: str = "virtio-net-pci") -> list[str]:
        """The words of QEMU's command line for a machine on this Lan. It may be started again: its port stays. A real
        clock is needed. ValueError, OSError."""
        if not self.runtime.shared:
            raise ValueError('a guest lives by a real clock: Lan(clock="real")')
        check_name(name)
        if name in self.guests or name in self.hosts:
            raise ValueError(f"there is a {name!r} on this Lan already")
        mac = mac or ethernet.format_mac(macs.derive(name, "Lan", machine=str(self.seed)))
        port = self.switch.port()
        guest = make_guest(Sniff(port, *self.sinks, name=name) if self.sinks else port, self.runtime, name, mac)
        self.guests[name] = guest
        return guest.args(device)

    def _named(self, name: str, event: GotIp) -> None:
        self.names[name] = event.ip_info.ip.packed

    def _take(self, wanted: str | None) -> IPv4Address:
        if wanted is not None:
            address = IPv4Address(wanted)
            if address in self._taken or address not in self.network:
                raise ValueError(f"{address} is taken, or not in {self.network}")
        else:
            address = next((free for free in self._free if free not in self._taken), IPv4Address(0))
            if not int(address):
                raise ValueError(f"{self.network} has no address left: give the Lan a larger subnet")
        self._taken.add(address)
        return address

    def __iter__(self) -> Iterator[Host]:
        return iter(self.hosts.values())

    # time

    def now(self) -> float:
        now: float = self.runtime.now()
        return now

    def sleep(self, seconds: float) -> None:
        """Let time pass for the caller: a spawned function, or any thread on a real clock."""
        self.runtime.sleep(seconds)

    def run_for(self, seconds: float) -> None:
        """Let everything run for so long; what a spawned function raised is raised here."""
        self.runtime.run_for(seconds)

    def run_until(self, condition: Callable[[], bool], timeout: float = 3600.0) -> None:
        """Let everything run until `condition()`. Raises TimeoutError, or Deadlock when nothing is left to happen."""
        self.runtime.run_until(condition, timeout)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and answer what it returned, as asyncio.run does: on a virtual clock in virtual
        time, where it raises what a spawned function raised, and Deadlock when nothing is left to happen."""
        if not self.runtime.shared:
            return cast("T", self.runtime.run(main))
        import asyncio

        return asyncio.run(main)

    def step(self) -> bool:
        """Let one thing happen."""
        happened: bool = self.runtime.step()
        return happened

    # the end

    def close(self, linger: float = LINGER) -> None:
        """All hosts at once: connections end in order within `linger` seconds, the rest is cut off. Idempotent."""
        if self.closing:
            return
        self.closing = True
        try:
            close_all([host.netif for host in self], linger)
            if linger:
                self.runtime.run_for(0)  # let the applications see the end, and close what they hold
        finally:
            self._end()

    async def aclose(self, linger: float = LINGER) -> None:
        """As `close`, awaiting."""
        if self.closing:
            return
        self.closing = True
        try:
            await aclose_all([host.netif for host in self], linger)
        finally:
            self._end()

    def _end(self) -> None:
        try:
            if self.gateway is not None:
                self.gateway.close()
            for host in self:
                host.stack.close(0)
            for guest in self.guests.values():
                guest.close()
            if self.uplink is not None:
                self.uplink.close()
            self.runtime.close()
        finally:
            if self._comments is not None:
                self._comments.flush()
            if self._writer is not None:
                self._writer.close()

    def __enter__(self) -> Lan:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close(LINGER if error is None else 0)
        if error is None:
            self.runtime.check()

    async def __aenter__(self) -> Lan:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose(LINGER if error is None else 0)
        if error is None:
            self.runtime.check()

    def __repr__(self) -> str:
        return f"<Lan {self.network}: {', '.join(self.hosts) or 'nobody yet'}>"


def serve(netif: Netif, network: IPv4Network) -> None:
    """Give all addresses of `network` behind the netif's own, but for those that hosts were made with."""
    netif.dhcps_config = DhcpsConfig(
        start=netif.ip_info.ip + 1, end=network.broadcast_address - 1, conflict_probe=PROBE, offer_router=False
    )
    netif.dhcps_start()


def make_runtime(clock: str, seed: int | str, strict: bool) -> Runtime:
    """Each is imported when it is asked for."""
    if clock == "virtual":
        from netif.runtime.virtual import VirtualRuntime

        return VirtualRuntime(seed=seed, strict=strict)
    if clock == "real":
        from components.headstart import HeadStart

        return HeadStart(seed=seed, strict=strict)
    if clock == "asyncio":
        from netif.runtime.aio import AsyncioRuntime

        return AsyncioRuntime(seed=seed, strict=strict)
    raise ValueError(f'clock={clock!r}: write "virtual", "real" or "asyncio"')
