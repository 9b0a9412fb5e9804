"""One segment that arrived: plain values, made once by the layer, its numbers unwrapped by whom it belongs to."""

from __future__ import annotations

import attrs

from netif.link import Buffer
from netif.wire.options import Options


def kept(frame: Buffer, start: int, end: int) -> Buffer:
    """frame[start:end] to be held: a view, unless that would pin more than twice as much memory."""
    view = memoryview(frame)[start:end]
    return view if 2 * (end - start) >= len(view.obj) else bytes(view)  # type: ignore[arg-type]


@attrs.define(eq=False)
class Segment:
    seq: int
    ack: int
    flags: int
    window: int  # as on the wire, unscaled
    options: Options
    payload: Buffer
    length: int  # of the payload
    gso_size: int  # payload bytes of each wire segment, 0 where the wire did not say
    urgent: int = 0  # the pointer, where the flags have URG

    def __str__(self) -> str:
        from netif.wire.notation import format_segment  # only who wants to read one pays for it

        return format_segment(
            self.flags, self.seq, self.length, self.ack, self.window, self.options, urgent=self.urgent
        )
