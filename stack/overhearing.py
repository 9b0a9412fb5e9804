"""Who, on one host, looks at raw frames or packets: drivers then leave nothing out, whatever the engines could use.

Part of the Stack: its hook before everything else, and what its interfaces are told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from netif.link import Attachment, Buffer, Offload

if TYPE_CHECKING:
    from stack.interface import Interface
    from stack.l2tap import L2Tap
    from stack.socket.l2tap import FrameSocket

Forward: TypeAlias = "Callable[[Interface, Buffer, Offload | None], bool]"


class Overhearing:
    def __init__(self) -> None:
        super().__init__()
        self.links: dict[int, Interface] = {}  # all that is attached, up or not, by index
        self.overhearing: dict[object, None] = {}  # who looks at all that comes in
        self.l2taps: dict[tuple[str, int], L2Tap] = {}  # by the interface's name, and ethertype
        self._forward: Forward | None = None

    @property
    def forward(self) -> Forward | None:
        """Sees every frame that comes in before the stack does; True: it took it."""
        return self._forward

    @forward.setter
    def forward(self, forward: Forward | None) -> None:
        self._forward = forward
        self.overhear("forward", forward is not None)

    def overhear(self, holder: object, everything: bool) -> None:
        """`holder` looks at raw frames or packets, or does no longer."""
        if everything:
            self.overhearing[holder] = None
        else:
            self.overhearing.pop(holder, None)
        for link in list(self.links.values()):
            link.overheard(bool(self.overhearing))

    def heard(self, port: int, add: bool) -> None:
        """Somebody is bound to this UDP port now, or nobody any more."""
        for link in self.links.values():
            link.heard(port, add)

    def l2tap(self: Any, netif: Attachment | str, ethertype: int, *, any_source: bool = False) -> FrameSocket:
        """A socket of raw frames of this ethertype (0: of those with a length) by this netif, or its name. They are
        whole, from the destination on; `any_source`: under whatever MAC. ValueError, OSError(ENODEV, EADDRINUSE)."""
        from stack.socket.l2tap import Frames, FrameSocket

        return FrameSocket._of(self.runtime, Frames(self, netif, ethertype, any_source))  # type: ignore[return-value]
