"""What somebody on the way makes of a frame of a real conversation: changed where it hurts, checksums right again.

A change knows the structure of what it changes: sequence numbers move by what matters, options are walked and replaced,
packets are cut into fragments that fit, overlap or lack one, segments are put together to super-frames.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from netif.link import NONE, VALID, Offload
from netif.wire import icmp, ip, udp
from netif.wire.options import emit_sack, emit_timestamp
from netif.wire.tcp import ACK, FIN, PSH, RST, SYN, URG
from tests.stack.fuzz.frames import with_checksums, with_ip_header

Frames: TypeAlias = list[tuple[bytes, Offload | None]]
ECE, CWR = 0x40, 0x80
STEPS = (1, -1, 2, 1000, -1000, 1460, -1460, 65535, -65535, 1 << 20, 1 << 31, (1 << 31) - 1)


def is_ip(frame: bytes) -> bool:
    return len(frame) >= 34 and frame[12:14] == b"\x08\0" and frame[14] == 0x45


def is_tcp(frame: bytes) -> bool:
    return is_ip(frame) and frame[23] == ip.TCP and len(frame) >= 54 and not frame[20] & 0x3F and not frame[21]


class Tamperer:
    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.seen: deque[bytes] = deque(maxlen=200)

    def changed(self, frame: bytes) -> Frames:
        """Frames to be heard beside this one, or instead of it."""
        self.seen.append(frame)
        dice = self.dice
        if not is_ip(frame) or dice.random() < 0.1:
            return [(self._bits(frame), None)]
        ways = self.OF_TCP if is_tcp(frame) else self.OF_IP
        made = dice.choice(ways)(self, frame)
        out: Frames = []
        for one in made:
            if dice.random() < 0.9:
                one = with_checksums(one)
            out.append((one, self._claim(one)))
        return out

    def report(self, frame: bytes) -> bytes:
        """An ICMP error about it, for whoever sent it."""
        dice = self.dice
        kind = dice.choice((3, 3, 3, 4, 5, 11, 12))
        code = dice.choice((0, 1, 2, 3, 4, 4, 4, 13))
        message = icmp.emit(kind, code, dice.choice((0, 68, 296, 576, 1280, 1499, 65535)), frame[14 : 14 + 28])
        header = ip.emit(frame[30:34], frame[26:30], ip.ICMP, len(message), ident=dice.getrandbits(16))
        return frame[6:12] + frame[:6] + b"\x08\0" + header + message

    def _claim(self, frame: bytes) -> Offload | None:
        """Mostly none: its checksums are verified. Sometimes the driver vouches for it, or for forty segments in it."""
        chance = self.dice.random()
        if chance < 0.8:
            return None
        if chance < 0.85:
            return Offload(NONE)
        gso_size = self.dice.choice((0, 0, 1, 100, 536, 1460, 65535)) if is_ip(frame) else 0
        return Offload(VALID, 0, 0, gso_size)

    # any frame

    def _bits(self, frame: bytes) -> bytes:
        dice = self.dice
        made = bytearray(frame)
        for _ in range(dice.randrange(1, 4)):
            made[dice.randrange(min(len(made), 90))] ^= 1 << dice.randrange(8)
        return bytes(made[: dice.choice((len(made), len(made), dice.randrange(1, len(made) + 1)))])

    def _again(self, frame: bytes) -> list[bytes]:
        return [self.dice.choice(self.seen)] * self.dice.choice((1, 1, 3, 20))

    def _back(self, frame: bytes) -> list[bytes]:
        """As if the receiver had sent it, or its address."""
        made = frame[6:12] + frame[:6] + frame[12:26] + frame[30:34] + frame[26:30] + frame[34:]
        return [made if self.dice.random() < 0.7 else frame[6:12] + frame[:6] + frame[12:]]

    # any IP packet

    def _ip_field(self, frame: bytes) -> list[bytes]:
        dice = self.dice
        made = bytearray(frame)
        at, value = dice.choice(
            (
                (15, dice.randrange(256)),
                (16, made[16] ^ 1 << dice.randrange(8)),
                (17, dice.randrange(256)),
                (20, dice.randrange(256)),
                (21, dice.randrange(256)),
                (22, dice.choice((0, 1, 255))),
                (23, dice.choice((1, 2, 6, 17, 47, 255))),
                (29, dice.randrange(256)),
                (33, dice.choice((0, 255, made[33] ^ 1))),
            )
        )
        made[at] = value
        return [bytes(made)]

    def _ip_options(self, frame: bytes) -> list[bytes]:
        dice = self.dice
        room = dice.choice((4, 8, 12, 40))
        kind = dice.choice((1, 7, 68, 130, 131, 137, 148, dice.randrange(256)))
        length = dice.choice((0, 1, 2, 3, 4, 11, room, 39, 255))
        option = bytes((kind, length)) + bytes((dice.choice((0, 3, 4, 5, 255)),)) + dice.randbytes(40)
        return [with_ip_header(frame, option[:room])]

    def _fragments(self, frame: bytes) -> list[bytes]:
        """Of the whole packet; one may be missing, sent twice, longer than it was, or of another datagram."""
        dice = self.dice
        body = frame[34:]
        size = 8 * dice.choice((1, 3, 25, 60, 185))
        if len(body) // size > 60:
            size = 1480
        ident = dice.choice((7, dice.getrandbits(16)))
        made = []
        for at in range(0, len(body), size):
            longer = 8 * dice.choice((0,) * 12 + (1, 2, 40))
            piece = body[at : at + size + longer]
            more = ip.MF if at + size < len(body) or dice.random() < 0.03 else 0
            header = ip.emit(frame[26:30], frame[30:34], frame[23], len(piece), ident=ident, fragment=more | at >> 3)
            made.append(frame[:14] + header + piece)
        chance = dice.random()
        if chance < 0.15:
            made.pop(dice.randrange(len(made)))
        elif chance < 0.3:
            made.append(dice.choice(made))
        elif chance < 0.6:
            dice.shuffle(made)
        return made

    # TCP segments

    def _number(self, frame: bytes) -> list[bytes]:
        dice = self.dice
        at = dice.choice((38, 42))
        number = int.from_bytes(frame[at : at + 4], "big") + dice.choice((*STEPS, dice.randrange(-70_000, 70_000)))
        return [frame[:at] + (number & 0xFFFFFFFF).to_bytes(4, "big") + frame[at + 4 :]]

    def _flags(self, frame: bytes) -> list[bytes]:
        made = bytearray(frame)
        made[47] = self.dice.choice(
            (ACK, ACK | FIN, SYN, SYN | ACK, ACK | PSH, ACK | URG, ACK | ECE, ACK | CWR, 0, 255)
        )
        if self.dice.random() < 0.05:
            made[47] = RST
        return [bytes(made)]

    def _window(self, frame: bytes) -> list[bytes]:
        return [frame[:48] + self.dice.choice((0, 0, 1, 100, 1460, 65535)).to_bytes(2, "big") + frame[50:]]

    def _urgent(self, frame: bytes) -> list[bytes]:
        made = bytearray(frame)
        made[47] |= URG
        made[52:54] = self.dice.choice((0, 1, 100, 65535)).to_bytes(2, "big")
        return [bytes(made)]

    def _options(self, frame: bytes) -> list[bytes]:
        """Other options; those that were there may stay, with others' values."""
        dice = self.dice
        words = frame[46] >> 4
        end = 34 + 4 * max(words, 5)
        kept = frame[54:end] if dice.random() < 0.5 else b""
        ack = int.from_bytes(frame[42:46], "big")
        blocks = []
        for _ in range(dice.randrange(1, 5)):
            left = ack + dice.choice((0, 1, 1460, 2920, 14_600, -1, -1460, dice.randrange(-70_000, 70_000), 1 << 31))
            right = left + dice.choice((1, 8, 1460, 1460, 14_600, 0, -1, 1 << 31))
            blocks.append((left & 0xFFFFFFFF, right & 0xFFFFFFFF))
        other = dice.choice(
            (
                emit_sack(tuple(blocks)),
                emit_sack(tuple(blocks)),
                emit_timestamp(dice.getrandbits(32), dice.getrandbits(32)),
                b"\1\1\x08\x0a" + bytes(8),
                b"\2\4" + dice.randbytes(2),
                b"\3\3" + dice.randbytes(1) + b"\1",
                b"\4\2\1\1",
                b"\x22\x0a" + dice.randbytes(8) + b"\1\1",
                dice.randbytes(4 * dice.randrange(1, 11)),
            )
        )
        options = (kept + other)[: 40 - 40 % 4]
        options = options[: len(options) - len(options) % 4]
        return [self._rebuilt(frame, options, frame[end:])]

    def _payload(self, frame: bytes) -> list[bytes]:
        dice = self.dice
        end = 34 + 4 * max(frame[46] >> 4, 5)
        options, payload = frame[54:end], frame[end:]
        changed = dice.choice(
            (
                payload[: dice.randrange(len(payload) + 1)],
                payload + dice.randbytes(dice.choice((1, 1460, 20_000))),
                dice.randbytes(len(payload)),
                b"",
                payload[dice.randrange(len(payload) + 1) :],
            )
        )
        return [self._rebuilt(frame, options, changed[:60_000])]

    def _cut(self, frame: bytes) -> list[bytes]:
        """The same bytes in many small segments, in any order."""
        dice = self.dice
        end = 34 + 4 * max(frame[46] >> 4, 5)
        options, payload = frame[54:end], frame[end:]
        size = dice.choice((1, 7, 100, 536))
        made = []
        first = int.from_bytes(frame[38:42], "big")
        for at in range(0, min(len(payload), 40 * size), size):
            seq = (first + at & 0xFFFFFFFF).to_bytes(4, "big")
            moved = frame[:38] + seq + frame[42:]
            made.append(self._rebuilt(moved, options, payload[at : at + size]))
        if dice.random() < 0.5:
            dice.shuffle(made)
        return made or [frame]

    @staticmethod
    def _rebuilt(frame: bytes, options: bytes, payload: bytes) -> bytes:
        """The same segment with other options and payload: lengths are right, checksums not yet."""
        total = 40 + len(options) + len(payload)
        made = bytearray(frame[:54] + options + payload)
        made[16:18] = total.to_bytes(2, "big")
        made[46] = (5 + len(options) // 4) << 4 | made[46] & 15
        return bytes(made)

    # UDP datagrams and what else there is

    def _udp_length(self, frame: bytes) -> list[bytes]:
        if frame[23] != ip.UDP or len(frame) < 34 + udp.HEADER_LENGTH:
            return self._ip_field(frame)
        return [frame[:38] + self.dice.choice((0, 7, 8, 9, 65535)).to_bytes(2, "big") + frame[40:]]

    OF_IP: tuple[Callable[[Tamperer, bytes], list[bytes]], ...] = (
        _again, _back, _ip_field, _ip_options, _fragments, _fragments, _udp_length,
    )  # fmt: skip
    OF_TCP = (
        _again, _back, _ip_field, _ip_options, _fragments, _number, _number, _number, _flags, _flags, _window, _urgent,
        _options, _options, _options, _payload, _cut,
    )  # fmt: skip
