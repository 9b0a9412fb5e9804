"""A machine without a stack, whose TCP segments a script writes: for what no stack would send.

    def script(tcp):                      # on the Lan's `raw("server")`, as server.listen(7)
        tcp.gets("S")
        tcp.sends("S. 0:0(0) ack 1 win 0 <mss 1460>")

Segments are in the project's notation, numbers count from each side's SYN. ARP (RFC 826) is answered; all else that
comes, and is not asked for, is let be. Knows no state of TCP's: what is wrong about a conversation is the script's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.testing.patterns import Pattern, pattern
from components.testing.record import Record, Seen
from netif.bare import BareStack
from netif.link import Buffer, Driver, Hears, LinkCaps, Offload
from netif.wire import Malformed, arp, checksum, ethernet, ip, tcp
from netif.wire.notation import parse_segment
from tapio.amounts import Amount, duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from components.testing.lab import Lab
    from netif.link import Task, Waiter

WAITING = 4096  # frames that a station remembers
PATIENCE = 60.0  # seconds for what a script expects
WINDOW = 65535  # where a segment says none
EPHEMERAL = (49152, 65536)  # RFC 6335 6; the last excluded
_MASK = 0xFFFFFFFF


class Station:
    """One machine on a Lan (`Lab.raw`), as its runtime sees it (`link.Attachment`)."""

    route_prio = 0

    def __init__(self, lan: Lab, name: str, address: bytes, mac: bytes, driver: Driver) -> None:
        self.lan, self.name, self.address, self.mac, self.driver = lan, name, address, mac, driver
        self.if_key = name
        self.mtu = 1500
        self.heard = Record(lan.name_of, frames=WAITING)
        self.waiters: dict[Waiter, None] = {}
        self.idents = 0
        runtime: Any = lan.runtime
        self.dice = runtime.dice(f"{name}'s numbers")
        self.stack = BareStack(name, runtime)
        runtime.enter()
        try:
            self.port = runtime.add(self.stack, self)
            self.mtu = driver.open(LinkCaps(mac=mac, gso_max=1500, tx_checksum=False, rx_checksum=False), self.port).mtu
        except BaseException:
            runtime.remove(self)
            driver.close()
            raise
        finally:
            runtime.leave()

    @property
    def ip(self) -> str:
        return ip.format_address(self.address)

    def listen(self, port: int, script: Callable[[Conversation], Any]) -> Task[Any]:
        """Run `script` with whoever first says something to `port`."""
        return self._spawn(script, Conversation(self, port))

    def dial(self, to: str, port: int, script: Callable[[Conversation], Any], *, sport: int | None = None) -> Task[Any]:
        """Run `script` as a client of `to`, a host's name. ValueError."""
        host = self.lan.hosts.get(to)
        if host is None:
            raise ValueError(f"there is no host {to!r}; here are {', '.join(self.lan.hosts) or 'none yet'}")
        if sport is None:
            sport = self.dice.randrange(*EPHEMERAL)
        conversation = Conversation(self, sport)
        conversation.meet(host.netif.ip_info.ip.packed, port, host.netif.mac)
        return self._spawn(script, conversation)

    def _spawn(self, script: Callable[[Conversation], Any], conversation: Conversation) -> Task[Any]:
        task: Task[Any] = self.lan.runtime.spawn(lambda: script(conversation), f"{self.name}/{conversation.port}")
        return task

    # frames: the gate is held

    def receive(self, frame: Buffer, offload: Offload | None) -> None:
        try:
            dst, _, ethertype = ethernet.parse(frame)
            if ethertype == ethernet.ARP:
                self._answer(arp.parse(frame, ethernet.HEADER_LENGTH))
            if dst != self.mac:
                return
        except Malformed:
            return
        self.heard.frame("in", self.port.now(), (frame,), offload, "")
        for waiter in self.waiters:
            waiter.wake()

    def _answer(self, message: arp.Arp) -> None:
        if message.operation == arp.REQUEST and message.tpa == self.address:
            reply = arp.emit(arp.REPLY, self.mac, self.address, message.sha, message.spa)
            self.transmit((ethernet.emit(message.sha, self.mac, ethernet.ARP) + reply,), None)

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        return self.driver.transmit(buffers, offload)

    def say(self, frame: bytes) -> None:
        self.heard.frame("out", self.port.now(), (frame,), None, self.name)
        self.transmit((frame,), None)

    def writable(self) -> None:
        """What found no room is lost, as on a cable."""

    def mac_filter(self, mac: bytes, add: bool) -> None:
        """Everything is wanted."""

    def hears_all(self, everything: bool) -> None:
        """It is all heard."""

    def hears(self, what: Hears, key: bytes | int, add: bool) -> None:
        """Nothing is left out."""

    def yielded(self) -> None:
        """Its address is its own."""

    def failed(self, error: OSError) -> None:
        """The wire is dead: nothing comes."""

    def close(self) -> None:
        """Its wire goes. Idempotent."""
        runtime: Any = self.lan.runtime
        if not runtime.closed:
            runtime.enter()
            try:
                runtime.remove(self)
                self.driver.close()
            finally:
                runtime.leave()
            self.stack.close()

    def __repr__(self) -> str:
        return f"<Station {self.name} {self.ip}>"


