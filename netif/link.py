"""The contract: what a driver, a stack and a runtime may expect of each other.

Only shapes live here, no logic: the values that travel with a frame (`Offload`, `LinkCaps`) and the protocols
(`Driver`, `Port`, `StackInterface`, `NetStack`, `Waiter`, `Runtime`, `Dice`). A driver knows a `Port` and nothing
above it; a stack knows an `Attachment` and nothing below it; the runtime turns the crank for both.
Everything here is called with the gate held, unless its text says otherwise.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import attrs

from netif.value import Value
from netif.wire import Buffer as Buffer

if TYPE_CHECKING:
    from netif.account import Account
    from netif.dhcp import AddressGiver, DhcpcConfig, DhcpClient, DhcpsConfig, DhcpServer, LeaseHolder
    from netif.reachability import ReachabilityPolicy

StaticRoute: TypeAlias = tuple[bytes, int, bytes]  # network, prefix length, gateway; 4 bytes each
Result = TypeVar("Result", covariant=True)

NONE, PARTIAL, VALID = 0, 1, 2  # Offload.checksum; plain ints, since they are compared for every frame


class Medium(enum.Enum):
    """What kind of link a port offers."""

    ETHERNET = "ethernet"  # Ethernet II frames, neighbours found by ARP
    POINT_TO_POINT = "point-to-point"  # bare IP packets, one neighbour
    LOOPBACK = "loopback"  # bare IP packets, the neighbour is this host


class Offload(NamedTuple):
    """What the wire says about one frame. A tuple, so that drivers may key caches by it at C speed.

    checksum: NONE, the L4 checksum is complete and nobody has vouched for it; PARTIAL, its field holds only the folded,
    not inverted pseudo-header sum (trusted, to be finished before it reaches a medium that cannot); VALID, it is
    complete and right. start: bytes from the frame's first byte to the L4 header; offset: from there to the checksum
    field (both meaningful for PARTIAL alone). gso_size: L4 payload bytes per segment of a super-frame; 0: a plain one.
    """

    checksum: int = NONE
    start: int = 0
    offset: int = 0
    gso_size: int = 0


@attrs.frozen(eq=False, repr=False, kw_only=True)
class LinkCaps(Value):
    """What one port can do; asked for by the stack (`want`), answered by the driver (`granted`)."""

    mac: bytes  # 6 bytes; empty where the medium has none
    mtu: int = 1500  # bytes of an IP packet
    medium: Medium = Medium.ETHERNET
    gso_max: int = 1500  # bytes of the largest IP packet in one frame; equal to mtu: no super-frames
    tx_checksum: bool = False  # the port takes PARTIAL frames
    rx_checksum: bool = False  # the port may deliver PARTIAL and VALID frames


class Hears(enum.Enum):
    """By what a host may have a use for a frame that is for many. The key of each is in brackets."""

    STATION = "station"  # its destination (MAC, 6 bytes): the host's own, or a group's
    ADDRESS = "address"  # broadcast ARP from it or for it (IPv4, 4 bytes)
    NEIGHBOUR = "neighbour"  # broadcast ARP from it, but for requests by this MAC, which is known (IPv4 and MAC, 10)
    PORT = "port"  # broadcast UDP to it (port, int)


class Dice(Protocol):
    """The randomness of one host or wire: `random.Random`, or anything shaped like it."""

    def random(self) -> float: ...
    def randbytes(self, n: int, /) -> bytes: ...
    def getrandbits(self, k: int, /) -> int: ...
    def randrange(self, start: int, stop: int, /) -> int: ...


class Waiter(Protocol):
    """One blocked caller. An endpoint holds it; `flush` wakes it; only the runtime knows how it sleeps."""

    woken: bool

    def wake(self) -> None:
        """Mark ready, at once and idempotently; the runtime resumes the caller after the flush."""


class Alarm(Protocol):
    """Rings once at a time that may be moved, with the gate held."""

    @property
    def armed(self) -> bool: ...
    def at(self, when: float) -> None: ...
    def cancel(self) -> None:
        """It does not ring; `at` may set it again."""


class Port(Protocol):
    """One driver's place in the runtime: all that a driver may ask for."""

    runtime: Runtime  # in-memory wires compare it: they join ports of one runtime only
    dice: Dice

    def now(self) -> float:
        """Seconds, monotonic: the runtime's clock, real or virtual."""

    def readable(self) -> None:
        """Drain me in this turn: `receive()` has something."""

    def poke(self) -> None:
        """As `readable`, from any thread and without the gate."""

    def writable(self) -> None:
        """There is room again after a `transmit` that answered False."""

    def watch(self) -> None:
        """`fileno()` or `wants_write()` has changed: look again."""

    def call_at(self, when: float) -> None:
        """Call `advance(now)` at `when`. The earliest of several wins; ask again after each call."""

    def failed(self, error: OSError) -> None:
        """The driver is dead; the netif's link goes down."""


