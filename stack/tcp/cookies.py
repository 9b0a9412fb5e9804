"""SYN cookies: sequence numbers that remember a SYN in place of a table (RFC 4987 3.6).

A number says by which minute it was made and which segment size was offered; nobody without the secrets can make one.
Window scale, SACK and ECN go by the low bits of the timestamp, which the peer echoes; without timestamps they are lost.
Knows addresses, numbers and the time; no listener, no table, no header.
"""

from __future__ import annotations

from bisect import bisect_right

from netif.blake2 import blake2s
from netif.link import Dice
from netif.wire.options import MAX_WINDOW_SCALE, Options
from netif.wire.tcp import CWR, ECE
from stack.seq import MASK

SIZES = (48, 216, 536, 1200, 1360, 1440, 1460, 8960)  # bytes, of which a cookie remembers the largest that fits
PERIOD = 60.0  # seconds; each has numbers of its own
PERIODS = 2  # this one and the last: an answer takes no longer
_INDEX = 0xFFFFFF
_NO_SCALE = 15  # in the four lowest bits of the timestamp, which else hold the window scale
_SACK, _ECN, _SAID = 16, 32, 64

Address = tuple[bytes, int]


class Cookies:
    __slots__ = ("_early", "_late")

    def __init__(self, dice: Dice) -> None:
        self._early = dice.randbytes(16)
        self._late = dice.randbytes(16)

    def make(self, local: Address, remote: Address, irs: int, mss: int, now: float) -> int:
        """The ISS for a SYN `irs` of whoever takes segments of `mss`."""
        period = int(now / PERIOD)
        index = max(bisect_right(SIZES, mss) - 1, 0)
        late = self._hash(self._late, local, remote, irs, period) + index & _INDEX
        return self._hash(self._early, local, remote) + irs + (period << 24) + late & MASK

    def check(self, local: Address, remote: Address, irs: int, iss: int, now: float) -> int | None:
        """The segment size that `iss` remembers; None: we never sent it, or too long ago."""
        rest = iss - self._hash(self._early, local, remote) - irs & MASK
        period = int(now / PERIOD)
        age = period - (rest >> 24) & 0xFF
        if age >= PERIODS:
            return None
        index = rest - self._hash(self._late, local, remote, irs, period - age) & _INDEX
        return SIZES[index] if index < len(SIZES) else None

    @staticmethod
    def _hash(secret: bytes, local: Address, remote: Address, *more: int) -> int:
        text = b"%b%b%d %d %a" % (local[0], remote[0], local[1], remote[1], more)
        return int.from_bytes(blake2s(text, digest_size=4, key=secret).digest(), "big")


def remember(clock: int, theirs: Options, flags: int) -> int:
    """A TSval that is not later than `clock` and says in its low bits what the SYN offered."""
    said = _NO_SCALE if theirs.window_scale is None else theirs.window_scale
    if theirs.sack_permitted:
        said |= _SACK
    if flags & (ECE | CWR) == ECE | CWR:
        said |= _ECN
    value = clock - clock % _SAID + said
    return (value if value <= clock else value - _SAID) & MASK


def recall(echo: Options, mss: int) -> tuple[Options, int]:
    """What the SYN had offered, by the answer to our SYN-ACK: its options, and its ECE and CWR."""
    if echo.timestamp is None:
        return Options(mss=mss), 0
    tsval, tsecr = echo.timestamp
    scale = tsecr & 15
    offered = Options(
        mss=mss,
        window_scale=None if scale > MAX_WINDOW_SCALE else scale,
        sack_permitted=bool(tsecr & _SACK),
        timestamp=(tsval, 0),
    )
    return offered, ECE | CWR if tsecr & _ECN else 0
