"""What happens to a Netif, as frozen values, and who hears of it.

Handlers are posted to the runtime: they run in order, one at a time, with the gate free. Waiting is level-triggered:
what is already the case needs no waiting, and a handler that comes late is told of it once. Knows no lifecycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import iscoroutinefunction
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import attrs

from netif.config import IpEvent, IpInfo
from netif.errors import IfNotReady, InvalidArg
from netif.event_bus import IP_EVENT, EventBus
from netif.lifecycle import Held
from netif.link import Runtime, Waiter
from netif.value import Value

if TYPE_CHECKING:
    from netif.netif import Netif


@attrs.frozen(eq=False, repr=False)
class Event(Value):
    """What all events have: the interface they happened to. Those with an `event_id` are on its event bus too."""

    netif: Netif


@attrs.frozen(eq=False, repr=False)
class LinkUp(Event):
    """Frames may pass."""


@attrs.frozen(eq=False, repr=False)
class LinkDown(Event):
    """Frames pass no longer."""


@attrs.frozen(eq=False, repr=False)
class NetifUp(Event):
    """The interface takes part in its stack."""

    event_id: ClassVar[Any] = IpEvent.NETIF_UP


@attrs.frozen(eq=False, repr=False)
class NetifDown(Event):
    """The interface takes no part any more."""

    event_id: ClassVar[Any] = IpEvent.NETIF_DOWN


@attrs.frozen(eq=False, repr=False)
class GotIp(Event):
    """The interface may be reached at this address. `ip_changed`: it is not the last one that was valid."""

    ip_info: IpInfo
    ip_changed: bool
    event_id: Any = None  # InherentConfig.get_ip_event; None: not on the bus


@attrs.frozen(eq=False, repr=False)
class LostIp(Event):
    """The address is gone, and with it what used it."""

    event_id: Any = None  # InherentConfig.lost_ip_event


@attrs.frozen(eq=False, repr=False)
class Unreachable(Event):
    """What its ReachabilityPolicy asks does not answer any more."""


@attrs.frozen(eq=False, repr=False)
class Reachable(Event):
    """It answers again."""


@attrs.frozen(eq=False, repr=False)
class AssignedIp(Event):
    """The DHCP server of the interface gave `ip` to the client `mac`, which calls itself `hostname`, or ""."""

    event_id: ClassVar[Any] = IpEvent.ASSIGNED_IP_TO_CLIENT
    mac: bytes
    ip: IPv4Address
    hostname: str


@attrs.frozen(eq=False, repr=False)
class TxRx(Event):
    """A frame of `length` bytes has passed; only after `Netif.enable_traffic_events`."""

    event_id: ClassVar[Any] = IpEvent.TX_RX
    length: int
    sent: bool  # or else received


@attrs.frozen(eq=False, repr=False)
class DriverFailed(Event):
    """The driver is dead: the link is down and the connections over it are aborted with ENETDOWN."""

    error: OSError


EventType = TypeVar("EventType", bound=Event)
Handler: TypeAlias = Callable[[Any], object]

_ENDS: dict[type[Event], tuple[type[Event], ...]] = {
    LinkUp: (LinkDown, DriverFailed),
    LinkDown: (LinkUp, GotIp),
    NetifUp: (NetifDown,),
    NetifDown: (NetifUp,),
    GotIp: (LostIp,),
    LostIp: (GotIp,),
    Unreachable: (Reachable,),
    Reachable: (Unreachable,),
}  # what is no longer the case once this has happened
_MOMENTARY = (AssignedIp, TxRx)  # never "the case already"
_TOLD_LATE = (LinkUp, NetifUp, GotIp, Unreachable, DriverFailed)  # what a late handler is told; "not yet" is no news


@attrs.define(eq=False)
class _Wait:
    """One caller of `wait_for`."""

    event_type: type[Event]
    waiter: Waiter
    event: Any = None  # what it waited for, even if that is over by the time that it looks


class Observable:
    """What a Netif says and to whom. `runtime` is None until there is one; events come only after that."""

    def __init__(self, netif: Netif) -> None:
        self.runtime: Runtime | None = None
        self.bus: EventBus | None = None  # where esp_event's handlers hear of it
        self._netif = netif
        self._current: dict[type[Event], Event] = {LinkDown: LinkDown(netif), NetifDown: NetifDown(netif)}
        self._waits: list[_Wait] = []
        self._handlers: list[tuple[type[Event], Handler]] = []

    def subscribe(self, event_type: type[EventType], handler: Callable[[EventType], object]) -> None:
        """Call `handler(event)` for each such event, with the gate free; at once for what is the case already."""
        _check_type(event_type, "subscribe")
        if not callable(handler) or iscoroutinefunction(handler):
            raise InvalidArg(f"subscribe: {handler!r} is no plain function; give one of a single argument, the event")
        entry = (event_type, handler)
        with Held(self.runtime):
            self._handlers.append(entry)
            for event in self._current.values():
                if self.runtime is not None and isinstance(event, event_type) and isinstance(event, _TOLD_LATE):
                    self.runtime.post(self._delivery(entry, event))

    def unsubscribe(self, event_type: type[EventType], handler: Callable[[EventType], object]) -> None:
        """Call `handler` no longer, not even for events that are under way. Unknown ones are ignored."""
        with Held(self.runtime):
            self._handlers = [entry for entry in self._handlers if entry != (event_type, handler)]

    def wait_for(self, event_type: type[EventType], timeout: float | None = None) -> EventType:
        """Return the event, at once if it is the case already. TimeoutError after `timeout` seconds."""
        runtime = self._running(event_type)
        with Held(runtime):
            deadline = None if timeout is None else runtime.now() + timeout
            event = self._happened(event_type)
            with self._waiting(event_type, runtime) as wait:
                while event is None:
                    self._may_come(event_type)
                    if not runtime.wait(wait.waiter, deadline):
                        raise _timeout(event_type, timeout)
                    event = wait.event
            return event

    async def wait_for_async(self, event_type: type[EventType], timeout: float | None = None) -> EventType:
        """As `wait_for`, awaiting."""
        runtime = self._running(event_type)
        with Held(runtime):
            deadline = None if timeout is None else runtime.now() + timeout
            event = self._happened(event_type)
            with self._waiting(event_type, runtime) as wait:
                while event is None:
                    self._may_come(event_type)
                    if not await runtime.wait_async(wait.waiter, deadline):
                        raise _timeout(event_type, timeout)
                    event = wait.event
            return event

    def _may_come(self, event_type: type[Event]) -> None:
        """Raise if waiting for `event_type` would be in vain."""

    def _running(self, event_type: type[Event]) -> Runtime:
        _check_type(event_type, "wait_for")
        if self.runtime is None:
            raise IfNotReady(f"{self!r} is not attached: attach a driver before waiting for its events")
        return self.runtime

    def _publish(self, event: Event) -> None:
        """`event` has happened. Gate held."""
        assert self.runtime is not None
        for ended in _ENDS.get(type(event), ()):
            self._current.pop(ended, None)
        if not isinstance(event, _MOMENTARY):
            self._current[type(event)] = event
        for wait in self._waits:
            if wait.event is None and isinstance(event, wait.event_type):
                wait.event = event
                wait.waiter.wake()
        for entry in self._handlers:
            if isinstance(event, entry[0]):
                self.runtime.post(self._delivery(entry, event))
        event_id = getattr(event, "event_id", None)
        if self.bus is not None and event_id is not None:
            self.bus.report(self.runtime, IP_EVENT, event_id, event)

    def _no_longer(self, event_type: type[Event]) -> None:
        """What this one said is not the case any more, and nothing has been said instead."""
        self._current.pop(event_type, None)

    def _happened(self, event_type: type[EventType]) -> EventType | None:
        """The event of this type, while what it said is still the case."""
        for event in self._current.values():
            if isinstance(event, event_type):
                return event
        return None

    def _wake_all(self) -> None:
        """Nothing more will happen."""
        for wait in self._waits:
            wait.waiter.wake()

    @contextmanager
    def _waiting(self, event_type: type[Event], runtime: Runtime) -> Iterator[_Wait]:
        wait = _Wait(event_type, runtime.waiter(f"wait_for {event_type.__name__}", self._netif))
        self._waits.append(wait)
        try:
            yield wait
        finally:
            self._waits.remove(wait)

    def _delivery(self, entry: tuple[type[Event], Handler], event: Event) -> Callable[[], None]:
        def deliver() -> None:
            if entry in self._handlers:
                entry[1](event)

        return deliver


def _check_type(event_type: object, verb: str) -> None:
    if not (isinstance(event_type, type) and issubclass(event_type, Event)):
        raise InvalidArg(f"{verb}: {event_type!r} is no type of event; give one such as GotIp")


def _timeout(event_type: type[Event], timeout: float | None) -> TimeoutError:
    return TimeoutError(f"no {event_type.__name__} within {timeout} s")
