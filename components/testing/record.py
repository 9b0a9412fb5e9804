"""What was said on a Lan: every frame once, from its sender, in order, with its text in the project's notation.

A bounded memory (`FRAMES`, `BYTES`): the oldest go, and are counted. Frames are read when somebody asks for them, and
not while the Lan runs. Refuses to know what anybody expects (`trace`).
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import chain, islice
from typing import TypeAlias

import attrs

from components.testing.kinds import Repeats
from netif.link import Buffer, Offload
from netif.wire import ethernet, ip, tcp, udp
from netif.wire.notation import Relative, SegmentText, parse_segment
from tapio.filter import Facts, look
from tapio.script import Direction

Naming: TypeAlias = Callable[[bytes], str | None]  # the name of the host with that address

FRAMES = 100_000  # that are remembered
BYTES = 64 << 20
_LATEST = 256  # frames among which one is looked for that befell something on its way
_ADDRESS = re.compile(r"\b(\d+\.\d+\.\d+\.\d+)(?=[\s.:]|$)")


@attrs.define(eq=False, repr=False, slots=False)
class Seen:
    """One frame: when, from whom, its bytes, and what it says."""

    time: float  # seconds, of the Lan's clock
    sender: str  # the host that put it on the wire
    frame: bytes
    text: str  # as in "client.49152 > server.7: S. 0:0(0) ack 1 win 65535 <mss 1460>"
    is_repeated: bool  # a retransmission
    fate: str  # what befell it, as in "drop('1st SYN')" or "lost: 5 % loss"; else ""
    _name_of: Naming
    _began: float

    @cached_property
    def facts(self) -> Facts:
        """Its kinds, hosts and ports (`tapio.filter`)."""
        return look(self.frame)

    @cached_property
    def segment(self) -> SegmentText | None:
        """Of a TCP segment: flags, seq, end, ack, window, options, length, counted from the connection's beginning."""
        if "tcp" not in self.facts.kinds or not self.facts.ports:
            return None
        return parse_segment(self.text.partition(": ")[2])

    @cached_property
    def data(self) -> bytes:
        """What a TCP segment or a UDP datagram carries."""
        if not self.facts.ports:
            return b""
        header_len, total_len, *_ = ip.parse(self.frame, ethernet.HEADER_LENGTH)
        start, end = ethernet.HEADER_LENGTH + header_len, ethernet.HEADER_LENGTH + total_len
        is_tcp = "tcp" in self.facts.kinds
        return self.frame[start + (tcp.parse(self.frame, start, end)[4] if is_tcp else udp.HEADER_LENGTH) : end]

    @property
    def src(self) -> str:
        """A host's name, or an address, of whoever IP or ARP says sent it; else ""."""
        return self._end(0)

    @property
    def dst(self) -> str:
        return self._end(1)

    @property
    def sport(self) -> int | None:
        return self.facts.ports[0] if self.facts.ports else None

    @property
    def dport(self) -> int | None:
        return self.facts.ports[1] if self.facts.ports else None

    def _end(self, side: int) -> str:
        if not self.facts.hosts:
            return ""
        address = self.facts.hosts[side]
        return self._name_of(address) or ip.format_address(address)

    def __str__(self) -> str:
        return f"{self.time - self._began:.6f} {self.text}" + (f"  [{self.fate}]" if self.fate else "")

    def __repr__(self) -> str:
        return f"<Seen {self}>"


@attrs.define(eq=False)
class _Raw:
    """A frame as it came."""

    time: float
    sender: str
    frame: bytes
    fate: str


class Record:
    """A sink of a Sniff that remembers. `remark` is said of the frame that is noted next."""

    def __init__(self, name_of: Naming, *, frames: int = FRAMES, size: int = BYTES) -> None:
        self.forgotten = 0  # frames
        self.count = 0  # of all frames
        self.remark = ""
        self.began = 0.0  # times are shown from here on
        self._name_of = name_of
        self._frames, self._size = frames, size
        self._raw: deque[_Raw] = deque()  # not yet read
        self._seen: deque[Seen] = deque()
        self._bytes = 0
        self._lock = threading.RLock()  # on a real clock a test reads while frames come
        self._relative = Relative()
        self._repeats = Repeats()

    def frame(
        self, direction: Direction, when: float, buffers: tuple[Buffer, ...], offload: Offload | None, interface: str
    ) -> None:
        frame = b"".join(buffers)
        remark, self.remark = self.remark, ""
        self._raw.append(_Raw(when, interface, frame, remark))
        self.count += 1
        self._bytes += len(frame)
        while self.count - self.forgotten > self._frames or self._bytes > self._size:
            self._forget()

    def befell(self, frame: bytes, fate: str) -> None:
        """This befell the last of these frames at its far end; if it was one of the last."""
        with self._lock:
            both: Iterator[_Raw | Seen] = chain(reversed(self._raw), reversed(self._seen))
            found = next((one for one in islice(both, _LATEST) if one.frame == frame and not one.fate), None)
            if found is not None:
                found.fate = fate

    def flush(self) -> None:
        """It is all here."""

    def _forget(self) -> None:
        with self._lock:
            if not self._seen:
                self._read()  # what numbers count from is not to be forgotten
            self._bytes -= len(self._seen.popleft().frame)
            self.forgotten += 1

    def _read(self) -> None:
        while self._raw:
            raw = self._raw.popleft()
            text = _ADDRESS.sub(self._named, self._relative.format_frame(raw.frame))
            is_repeated = self._repeats.is_repeated(raw.frame)
            args = raw.time, raw.sender, raw.frame, text, is_repeated, raw.fate
            self._seen.append(Seen(*args, self._name_of, self.began))

    def _named(self, match: re.Match[str]) -> str:
        return self._name_of(ip.parse_address(match[1])) or match[1]

    def __iter__(self) -> Iterator[Seen]:
        with self._lock:
            self._read()
            return iter(tuple(self._seen))

    def __len__(self) -> int:
        return self.count - self.forgotten

    def __repr__(self) -> str:
        return f"<Record of {len(self)} frames>"