class Driver(Protocol):
    """What moves frames. The constructor opened the descriptor, so its errors came there.

    It may have a `medium` too, by which a stack chooses its interface before `open`; without, it is Ethernet.
    """

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        """Negotiate: answer what is granted of `want`, and keep `port`. Raises OSError or ValueError. After a stop
        of the netif it is opened again, with another port."""

    def fileno(self) -> int | None:
        """The descriptor to poll for reading; None for a wire that announces itself by `port.readable()`."""

    def wants_write(self) -> bool:
        """Poll the descriptor for writing too; `advance` is called when it is writable."""

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        """One frame, contiguous and never changed again while anybody holds it; None: nothing more now."""

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        """Send `(headers, *views)` as one frame. False: full, the caller keeps it until `port.writable()`."""

    def advance(self, now: float) -> None:
        """Time has come to what `call_at` asked for, or the descriptor is writable."""

    def close(self) -> None:
        """Give everything back; idempotent."""


class Selective(Protocol):
    """What a driver may offer beside: to leave out, of frames for many, those that its host has no use for."""

    def hear_all(self, everything: bool) -> None: ...
    def hear(self, what: Hears, key: bytes | int, add: bool) -> None: ...


Batch: TypeAlias = "tuple[Sequence[tuple[Buffer, Offload | None]], int]"
"""Frames, and their bytes in all."""


@runtime_checkable
class Batching(Protocol):
    """What a driver may offer beside: several frames at once."""

    def receive_batch(self, most: int, room: int) -> Batch:
        """What `receive` would have answered, up to `most` frames, and none once they have come to `room` bytes. Of
        what is left the driver tells its port by itself, or the poll does."""


@runtime_checkable
class TakesBatches(Protocol):
    """What an Attachment may offer to whoever drains such a driver."""

    def receive_batch(
        self, batch: Sequence[tuple[Buffer, Offload | None]], size: int, caught: Callable[[Exception], None]
    ) -> None:
        """Each of these frames, `size` bytes in all, as by `receive`; what that raises is told, the next follows."""


class StackInterface(Protocol):
    """What `init_fn(netif)` returns: one attached link as the stack sees it."""

    index: int  # from 1, unique in its stack, never another's
    impl_name: str  # two letters and a number: "en1"

    @property
    def stack(self) -> NetStack | None:
        """Never changes; None: whoever made the interface has no stack worth the name."""

    def link_up(self, caps: LinkCaps) -> None: ...
    def link_down(self) -> None: ...
    def set_addresses(self, ip: bytes, mask: bytes, gateway: bytes) -> None:
        """Network byte order, 4 bytes each; all zero takes the address away. What used another is aborted."""

    def withdraw(self) -> None:
        """The address is not ours for now: what uses it waits for `set_addresses`, which may bring it back."""

    def set_dns(self, servers: tuple[bytes, ...], search: tuple[str, ...]) -> None:
        """For what is bound to this interface; 4 bytes each, the one to ask first in front."""

    def announce_every(self, seconds: float) -> None:
        """Tell the link who we are, again and again; 0 ends it."""

    def add_address(self, ip: bytes, mask: bytes) -> None:
        """An alias. InvalidParams: it cannot be an address of ours; NoMem: there are too many."""

    def remove_address(self, ip: bytes) -> None:
        """An alias goes; what used it is aborted. NotFound."""

    def set_routes(self, routes: tuple[StaticRoute, ...]) -> None:
        """Static routes in place of those that it had; a gateway of zeros: on the link (RFC 3442)."""

    def join(self, group: bytes, sources: tuple[bytes, ...] = ()) -> None:
        """Take a multicast group too, with `sources` from these alone, as often as `leave` follows, and tell the link.
        InvalidParams: not a group; NoMem: there are too many. It lasts until `detach`."""

    def leave(self, group: bytes) -> None: ...
    def set_mac(self, mac: bytes) -> None: ...
    def set_mtu(self, mtu: int) -> None: ...
    def input(self, frame: Buffer, offload: Offload | None) -> None: ...
    def writable(self) -> None:
        """The driver has room again: send what the interface's queue holds."""

    def watch(self, policy: ReachabilityPolicy | None, told: Callable[[bool], None]) -> None:
        """From now on ask whether the interface still leads anywhere; `told` hears of each change. None ends that."""

    def finish(self, waiter: Waiter) -> bool:
        """End this link's connections in order; True if `waiter` will be woken when the last is gone."""

    def detach(self) -> None:
        """Abort what is left (RST) and forget the link."""


