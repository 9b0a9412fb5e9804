"""What an interface is, whatever passes through it: its key, state, MAC, MTU and names.

Knows the configuration and the present values of what it sets, and moves from state to state along the table. Refuses
to know addresses, DHCP, and in which order an interface is brought up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from netif.config import DriverIfconfig, InherentConfig, NetifConfig, check_hostname, check_mtu
from netif.errors import IfNotReady, InvalidParams, NetifError
from netif.events import Observable, TxRx
from netif.frames import Frames
from netif.lifecycle import TRANSITIONS, Action, Held, State
from netif.link import Hears, LinkCaps, NetStack

if TYPE_CHECKING:
    from netif.netif import Netif
    from netif.registry import Registry

logger = logging.getLogger("netif.netif")  # a Netif speaks with one voice

DEFAULT_MTU = 1500  # bytes
TRAFFIC_WAITING = 1024  # TxRx events that no handler has had yet

Result = TypeVar("Result")


class Identity(Frames, Observable):
    """The configuration and what has become of it."""

    def __init__(self, netif: Netif, config: NetifConfig) -> None:
        Frames.__init__(self)
        Observable.__init__(self, netif)
        base = config.base
        self.config = config
        self.if_key = base.if_key
        self.flags = base.flags
        self.route_prio = base.route_prio
        self.mac = base.mac or b""
        self.mtu = base.mtu or DEFAULT_MTU  # of an IP packet, as it holds now
        self.driver_config = config.driver or DriverIfconfig()
        self.handle: Any = None
        self.stack: NetStack | None = None
        self.caps: LinkCaps | None = None  # what the driver granted
        self.registry: Registry | None = None
        self._state = State.NEW
        self._claimed = b""  # a default MAC, to be given back
        self._widest = self.mtu  # the mtu that the driver granted
        self._own_mtu = self.mtu  # without what a lease asks for
        self._leased_mtu: int | None = None
        self._hostname = base.hostname
        self._leased_hostname = ""
        self._untold = 0  # TxRx events under way
        self._filtered: dict[bytes, None] = {}  # group MACs that are wanted

    @property
    def state(self) -> State:
        return self._state

    @property
    def is_up(self) -> bool:
        return self._state is State.UP

    def _do(self, action: Action) -> None:
        """The one way from state to state."""
        state = TRANSITIONS[self._state].get(action)
        assert state is not None, f"{action.value} in {self._state}"
        logger.debug("%s: %s: %s -> %s", self.if_key, action.value, self._state.value, state.value)
        self._state = state

    def _require(self, verb: str, *states: State) -> None:
        if self._state not in states:
            raise IfNotReady(f"cannot {verb} {self!r}; it must be {' or '.join(state.value for state in states)}")

    def _refuse_closed(self, verb: str) -> None:
        if self._state in (State.CLOSING, State.CLOSED):
            raise IfNotReady(f"cannot {verb} {self!r}: it is closed")

    @property
    def impl_index(self) -> int:
        """The number of its interface in the stack; -1 while there is none."""
        return getattr(self.interface, "index", -1)

    @property
    def impl_name(self) -> str:
        """What its stack calls the interface: two letters and a number, as "en1"."""
        if self.interface is None:
            raise InvalidParams(f"{self!r} has no interface in a stack, and so no name there; start it first")
        return getattr(self.interface, "impl_name", "")

    @property
    def hostname(self) -> str:
        """The one that was set, else what a lease says, else the stack's name; "" before the first start."""
        return self._hostname or self._leased_hostname or self._default_hostname()

    @hostname.setter
    def hostname(self, name: str) -> None:
        self.set_hostname(name)

    def set_hostname(self, name: str) -> None:
        """Sent with DHCP, from the next exchange on; at any time. At most 32 bytes, else the present one stays."""
        with Held(self.runtime):
            self._refuse_closed("name")
            self._hostname = check_hostname(name)
            self._renamed()

    def _default_hostname(self) -> str:
        try:
            return "" if self.stack is None else check_hostname(self.stack.name)
        except InvalidParams:
            return ""

    def _renamed(self) -> None:
        """There is another hostname."""

    def set_mac(self, mac: str | bytes) -> None:
        """Six bytes, or text; also while the link is up."""
        address = InherentConfig(self.if_key, mac=mac).mac
        if address is None:
            raise InvalidParams("a MAC address of all zeros is no address; give another")
        with Held(self.runtime):
            self._refuse_closed("give a MAC address to")
            if self.caps is not None and not self.caps.mac:
                raise InvalidParams(f"mac: {self.if_key} is a {self.caps.medium.value} link, which has none")
            if self.interface is not None and self.caps is not None:
                set_mac = getattr(self.driver, "set_mac", None)  # of one that filters by it
                if set_mac is not None:
                    set_mac(address)
                self.caps = attrs.evolve(self.caps, mac=address)
                self.interface.set_mac(address)
            self.mac = address

    def set_mtu(self, mtu: int) -> None:
        """Bytes of an IP packet; also while the link is up, then at most what the wire granted."""
        with Held(self.runtime):
            self._refuse_closed("set the mtu of")
            if self.interface is not None and mtu > self._widest:
                raise InvalidParams(
                    f"mtu: {self.if_key} was granted {self._widest} bytes; ask for {mtu} before the start"
                )
            self._own_mtu = check_mtu(mtu)
            self._fit_mtu()

    def _fit_mtu(self) -> None:
        """A lease may make it less, never more."""
        leased = self._leased_mtu
        mtu = self._own_mtu if leased is None else min(self._own_mtu, leased)
        if mtu != self.mtu:
            self.mtu = mtu
            if self.interface is not None and self.caps is not None:
                self.caps = attrs.evolve(self.caps, mtu=mtu)
                self.interface.set_mtu(mtu)

    def set_route_prio(self, route_prio: int) -> None:
        """Counts at the next election; `registry.set_default(None)` holds one."""
        self.route_prio = InherentConfig(self.if_key, route_prio=route_prio).route_prio

    def mac_filter(self, mac: bytes, add: bool) -> None:
        """From the stack: frames to this group MAC are wanted, or no longer. Gate held."""
        if add == (mac in self._filtered):
            return
        if add:
            self._filtered[mac] = None
        else:
            del self._filtered[mac]
        if self.interface is not None:
            self._set_filter(mac, add)

    def _set_filters(self, add: bool) -> None:
        """All of them: the interface starts, or goes."""
        for mac in self._filtered:
            self._set_filter(mac, add)
        if not add:
            self._filtered.clear()

    def _set_filter(self, mac: bytes, add: bool) -> None:
        set_filter = self.driver_config.set_mac_filter
        if set_filter is not None:
            try:
                set_filter(self.handle, mac, add)
            except (NetifError, OSError) as error:
                logger.warning("%s: the filter for %s was not set: %s", self.if_key, mac.hex(":"), error)

    def hears_all(self, everything: bool) -> None:
        """From the stack, like `hears`: for a driver that can leave out what nobody here could use. Gate held."""
        hear_all = getattr(self.driver, "hear_all", None)
        if hear_all is not None:
            hear_all(everything)

    def hears(self, what: Hears, key: bytes | int, add: bool) -> None:
        hear = getattr(self.driver, "hear", None)
        if hear is not None:
            hear(what, key, add)

    def enable_traffic_events(self) -> None:
        """A TxRx event for each frame from now on: dear, and off at first. At most `TRAFFIC_WAITING` wait for their
        handlers; those beyond are counted in `counters.traffic_untold`."""
        self._set_traffic_events(True)

    def disable_traffic_events(self) -> None:
        self._set_traffic_events(False)

    def _set_traffic_events(self, wanted: bool) -> None:
        with Held(self.runtime):
            self._tells_traffic = wanted
            if self.is_up:
                self._bind_frames()

    def _tell_traffic(self, length: int, *, sent: bool) -> None:
        if self._untold >= TRAFFIC_WAITING:
            self.traffic_untold += 1
            return
        assert self.runtime is not None
        self._untold += 1
        self._publish(TxRx(self._netif, length, sent))
        self.runtime.post(self._traffic_told)

    def _traffic_told(self) -> None:
        self._untold -= 1

    def tcpip_exec(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call it with the gate held: nothing of the stack runs meanwhile. It may not block, nor enter a socket."""
        with Held(self.runtime):
            return function(*arguments)

    def __repr__(self) -> str:
        host = "" if self.stack is None else f" on {self.stack.name}"
        hardware = f" {self.mac.hex(':')}" if self.mac else ""
        return f"<Netif {self.if_key} {self._address_text()}{hardware} {self._state.name}{host}>"

    def _address_text(self) -> str:
        return "no address"
