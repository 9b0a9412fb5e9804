"""`Lab`: a Lan that a test can do things to, and that remembers what was said on it.

`drop("3rd SYN")` and its kin decide over frames where their sender puts them on the wire, `trace` has them all; `wire`
puts another wire between each host and the switch. Its cables carry what a cable would: one segment a frame, checksums
complete. Knows how these are joined to a Lan; what they mean is theirs (`faults`, `trace`, `wires`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from components.cable import cable
from components.lan import Host, Lan
from components.testing import faults
from components.testing.kinds import Repeats
from components.testing.record import Record
from components.testing.trace import Trace
from tapio.impairment import Impair, impair
from tapio.script import Direction, Verdict

if TYPE_CHECKING:
    from components.testing.raw import Station
    from components.testing.wires import Wires
    from netif.link import Driver


class Lab(Lan):
    """`host`: what `Lan.host` takes, for every host that does not say otherwise. `wire`: what is between a host and
    the switch: "pair" (memory), "tap", "packet" or "qemu", the last three on a real clock (`wires`). The rest is a
    Lan's."""

    def __init__(
        self,
        seed: int | str = 0,
        clock: Any = "virtual",
        *,
        host: dict[str, Any] | None = None,
        wire: str = "pair",
        **lan: Any,
    ) -> None:
        self.defaults = dict(host or {})
        self.faults: list[faults.Fault] = []
        self._repeats: Repeats | None = None  # once somebody asks for retransmissions
        self._names: dict[bytes, str] = {}
        self._stations: dict[str, Station] = {}
        self._record = Record(self.name_of)
        self.trace = Trace(self._record, self._known, self._run_on)
        self._wires: Wires | None = None
        if wire != "pair":
            from components.testing.wires import Wires

            self._wires = Wires(wire, clock)
        try:
            super().__init__(seed, clock, sinks=(self._record, *lan.pop("sinks", ())), **lan)
        except BaseException:
            self._close_wires()
            raise
        self._record.began = self.now()

    # hosts

    def host(self, name: str, *, script: Any = None, **options: Any) -> Host:
        """As a Lan's."""
        given = [] if script is None else list(script) if isinstance(script, Sequence) else [script]
        made = super().host(name, script=[*given, partial(self._decide, name)], **{**self.defaults, **options})
        self._listen(made.netif.driver)
        return made

    def raw(self, name: str) -> Station:
        """A new machine without a stack, whose segments a script writes (`raw`). Its cable has no faults but those by
        script. ValueError."""
        if name in self.hosts or name in self.names:
            raise ValueError(f"there is a {name!r} on this Lan already")
        from components.testing.raw import Station

        address = self._take(None).packed
        wire = self.plugged(name, self.switch.port(gso_max=0, tx_checksum=False, rx_checksum=False))
        driver = cable(impair(wire, script=partial(self._decide, name)), self.sinks, name)
        self._listen(driver)
        made = self._stations[name] = Station(self, name, address, b"\x02\0" + address, driver)
        self.names[name] = address
        return made

    def _listen(self, driver: Any) -> None:
        """What befalls frames on that cable is said in the trace."""
        while driver is not None:
            if isinstance(driver, Impair):
                driver.tell(_both(driver.out.told, self._befell))
            driver = getattr(driver, "driver", None)

    def plugged(self, name: str, port: Driver) -> Driver:
        return port if self._wires is None else self._wires.plug(name, port, self.runtime)

    def _known(self) -> list[str]:
        return list({**self.hosts, **self.names})

    def name_of(self, address: bytes) -> str | None:
        """Of the host with that address, if it is known."""
        if address not in self._names:
            self._names |= {packed: name for name, packed in self.names.items()}
        return self._names.get(address)

    def _find(self, name: str) -> tuple[str, bytes] | None:
        """The machine of that name or address."""
        station = self._stations.get(name) or next((one for one in self._stations.values() if one.ip == name), None)
        if station is not None:
            return station.name, station.mac
        host = self.hosts.get(name) or next((one for one in self if one.netif.ip_info and one.ip == name), None)
        return None if host is None else (host.name, host.netif.mac)

    # faults

    def drop(self, frames: str, *, optional: bool = False) -> faults.Fault:
        """These frames are lost: "3rd SYN", "first 2 data from client", "every 5th UDP to server port 53" (docs/
        testing.md). The answer counts them. ValueError; at the end UnmetFault, if there were none, unless `optional`.
        """
        return self._add(faults.dropping(frames, self._find, self._known()), optional)

    def delay(self, frames: str, by: float | str, *, optional: bool = False) -> faults.Fault:
        """These come later by so many seconds, or "20ms"; those behind overtake them."""
        return self._add(faults.delaying(frames, by, self._find, self._known()), optional)

    def duplicate(self, frames: str, *, optional: bool = False) -> faults.Fault:
        """These come twice."""
        return self._add(faults.doubling(frames, self._find, self._known()), optional)

    def corrupt(self, frames: str, *, optional: bool = False) -> faults.Fault:
        """Of these one bit is turned on the way: a checksum is to notice."""
        return self._add(faults.corrupting(frames, self._find, self._known()), optional)

    def _add(self, fault: faults.Fault, optional: bool) -> faults.Fault:
        fault.optional = optional
        if fault.phrase.is_repeated and self._repeats is None:
            self._repeats = Repeats()
            for seen in self.trace:
                self._repeats.is_repeated(seen.frame)
        self.faults.append(fault)
        return fault

    def _decide(self, name: str, direction: Direction, frame: bytes, index: int) -> Verdict:
        """A script: the first verdict stands, but every fault counts."""
        if direction == "in" or not self.faults:
            return None
        repeated = self._repeats is not None and self._repeats.is_repeated(frame)
        verdict: Verdict = None
        for fault in self.faults:
            said = fault.verdict(name, frame, repeated)
            if said is not None and verdict is None:
                verdict, self._record.remark = said, fault.said
        return verdict

    def _befell(self, direction: Direction, frame: bytes, words: tuple[str, ...], changed: tuple[bytes, ...]) -> None:
        fate = ", ".join(word for word in words if not word.startswith("delayed"))
        if direction == "in":
            self._record.befell(frame, fate)
        else:
            self._record.remark = self._record.remark or fate

    def check_faults(self) -> None:
        """UnmetFault: one that was asked for has met nothing."""
        __tracebackhide__ = True
        for fault in self.faults:
            if not fault.count and not fault.optional:
                raise faults.UnmetFault(self._unmet(fault))

    def _unmet(self, fault: faults.Fault) -> str:
        repeats = Repeats()
        alike = sum(fault.phrase.means(seen.sender, seen.frame, repeats.is_repeated(seen.frame)) for seen in self.trace)
        near = f"there {'was' if alike < 2 else 'were'} {alike or 'none'} of that kind"
        return f"lan.{fault.said} met none of {len(self.trace)} frames: {near}; if that may be, say optional=True"

    # time, and its end

    def _run_on(self, condition: Callable[[], bool], seconds: float) -> None:
        if not self.closing:
            self.run_until(condition, seconds)

    def _end(self) -> None:
        try:
            for station in self._stations.values():
                station.close()
            super()._end()
        finally:
            self._close_wires()

    def _close_wires(self) -> None:
        if self._wires is not None:
            self._wires.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        super().__exit__(kind, error, at)
        if error is None:
            self.check_faults()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, at)
        if error is None:
            self.check_faults()


def _both(one: Any, other: Any) -> Any:
    """Tell both."""
    if one is None:
        return other

    def told(*what: Any) -> None:
        one(*what)
        other(*what)

    return told