class Attachment(Protocol):
    """The netif as a stack and a runtime see it."""

    if_key: str
    mac: bytes
    mtu: int
    route_prio: int
    driver: Driver

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool: ...
    def receive(self, frame: Buffer, offload: Offload | None) -> None: ...
    def writable(self) -> None: ...
    def failed(self, error: OSError) -> None: ...
    def mac_filter(self, mac: bytes, add: bool) -> None:
        """Frames to this group MAC are wanted, or no longer."""

    def hears_all(self, everything: bool) -> None:
        """False: of frames for many, those that `hears` names are enough, beside IP that is neither whole nor UDP;
        True: all are wanted, as at first."""

    def hears(self, what: Hears, key: bytes | int, add: bool) -> None:
        """Such frames are of use from now on, or no longer."""

    def yielded(self) -> None:
        """Another host has our address, and keeps it: it has been given up."""


class NetStack(Protocol):
    """One host."""

    name: str
    runtime: Runtime

    def receive(self, interface: StackInterface, frame: Buffer, offload: Offload | None) -> None: ...

    def advance(self, now: float) -> None:
        """It is `now`: stamp what comes in next with it, and let what has expired act."""

    def next_deadline(self) -> float | None:
        """The earliest time at which `advance` has something to do."""

    def pending(self) -> bool:
        """Some timer is armed that is more than maintenance (ageing, TIME-WAIT): something may yet happen."""

    def flush(self, now: float) -> None:
        """Send what is owed, wake who waits. Called once after any number of changes."""

    def abort_current(self, error: BaseException) -> None:
        """An exception escaped: abort the connection in hand, so that the batch can go on."""

    def set_default(self, interface: StackInterface | None, dns: tuple[bytes, ...]) -> None: ...
    def dhcp_client(self, interface: StackInterface, config: DhcpcConfig, holder: LeaseHolder) -> DhcpClient:
        """What obtains a lease for `interface`, not started yet. NotSupported."""

    def dhcp_server(self, interface: StackInterface, config: DhcpsConfig, giver: AddressGiver) -> DhcpServer:
        """What gives addresses on the link of `interface`, not started yet. NotSupported."""

    def close(self, linger: float = 1.0) -> None: ...


class Task(Protocol[Result]):
    """What `spawn` returns."""

    def done(self) -> bool: ...
    def result(self, timeout: float | None = None) -> Result: ...


class Runtime(Protocol):
    """One gate, one clock and one crank for any number of stacks."""

    strict: bool  # `check()` raises what the crank caught
    memory: Account  # in the buffers of the sockets of all its stacks
    owner: int  # ident of the thread that has the gate, or 0
    shared: bool  # True where real threads or processes share it: default MACs and dice are then unpredictable

    def now(self) -> float: ...
    def add_stack(self, stack: NetStack) -> None: ...
    def remove_stack(self, stack: NetStack) -> None: ...
    def add(self, stack: NetStack, netif: Attachment) -> Port:
        """Give `netif.driver` its port, and poll its descriptor."""

    def remove(self, netif: Attachment) -> None: ...
    def touch(self, stack: NetStack) -> None:
        """The stack owes a flush at the end of this turn; asks for its next deadline too."""

    def poke(self) -> None:
        """Wake whoever sleeps in the poll. From any thread, without the gate."""

    def enter(self) -> None:
        """Take the gate. Not from a hook, a trace or a driver (RuntimeError)."""

    def leave(self) -> None:
        """Flush what was touched, resume who was woken, free the gate, raise a deferred KeyboardInterrupt."""

    def waiter(self, operation: str, endpoint: object) -> Waiter:
        """A fresh Waiter for the calling thread or task; the arguments name it in `Deadlock`."""

    def wait(self, waiter: Waiter, deadline: float | None) -> bool:
        """Sleep until woken (True) or until `deadline` (False). The gate is held on entry, and on return even if that
        is by an exception: KeyboardInterrupt comes out of here, and what ends the callers of a closed runtime."""

    async def wait_async(self, waiter: Waiter, deadline: float | None) -> bool:
        """As `wait`, awaiting. RuntimeError where there is no loop."""

    def ended(self) -> BaseException | None:
        """What a call that comes too late raises: the runtime is closed. None: it is not."""

    def wait_closing(self, waiter: Waiter, deadline: float) -> bool:
        """As `wait`, for closing: any thread may, and a virtual clock runs meanwhile."""

    def alarm(self, ring: Callable[[], None]) -> Alarm:
        """Set by its `at`. It is no maintenance: a virtual clock moves on to it."""

    def spawn(self, fn: Callable[[], Any], name: str | None = None) -> Task[Any]: ...
    def sleep(self, seconds: float) -> None: ...
    def post(self, handler: Callable[[], None]) -> None:
        """Run `handler` soon, in order, one at a time, with the gate free. An exception in it is logged."""

    def dice(self, name: str) -> Dice:
        """Randomness of its own for whatever bears this name; from the seed, where there is one."""

    def check(self) -> None:
        """Raise the first exception that the crank caught, if `strict`."""

    def close(self) -> None: ...
