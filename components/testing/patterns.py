"""Which frames a test expects, in the project's notation: "client > S", "server > S. win 0", "icmp port unreachable".

A pattern is [[HOST[.PORT]] > [HOST[.PORT]:]] WHAT. WHAT is a segment's flags, then as much of the rest of its notation
as matters (`A:B(N)` or `(N)`, `ack N`, `win N`, `<mss 1460>`); or a kind of frame (`kinds`) and words of its text.
Of S, F and R a segment has exactly those that are written, "." (ACK) if it is, and a bare S is no SYN-ACK; others of
its flags are as they may.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import attrs

from components.testing.kinds import KINDS, REPEATED, kind_of
from components.testing.record import Seen
from netif.wire import ip, tcp
from tapio.filter import Filter, filter_of

_PATTERN = re.compile(r"(?:(?P<src>[^\s<>]+)?\s*>\s*(?:(?P<dst>[^\s<>]+):\s+)?)?(?P<what>\S.*)")
_SEGMENT = re.compile(
    r"(?P<flags>[FSRP.UEW]+|-)(?:\s+(?:(?P<seq>\d+):(?P<end>\d+))?\((?P<length>\d+)\))?"
    r"(?:\s+ack\s+(?P<ack>\d+))?(?:\s+win\s+(?P<window>\d+))?(?:\s+urg\s+(?P<urgent>\d+))?(?:\s+<(?P<options>[^>]*)>)?"
)
_LETTERS = "FSRP.UEW"
_NUMBERS = ("seq", "end", "length", "ack", "window", "urgent")
_ENDS = tcp.SYN | tcp.FIN | tcp.RST
_HOW = "write it as in 'client > S', 'server.80 > client: P. 1:6(5)', 'R' or 'icmp port unreachable'"


@attrs.frozen
class End:
    """Of whom a frame is, or for whom; None: anybody, any port."""

    host: str | None = None
    port: int | None = None

    def fits(self, seen: Seen, side: int) -> bool:
        """Source: 0, destination: 1."""
        if self.port is not None and seen.facts.ports[side : side + 1] != (self.port,):
            return False
        if self.host is None or self.host == (seen.src, seen.dst)[side]:
            return True
        if side == 0 and self.host == seen.sender:
            return True
        return bool(seen.facts.hosts) and self.host == ip.format_address(seen.facts.hosts[side])


@attrs.frozen
class Pattern:
    """Kept with the text that it was made of."""

    text: str
    src: End
    dst: End
    must: int = 0  # flags that are to be set
    mask: int = 0  # of these none but `must`
    numbers: dict[str, int] | None = None  # of a segment; None: it is none
    words: str = ""  # that its text, or a segment's options, are to contain
    frames: tuple[Filter, ...] = ()  # any of them
    is_repeated: bool = False

    def fits(self, seen: Seen) -> bool:
        if not (self.src.fits(seen, 0) and self.dst.fits(seen, 1)):
            return False
        if self.numbers is None:
            kinds = any(frames.holds(seen.facts) for frames in self.frames)
            return kinds and self.words in seen.text and (seen.is_repeated or not self.is_repeated)
        segment = seen.segment
        if segment is None or segment.flags & (self.mask | self.must) != self.must:
            return False
        if any(getattr(segment, name) != number for name, number in self.numbers.items()):
            return False
        return not self.words or self.words in seen.text

    def __str__(self) -> str:
        return self.text


def pattern(text: str, hosts: Callable[[], Sequence[str]]) -> Pattern:
    """What `text` means, where hosts of these names are; ValueError or TypeError of one line."""
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no pattern: write each in a string of its own, as in 'client > S', 'server > S.'")
    match = _PATTERN.fullmatch(" ".join(text.split()))
    if match is None:
        raise ValueError(f"{text!r} is no pattern: {_HOW}")
    try:
        src, dst = _end(match["src"], hosts), _end(match["dst"], hosts)
        return _of_segment(text, src, dst, match["what"]) or _of_frame(text, src, dst, match["what"])
    except ValueError as error:
        raise ValueError(f"{text!r} is no pattern: {error}") from None


def _end(text: str | None, hosts: Callable[[], Sequence[str]]) -> End:
    if text is None:
        return End()
    names = hosts()
    if text in names:
        return End(text)
    host, dot, port = text.rpartition(".")
    if dot and port.isdigit() and (host in names or _is_address(host)):
        return End(host, int(port))
    if not _is_address(text):
        raise ValueError(f"there is no host {text!r}; here are {', '.join(names) or 'none yet'}")
    return End(text)


def _is_address(text: str) -> bool:
    try:
        ip.parse_address(text)
    except ValueError:
        return False
    return True


def _of_segment(text: str, src: End, dst: End, what: str) -> Pattern | None:
    match = _SEGMENT.fullmatch(what)
    if match is None:
        return None
    letters = match["flags"]
    must = 0 if letters == "-" else sum(1 << _LETTERS.index(letter) for letter in set(letters))
    mask = _ENDS | tcp.ACK if letters == "-" or must & tcp.SYN else _ENDS
    numbers = {name: int(match[name]) for name in _NUMBERS if match[name] is not None}
    return Pattern(text, src, dst, must, mask, numbers, match["options"] or "")


def _of_frame(text: str, src: End, dst: End, what: str) -> Pattern:
    word, _, rest = what.partition(" ")
    kind = kind_of(word)
    if kind is None:
        raise ValueError(f"{word!r} is neither flags nor one of {', '.join(KINDS)}; {_HOW}")
    frames = tuple(filter_of(one) for one in KINDS[kind])
    return Pattern(text, src, dst, words=rest, frames=frames, is_repeated=kind == REPEATED)
