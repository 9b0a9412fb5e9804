"""How a connection begins: initial sequence numbers (RFC 6528), segment sizes (RFC 9293 3.7.1, RFC 6691) and window
scales (RFC 7323 2). Plain functions of what both sides said; sends nothing.
"""

from __future__ import annotations

from netif.blake2 import blake2s
from netif.link import Dice
from netif.wire.options import MAX_WINDOW_SCALE, Options
from stack.seq import MASK
from stack.tcp.config import TcpConfig

MINIMUM_MSS = 48  # a peer that offers less would have us send headers alone (Linux: TCP_MIN_SND_MSS)
DEFAULT_MSS = 536  # RFC 9293 MUST-15, for IPv4
_TICKS = 250_000  # RFC 9293 3.4.1: the ISN clock ticks every 4 us


class InitialNumbers:
    """ISN = M + F(local address, local port, remote address, remote port, secret)."""

    __slots__ = ("_keyed", "timestamp_base")

    def __init__(self, dice: Dice) -> None:
        self._keyed = blake2s(digest_size=4, key=dice.randbytes(16))
        # One for all connections: it hides the uptime, and stays monotonic when a port is used again (RFC 6191)
        self.timestamp_base = dice.getrandbits(32)

    def choose(self, local: tuple[bytes, int], remote: tuple[bytes, int], now: float) -> int:
        hashed = self._keyed.copy()
        hashed.update(b"%b%b%d %d" % (local[0], remote[0], local[1], remote[1]))
        return int.from_bytes(hashed.digest(), "big") + int(now * _TICKS) & MASK


def own_mss(config: TcpConfig, mtu: int, address_length: int) -> int:
    """What we announce: what the link can carry, options not counted."""
    mss = min(mtu - (40 if address_length == 4 else 60), 0xFFFF)
    return mss if config.mss is None else min(config.mss, mss)


def peer_mss(theirs: Options) -> int:
    return DEFAULT_MSS if theirs.mss is None else max(theirs.mss, MINIMUM_MSS)


def window_shift(receive_buffer: int) -> int:
    """The smallest scale under which the whole receive buffer can be offered."""
    return min(MAX_WINDOW_SCALE, (receive_buffer >> 16).bit_length())
