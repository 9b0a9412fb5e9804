"""What a router tells of itself: values, that any stack may answer with."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class ForwardingCounters:
    """Frames (a super-frame is one) and the bytes of their packets that were sent on; drops by their reason. What is
    lost later, at the link that it leaves by, is counted there."""

    frames: int = 0
    bytes: int = 0
    dropped: Mapping[str, int] = attrs.field(factory=dict)
