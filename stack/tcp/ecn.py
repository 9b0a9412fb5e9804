"""Explicit congestion notification (RFC 3168 6.1): what a connection knows that has agreed on it; others have none.

Both halves: of what comes, whether to echo a mark (ECE until CWR); of what goes, whether the window has been reduced
since CWR was sent last. Knows flags and code points; no window, no header, no time.
"""

from __future__ import annotations

from netif.wire.tcp import ACK, CWR, ECE

SETUP = ECE | CWR  # of an ECN-setup SYN; an ECN-setup SYN-ACK has ECE alone
ECT_0, CE = 2, 3  # in the two low bits of the TOS byte
CODE_POINT = 3


def agreed(flags: int) -> bool:
    """Does the peer's SYN ask for ECN, or its SYN-ACK accept? One that gives back all it is given does not (6.1.1)."""
    return flags & SETUP == (ECE if flags & ACK else SETUP)


class Ecn:
    __slots__ = ("answered", "code_point", "echo", "seen", "told")

    def __init__(self) -> None:
        self.code_point = 0  # of the packet that is being looked at
        self.seen = False  # the peer has sent something ECN-capable
        self.echo = False  # a mark has come that the peer has not said to have heard of
        self.answered = 0  # how often an echo has reduced the window
        self.told = 0  # reductions that CWR has told of

    def data(self, flags: int) -> bool:
        """Data has come that was acceptable. True: acknowledge it at once, for the peer's window may be tiny."""
        at_once = False
        if flags & CWR:
            self.echo = False
            at_once = True
        code_point = self.code_point
        if code_point == CE:
            at_once |= not self.echo
            self.echo = True
        if code_point:
            self.seen = True
        elif self.seen:
            at_once = True  # 6.1.5: probably a retransmission (as Linux)
        return at_once

    def flags(self, reductions: int, fresh: bool) -> int:
        """What the header of a segment says; `fresh`: it brings data for the first time."""
        flags = ECE if self.echo else 0
        if fresh and reductions != self.told:
            self.told = reductions
            flags |= CWR  # 6.1.2: also after a loss
        return flags
