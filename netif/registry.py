"""The interfaces of one stack: by key, in order, and which of them is the default.

esp_netif's rules: the highest `route_prio` wins; an interface that comes up takes over unless the present default is
strictly higher (ties: the newest wins); `set_default` overrides until its interface goes. The stack is told which
interface that is; it alone routes. Unlike esp_netif, a stack without any is told so, and one that is known to lead
nowhere (`ReachabilityPolicy`) gives way to one that is not. Gate held, where there is a stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from netif.errors import InvalidParams, NotFound
from netif.lifecycle import ELECTION, Cause, Choice
from netif.link import NetStack, StackInterface

if TYPE_CHECKING:
    from netif.netif import Netif


class Registry:
    """Interfaces, newest first. Without a stack it only keeps keys apart."""

    def __init__(self, stack: NetStack | None = None) -> None:
        self.stack = stack
        self.default: Netif | None = None
        self.needs_address = False  # whether only who has an address may be the default; esp_netif's may be without
        self._overridden = False
        self._netifs: dict[str, Netif] = {}
        self._told: tuple[StackInterface | None, tuple[bytes, ...]] = (None, ())

    def __iter__(self) -> Iterator[Netif]:
        return iter([*reversed(self._netifs.values())])

    def __len__(self) -> int:
        return len(self._netifs)

    def __contains__(self, netif: object) -> bool:
        return any(known is netif for known in self._netifs.values())

    def __repr__(self) -> str:
        default = "none" if self.default is None else self.default.if_key
        return f"<Registry of {', '.join(self._netifs) or 'nothing yet'}; default {default}>"

    def get(self, if_key: str) -> Netif | None:
        return self._netifs.get(if_key)

    def find(self, predicate: Callable[[Netif], object]) -> Netif | None:
        return next((netif for netif in self if predicate(netif)), None)

    def free_key(self, stem: str = "ETH_DEF") -> str:
        """A key that nobody has yet: "ETH_DEF", "ETH_DEF1", ..."""
        key, number = stem, 0
        while key in self._netifs:
            number += 1
            key = f"{stem}{number}"
        return key

    def add(self, netif: Netif) -> None:
        if self._netifs.get(netif.if_key, netif) is not netif:
            raise InvalidParams(f"if_key {netif.if_key!r} is taken by another interface of this stack; choose another")
        self._netifs[netif.if_key] = netif

    def remove(self, netif: Netif) -> None:
        if self._netifs.get(netif.if_key) is netif:
            del self._netifs[netif.if_key]
            if self.default is netif:
                self.decide(Cause.SET_DEFAULT, None)

    def decide(self, cause: Cause, netif: Netif | None) -> None:
        """Something has happened to `netif`: which is the default now? By the table."""
        choice = ELECTION[cause]
        if choice is Choice.OVERRIDE and netif is not None:
            self.default, self._overridden = netif, True
        elif choice is Choice.OVERRIDE:
            self._overridden = False
            self.default = self._elected()
        elif not self._overridden:
            self.default = self._challenged(netif) if choice is Choice.CHALLENGE else self._elected()
        self._tell(anew=choice is Choice.OVERRIDE)

    def set_default(self, netif: Netif | None) -> None:
        """Override the election, whether `netif` is up or not; None ends that and elects anew."""
        if netif is not None and netif not in self:
            raise NotFound(f"{netif!r} is not an interface of this stack; attach it first")
        self.decide(Cause.SET_DEFAULT, netif)

    def refresh(self) -> None:
        """The default's name servers may have changed."""
        self._tell()

    def _may_be(self, netif: Netif | None) -> bool:
        return netif is not None and netif.is_up and (netif.has_address or not self.needs_address)

    def _challenged(self, netif: Netif | None) -> Netif | None:
        default = self.default
        if netif is None or not self._may_be(netif):
            return default
        stays = default is not None and self._may_be(default) and _worth(default) > _worth(netif)
        return default if stays else netif

    def _elected(self) -> Netif | None:
        candidates = [netif for netif in self if self._may_be(netif)]
        return max(candidates, key=_worth, default=None)  # of equals the first, so the newest

    def _tell(self, *, anew: bool = False) -> None:
        """`anew`: also what the stack knows, for priorities may have changed, by which it chooses within a subnet."""
        default = self.default
        told = (None, ()) if default is None else (default.interface, default.dns)
        changed = told[0] is not self._told[0] or told[1] != self._told[1]
        if self.stack is not None and (changed or anew):
            self._told = told
            self.stack.set_default(*told)


def _worth(netif: Netif) -> tuple[bool, int]:
    return netif.reachable, netif.route_prio


def registry_of(stack: NetStack) -> Registry:
    """The registry of `stack`, kept on it as `stack.registry`; made at first need."""
    registry: Registry | None = getattr(stack, "registry", None)
    if registry is None:
        registry = Registry(stack)
        stack.registry = registry  # type: ignore[attr-defined]
    return registry
