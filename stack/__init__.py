"""Our TCP/IP: one `Stack` is one host. Sans I/O: frames, time and calls go in, frames and wake-ups come out.

`ethif_init` and `ethif_input` are the pair by which a Netif reaches a stack, `tunif_init` and `tunif_input` that of a
point-to-point link; without one named by `partial(ethif_init, stack=host)` that is the process's default stack, made at
first need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from netif.link import Attachment, Buffer, Medium, Offload

if TYPE_CHECKING:
    from stack.attached import AttachedInterface
    from stack.limits import Limits
    from stack.stack import Stack
    from stack.tcp.config import TcpConfig

__all__ = ["Limits", "Stack", "TcpConfig", "default_stack", "ethif_init", "ethif_input", "tunif_init", "tunif_input"]

_HOMES = {"Stack": "stack.stack", "Limits": "stack.limits", "TcpConfig": "stack.tcp.config"}


class _Default:
    """The process's own host; `netif_deinit` closes it."""

    stack: Stack | None = None


def default_stack() -> Stack:
    """The stack of whoever names none; made at first need, and anew after `netif_deinit`."""
    stack = _Default.stack
    if stack is None or stack.closed:
        from netif.esp import adopt
        from stack.stack import Stack

        stack = _Default.stack = Stack()
        adopt(stack)
    return stack


def ethif_init(netif: Attachment, *, stack: Stack | None = None) -> AttachedInterface:
    """An Ethernet interface of `stack`, or of the default one, for this netif."""
    return (default_stack() if stack is None else stack).attach(netif, Medium.ETHERNET)


def ethif_input(interface: AttachedInterface, frame: Buffer, offload: Offload | None = None) -> None:
    """One frame from the wire."""
    interface.input(frame, offload)


def tunif_init(netif: Attachment, *, stack: Stack | None = None) -> AttachedInterface:
    """A point-to-point interface of `stack`, or of the default one, for this netif."""
    return (default_stack() if stack is None else stack).attach(netif, Medium.POINT_TO_POINT)


def tunif_input(interface: AttachedInterface, packet: Buffer, offload: Offload | None = None) -> None:
    """One bare IP packet from the link."""
    interface.input(packet, offload)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