class Conversation:
    """What a script has: `gets` and `sends`."""

    def __init__(self, station: Station, port: int) -> None:
        self.station = station
        self.port = port
        self.iss = station.dice.getrandbits(32)
        self._irs = 0
        self._peer: tuple[bytes, int, bytes] | None = None  # address, port, MAC
        self._looked = 0  # at so many frames

    def meet(self, address: bytes, port: int, mac: bytes) -> None:
        """The other end."""
        self._peer = address, port, mac

    def gets(self, what: str, within: Amount = PATIENCE) -> Seen:
        """The next segment for this port that fits `what` (`patterns`); others may come before it. AssertionError: it
        does not come in so many seconds, or "20ms"."""
        __tracebackhide__ = True
        patience = duration("within", within)
        wanted = pattern(what, lambda: [*self.station.lan.hosts, self.station.name])
        runtime: Any = self.station.lan.runtime
        runtime.enter()
        try:
            deadline = runtime.now() + patience
            while (found := self._next(wanted)) is None:
                if not self._wait(runtime, what, deadline):
                    heard = "\n".join(f"  {seen}" for seen in list(self.station.heard)[-20:])
                    raise AssertionError(
                        f"{what!r} did not come within {patience:g} s; what came:\n{heard or '  nothing'}"
                    )
            return found
        finally:
            runtime.leave()

    def _wait(self, runtime: Any, what: str, deadline: float) -> bool:
        waiter = runtime.waiter(f"gets {what!r}", self.station)
        self.station.waiters[waiter] = None
        try:
            woken: bool = runtime.wait(waiter, deadline)
            return woken
        finally:
            del self.station.waiters[waiter]

    def _next(self, wanted: Pattern) -> Seen | None:
        heard = self.station.heard
        frames = list(heard)
        for seen in frames[max(0, self._looked - heard.forgotten) :]:
            self._looked += 1
            if seen.sender or seen.dport != self.port or seen.segment is None or not self._is_peer(seen):
                continue
            if wanted.fits(seen):
                return seen
        return None

    def _is_peer(self, seen: Seen) -> bool:
        """It is the other end's; whoever comes first is that."""
        src, mac = seen.facts.hosts[0], seen.frame[6:12]
        assert seen.sport is not None
        if self._peer is None:
            self.meet(src, seen.sport, mac)
        assert self._peer is not None
        if self._peer[:2] != (src, seen.sport):
            return False
        start = ethernet.HEADER_LENGTH
        header_len, total_len, *_ = ip.parse(seen.frame, start)
        _, _, seq, _, _, flags, _, _ = tcp.parse(seen.frame, start + header_len, start + total_len)
        if flags & tcp.SYN:
            self._irs = seq
        return True

    def sends(self, text: str, data: bytes = b"") -> None:
        """The segment that `text` says, as in "P. 1:6(5) ack 1 win 512". Without `data` there are as many letters x.
        ValueError."""
        if self._peer is None:
            raise ValueError(f"{text!r}: to whom? It has to get something first, or to dial")
        segment = parse_segment(text)
        data = data or b"x" * segment.length
        if len(data) != segment.length:
            raise ValueError(f"{text!r} is of {segment.length} bytes, and not of {len(data)}")
        runtime: Any = self.station.lan.runtime
        runtime.enter()
        try:
            window = WINDOW if segment.window is None else segment.window
            ack = 0 if segment.ack is None else (self._irs + segment.ack) & _MASK
            numbers = (self.iss + segment.seq) & _MASK, ack
            self.station.say(self._frame(numbers, segment.flags, window, segment.option_bytes, data, segment.urgent))
        finally:
            runtime.leave()

    def _frame(
        self, numbers: tuple[int, int], flags: int, window: int, options: bytes, data: bytes, urgent: int
    ) -> bytes:
        assert self._peer is not None
        station, (address, port, mac) = self.station, self._peer
        pseudo = checksum.pseudo_header(station.address, address, tcp.PROTOCOL, 0)
        payload = (data,) if data else ()
        header = tcp.emit_complete(
            self.port, port, *numbers, flags, window, options, payload, pseudo=pseudo, urgent=urgent
        )
        station.idents = (station.idents + 1) & 0xFFFF
        length = len(header) + len(data)
        packet = ip.emit(station.address, address, tcp.PROTOCOL, length, ident=station.idents) + header + data
        return ethernet.emit(mac, station.mac, ethernet.IP) + packet
