"""The frames that an attacker makes: aimed at living connections, sound to their last checksum, or broken."""

from __future__ import annotations

import random
from typing import Any

from netif.link import NONE, PARTIAL, VALID, Offload
from netif.wire import ethernet, icmp, igmp, ip, tcp, udp
from netif.wire.checksum import complete, partial_sum, pseudo_header
from netif.wire.options import emit_timestamp
from netif.wire.tcp import ACK, FIN, PSH, RST, SYN, URG
from stack.tcp.connection import Connection
from stack.tcp.states import ESTABLISHED, SYN_RECEIVED, SYN_SENT
from stack.tcp.time_wait import TimeWait
from tests.stack.attacker import segment
from tests.stack.fuzz.population import Population
from tests.stack.fuzz.scene import (
    ECHO,
    FAR,
    GROUP_MACS,
    GROUPS,
    HONEST,
    HONEST_MAC,
    NOWHERE,
    OPEN,
    STRANGE_MACS,
    STRANGERS,
    UNACCEPTED,
    Scene,
)
from tests.stack.rig import OTHER_MAC, OUR_MAC, US, answers, asks, datagram, echo, icmp_error, packet


class Attacker:
    """Makes frames: `aimed` at living connections, `sound` to their last checksum, or `broken`."""

    FLAGS = (ACK, ACK, ACK, ACK | PSH, ACK | FIN, SYN, SYN | ACK, RST, RST | ACK, ACK | URG, 0, FIN, 255, SYN | FIN)

    def __init__(self, scene: Scene, population: Population, dice: random.Random) -> None:
        self.scene = scene
        self.population = population
        self.dice = dice
        self.fragments: list[bytes] = []  # of the datagram in hand, that are still to come

    def offload(self, frame: bytes) -> Offload | None:
        """What a wire might claim about a frame."""
        dice = self.dice
        return dice.choice(
            (
                Offload(NONE),
                Offload(VALID),
                Offload(VALID, 0, 0, dice.choice((1, 536, 1460, 65535))),
                Offload(PARTIAL, 34, 16, dice.choice((0, 100, 1460))),
                Offload(PARTIAL, dice.randrange(65536), dice.randrange(65536), dice.randrange(65536)),
            )
        )

    # at living connections

    def aimed(self) -> bytes:
        dice = self.dice
        entries = self.population.entries()
        if not entries or dice.random() < 0.05:
            return self.blind()
        entry = dice.choice(entries)
        if isinstance(entry, TimeWait):
            local, remote = entry.key[:2], entry.key[2:]
            rcv_nxt, edge, una, nxt = entry.rcv_nxt, entry.rcv_nxt + 100, entry.snd_nxt, entry.snd_nxt
        else:
            local, remote = entry.local, entry.remote
            receiver, sender = entry.receiver, entry.sender
            rcv_nxt, edge, una, nxt = receiver.rcv_nxt, receiver.edge, sender.snd_una, sender.snd_nxt
        flags = dice.choice(self.FLAGS)
        if flags & RST and dice.random() < 0.7:
            flags = ACK
        if isinstance(entry, Connection) and entry.state is SYN_SENT:
            flags = dice.choice((SYN | ACK, SYN | ACK, SYN, ACK, RST | ACK, RST))
        if isinstance(entry, Connection) and entry.orphan and dice.random() < 0.5:
            flags |= ACK
        seq = dice.choice((rcv_nxt, rcv_nxt, rcv_nxt, rcv_nxt - 1, rcv_nxt + 1, edge - 1, edge, edge + 1))
        if dice.random() < 0.3:
            seq = rcv_nxt + dice.choice((dice.randrange(-3000, max(1, edge - rcv_nxt) + 1), -(1 << 31), 1 << 31))
        ack = dice.choice((una, una, nxt, nxt, (una + nxt) // 2, una + 1, nxt + 1, una - 1, nxt + (1 << 31)))
        payload = b""
        if dice.random() < 0.6 and not flags & SYN:
            payload = dice.randbytes(dice.choice((1, 2, 100, 536, 1460, 1460, max(0, min(edge - rcv_nxt, 20_000)))))
        return segment(
            remote[1],
            local[1],
            seq,
            ack,
            flags,
            payload,
            window=dice.choice((0, 1, 100, 4096, 65535, 65535)),
            options=self._options(entry),
            urgent=dice.choice((0, 0, 1, 65535)),
            src=remote[0],
            mac=dice.choice(STRANGE_MACS),
        )

    def _options(self, entry: Connection | TimeWait) -> bytes:
        dice = self.dice
        kind = dice.random()
        recent = entry.ts_recent or 0
        stamped = entry.ts_recent is not None if isinstance(entry, TimeWait) else entry.stamped
        if stamped and kind < 0.9:
            ahead = dice.choice((0, 1, 1, 10, 10, 1000, -1, -1000, 1 << 31, (1 << 31) - 1))
            return emit_timestamp(recent + ahead & 0xFFFFFFFF, dice.getrandbits(32))
        if kind < 0.8:
            return b""
        if kind < 0.9:
            return dice.choice((b"\2\4\5\xb4", b"\2\4\0\0", b"\3\3\x0e\1", b"\4\2\1\1", b"\5\x0a" + bytes(10)))
        return dice.randbytes(4 * dice.randrange(11))

    def blind(self) -> bytes:
        """At the honest connection, whose numbers nobody but its ends knows."""
        dice = self.dice
        key = next((key for key in self.scene.stack.tcp.connections if key[2] == HONEST), None)
        if key is None:
            return self.sound()
        return segment(
            key[3],
            key[1],
            dice.getrandbits(32),
            dice.getrandbits(32),
            dice.choice(self.FLAGS),
            dice.randbytes(dice.randrange(100)),
            src=HONEST,
            mac=HONEST_MAC,
        )

    def shower(self) -> list[bytes]:
        """At one connection: segments with holes between them."""
        living = [entry for entry in self.population.entries() if entry.state is ESTABLISHED]
        if not living:
            return [self.aimed()]
        entry = self.dice.choice(living)
        assert isinstance(entry, Connection)
        local, remote = entry.local, entry.remote
        return [
            segment(
                remote[1],
                local[1],
                entry.receiver.rcv_nxt + 5 * number,
                entry.sender.snd_una,
                ACK,
                b"drop",
                options=self._options(entry),
                src=remote[0],
            )
            for number in range(1, 9)
        ]

    # sound to the last checksum

    def flood(self) -> list[bytes]:
        """A SYN flood."""
        dice = self.dice
        return [segment(dice.randrange(1, 2000), OPEN, number, 0, SYN, **self._from()) for number in range(30)]

    def sound(self) -> bytes:
        return self.dice.choice(self.KINDS)(self)

    def _from(self) -> dict[str, Any]:
        """Mostly a neighbour who may be one."""
        dice = self.dice
        index = dice.randrange(len(STRANGERS))
        where = {"src": STRANGERS[index], "mac": STRANGE_MACS[index]}
        chance = dice.random()
        if chance < 0.1:
            where["src"] = bytes((10, 0, 0, dice.randrange(100, 254)))
        elif chance < 0.2:
            where["src"] = dice.choice(NOWHERE)
        elif chance < 0.25:
            where["src"] = FAR
        if dice.random() < 0.06:
            where["dst"] = dice.choice((*NOWHERE, *GROUPS, STRANGERS[0]))
        if dice.random() < 0.06:
            where["to"] = dice.choice((*GROUP_MACS, OTHER_MAC))
        if dice.random() < 0.02:
            where["fragment"] = dice.choice((ip.MF, 5, ip.MF | 100, 0))
        return where

    def _ping(self) -> bytes:
        dice = self.dice
        size = dice.choice((0, 1, 56, 1400, 1472, 5000))
        kind = dice.choice((icmp.ECHO, icmp.ECHO, icmp.ECHO_REPLY))
        return echo(dice.randbytes(size), ident=dice.choice((5, 5, 6, 0)), kind=kind, **self._from())

    def _icmp(self) -> bytes:
        dice = self.dice
        message = icmp.emit(dice.randrange(256), dice.randrange(16), dice.getrandbits(32), dice.randbytes(40))
        return packet(message, ip.ICMP, **self._from())

    def _report(self) -> bytes:
        """An ICMP error about what the victim sent, or did not."""
        dice = self.dice
        where = self._from()
        if self.scene.wire.overheard and dice.random() < 0.5:
            about = dice.choice(self.scene.wire.overheard)[0]
        else:
            about = segment(OPEN, 2000, 1, 1, ACK, src=US, dst=where["src"])
        kind = dice.choice((3, 3, 3, 3, 4, 5, 11, 12))
        return icmp_error(kind, dice.randrange(16), about, rest=dice.choice((0, 68, 576, 1400, 65535)), **where)

    def _datagram(self) -> bytes:
        dice = self.dice
        port = dice.choice((53, 53, 54, 55, 0, 4000, dice.randrange(65536)))
        return datagram(dice.randbytes(dice.choice((0, 1, 500, 1472))), dice.choice((5000, 0, 7)), port, **self._from())

    def _knock(self) -> bytes:
        dice = self.dice
        port = dice.choice((OPEN, UNACCEPTED, 4000, 0))
        flags = dice.choice((SYN, SYN, SYN, ACK, SYN | ACK, RST, FIN, 255))
        options = dice.choice((b"", b"\2\4\5\xb4", b"\2\4\0\1\1\3\3\xff", dice.randbytes(4 * dice.randrange(11))))
        numbers = (dice.getrandbits(32), dice.getrandbits(32), flags, dice.randbytes(dice.choice((0, 0, 10))))
        return segment(dice.randrange(1, 2000), port, *numbers, options=options, **self._from())

    def _whole_handshake(self) -> bytes:
        """The last third of it, at a port where nobody accepts."""
        half = [entry for entry in self.population.entries() if entry.state is SYN_RECEIVED]
        if not half:
            return self._knock()
        entry = self.dice.choice(half)
        assert isinstance(entry, Connection)
        local, remote = entry.local, entry.remote
        numbers = (entry.receiver.rcv_nxt, entry.sender.snd_nxt, ACK)
        return segment(remote[1], local[1], *numbers, options=self._options(entry), src=remote[0])

    def _neighbour(self) -> bytes:
        dice = self.dice
        where = self._from()
        mac = dice.choice((where["mac"], where["mac"], OUR_MAC, ethernet.BROADCAST, bytes(6)))
        target = dice.choice((US, US, US, STRANGERS[0], bytes(4)))
        return asks(where["src"], target, mac) if dice.random() < 0.6 else answers(where["src"], target, mac)

    def _protocol(self) -> bytes:
        return packet(self.dice.randbytes(40), self.dice.randrange(18, 256), **self._from())

    def _ethertype(self) -> bytes:
        kind = self.dice.choice((0x86DD, 0x8100, 0x0600, 46, 0x88CC))
        return ethernet.emit(self.dice.choice((OUR_MAC, *GROUP_MACS)), OTHER_MAC, kind) + self.dice.randbytes(60)

    def _of_groups(self) -> bytes:
        """IGMP of every version, and what is sent to the group that the victim is in."""
        dice = self.dice
        group = dice.choice(GROUPS)
        where = self._from() | {"dst": group, "to": dice.choice(GROUP_MACS)}
        if dice.random() < 0.2:
            return datagram(b"to all", 5000, ECHO, **where)
        sources = tuple(dice.choices(STRANGERS, k=dice.choice((0, 0, 1, 20))))
        asked = dice.choice((igmp.ANY, GROUPS[-1]))
        body = dice.choice(
            (
                igmp.emit(dice.choice((0x11, 0x12, 0x16, 0x17)), group, max_resp=dice.choice((0.0, 1.0))),
                igmp.emit_query(igmp.Query(3, asked, 0.5, sources if any(asked) else ())),
                igmp.emit_report([igmp.Record(dice.randrange(8), group, sources)]),
            )
        )
        if dice.random() < 0.1:  # of no length that there is
            body = b"\x11\0" + complete(0x1100).to_bytes(2, "big") + bytes(6)
        frame = packet(body, ip.IGMP, **where)
        return with_ip_header(frame, igmp.ROUTER_ALERT) if dice.random() < 0.8 else frame

    def _with_ip_options(self) -> bytes:
        """The IP header is longer than usual; its options say anything."""
        plain = self.dice.choice((Attacker._ping, Attacker._datagram, Attacker._knock))(self)
        extra = self.dice.randbytes(4 * self.dice.randrange(1, 11))
        if self.dice.random() < 0.3:
            extra = self.dice.choice((b"\x83\7\4\1\2\3\4\0", b"\7\7\4\0\0\0\0\0", b"\x94\4\0\0", b"\1\1\1\0"))
        return with_ip_header(plain, extra)

    def _fragment_of_aimed(self) -> bytes:
        frame = bytearray(self.aimed())
        frame[20:22] = self.dice.choice((b"\x20\0", b"\0\1", b"\0\5", b"\x3f\xff"))
        return with_ip_header(bytes(frame), b"")

    def _fragment(self) -> bytes:
        """One of a datagram's; the others follow, if they do."""
        dice = self.dice
        if not self.fragments:
            index = dice.randrange(len(STRANGERS))
            src, ident = STRANGERS[index], dice.getrandbits(16)
            whole = datagram(dice.randbytes(dice.choice((20, 600, 5000))), 5000, ECHO, src=src)[34:]
            step = max(dice.choice((16, 24, 512, 1480)), len(whole) // 64 * 8)
            tos = dice.choice((0, 2))
            for at in range(0, len(whole), step):
                part = whole[at : at + step]
                end = at + step >= len(whole)
                place = at >> 3 if dice.random() < 0.97 else dice.randrange(8192)
                codepoint = tos if dice.random() < 0.9 else 3
                field = place | (0 if end else ip.MF)
                header = ip.emit(src, US, ip.UDP, len(part), ident=ident, tos=codepoint, fragment=field)
                link = ethernet.emit(OUR_MAC, STRANGE_MACS[index], ethernet.IP)
                self.fragments.append(link + header + part)
            if dice.random() < 0.5:
                dice.shuffle(self.fragments)
            if dice.random() < 0.5:
                self.fragments.pop()
        return self.fragments.pop(0) if self.fragments else self._datagram()

    KINDS = (
        _ping, _ping, _icmp, _report, _report, _datagram, _datagram, _knock, _knock, _whole_handshake, _neighbour,
        _neighbour, _protocol, _ethertype, _of_groups, _with_ip_options, _fragment_of_aimed,
        _fragment, _fragment, _fragment,
    )  # fmt: skip

    # and the rest

    def broken(self) -> bytes:
        dice = self.dice
        chance = dice.random()
        if chance < 0.1:
            return dice.randbytes(dice.randrange(100))
        if chance < 0.2:
            kind = dice.choice((ethernet.IP, ethernet.ARP))
            return ethernet.emit(OUR_MAC, OTHER_MAC, kind) + dice.randbytes(dice.randrange(120))
        if chance < 0.3:
            protocol = dice.choice((ip.ICMP, ip.IGMP, ip.TCP, ip.UDP))
            return packet(dice.randbytes(dice.randrange(60)), protocol, src=dice.choice(STRANGERS))
        frame = bytearray(self.aimed() if dice.random() < 0.5 else self.sound())
        if chance < 0.7:
            for _ in range(dice.randrange(1, 5)):
                frame[dice.randrange(min(len(frame), 80))] = dice.randrange(256)
            if dice.random() < 0.5:  # deeper in: all checksums are made right again, lengths and offsets are not
                return with_checksums(bytes(frame))
        elif chance < 0.9:
            del frame[dice.randrange(len(frame)) :]
        else:
            start = dice.randrange(len(frame))
            frame[start : start + dice.randrange(20)] = dice.randbytes(dice.randrange(20))
        return bytes(frame)


def with_ip_header(frame: bytes, extra: bytes) -> bytes:
    """The same packet under a header with these options, its checksum right."""
    header = bytearray(frame[14:34])
    header[0] = 0x45 + len(extra) // 4
    header[2:4] = min(len(frame) - 14 + len(extra), 65535).to_bytes(2, "big")
    header[10:12] = b"\0\0"
    header += extra
    header[10:12] = (-int.from_bytes(header, "big") % 65535).to_bytes(2, "big")
    return frame[:14] + bytes(header) + frame[34:]


def with_checksums(frame: bytes) -> bytes:
    """Right checksums wherever the headers, taken at their word, leave room for them."""
    if len(frame) < 54 or frame[12:14] != b"\x08\0":
        return frame
    changed = bytearray(frame)
    start = 14 + (frame[14] & 15) * 4
    if 34 <= start < len(frame) - 8:
        changed[24:26] = b"\0\0"
        changed[24:26] = complete(partial_sum(bytes(changed[14:start]))).to_bytes(2, "big")
        end = min(14 + int.from_bytes(frame[16:18], "big"), len(frame))
        at = {ip.ICMP: 2, ip.IGMP: 2, ip.TCP: tcp.CHECKSUM_OFFSET, ip.UDP: udp.CHECKSUM_OFFSET}.get(frame[23])
        if at is not None and start + at + 2 <= end:
            changed[start + at : start + at + 2] = b"\0\0"
            pseudo = (
                0
                if frame[23] in (ip.ICMP, ip.IGMP)
                else pseudo_header(frame[26:30], frame[30:34], frame[23], end - start)
            )
            checksum = complete(partial_sum(bytes(changed[start:end])) + pseudo)
            changed[start + at : start + at + 2] = checksum.to_bytes(2, "big")
    return bytes(changed)
