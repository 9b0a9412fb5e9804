"""What is global between netif_init and netif_deinit, and the check that what is given is an interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from netif.errors import InvalidArg
from netif.event_bus import EventBus
from netif.lifecycle import State
from netif.link import NetStack
from netif.netif import Netif
from netif.registry import Registry

P = ParamSpec("P")
R = TypeVar("R")


class Process:
    """The interfaces that `netif_new` made, the default stack's registry, the default event loop, and what ends with
    them."""

    def __init__(self) -> None:
        self.registry = Registry()  # becomes the default stack's own
        self.bus = EventBus()
        self.made: dict[Netif, None] = {}
        self.endings: dict[Callable[[], object], None] = {}

    def add(self, netif: Netif) -> None:
        """Those that were closed without `netif_destroy` are let go."""
        self.made = {known: None for known in self.made if known.state is not State.CLOSED}
        self.made[netif] = None

    def open(self) -> Iterator[Netif]:
        """Newest first."""
        return iter([netif for netif in reversed(self.made) if netif.state is not State.CLOSED])

    def take(self) -> tuple[list[Netif], list[Callable[[], object]]]:
        """(interfaces, endings) to be ended; from here on there is nothing."""
        ended = list(self.open()), list(self.endings)
        Process.__init__(self)
        return ended


process = Process()


def adopt(stack: NetStack) -> None:
    """From the stack room: this is the process's default stack. netif_deinit closes it."""
    former = process.registry.stack
    if former is not None:  # closed, or it would be the default stack still
        process.endings.pop(former.close, None)
    process.registry.stack = stack
    stack.registry = process.registry  # type: ignore[attr-defined]
    at_deinit(stack.close)


def at_deinit(ending: Callable[[], object]) -> None:
    """Call `ending`, once, when netif_deinit has closed the interfaces; the last comes first."""
    process.endings.pop(ending, None)
    process.endings[ending] = None


def check(netif: object, function: str) -> None:
    if not isinstance(netif, Netif):
        raise InvalidArg(f"{function}: {netif!r} is no interface; give what netif_new() returned")


def of_netif(function: Callable[Concatenate[Netif, P], R]) -> Callable[Concatenate[Netif, P], R]:
    """InvalidArg for anything else than a Netif, such as the None of a look-up by a misspelt key."""

    @wraps(function)
    def checked(netif: Netif, /, *args: P.args, **kwargs: P.kwargs) -> R:
        check(netif, function.__name__)
        return function(netif, *args, **kwargs)

    return checked
