"""TCP options of every kind and every wrong length, of IP too: borne where they can be skipped, dropped where not."""

from __future__ import annotations

import random

import pytest

from netif.wire import ip
from netif.wire.tcp import ACK, FIN, RST, SYN
from stack.tcp.config import TcpConfig
from stack.tcp.connection import Connection
from stack.tcp.states import ESTABLISHED
from tests.stack.attacker import PLAIN, Caller, effort_of, growth_below, hear, segment
from tests.stack.fuzz.frames import with_checksums, with_ip_header
from tests.stack.rig import PEER, US, Rig

LENGTHS = {2: (4,), 3: (3,), 4: (2,), 5: (10, 18, 26, 34), 8: (10,)}  # RFC 9293 3.1, 7323 2.2 and 3.2, 2018 2 and 3
KINDS = (2, 3, 4, 5, 8, 6, 7, 14, 19, 28, 29, 30, 34, 253, 254, 255)


def claiming(kind: int, length: int, room: int = 40) -> bytes:
    """An option that says it is so long, whatever room there is."""
    return (bytes((kind, length)) + b"\x5a" * max(0, length - 2)).ljust(room, b"\1")[:room]


def walks(kind: int, length: int) -> bool:
    """Whoever steps over the option comes to the next one, or to the end (RFC 9293 MUST-7)."""
    return 2 <= length <= 40


@pytest.mark.parametrize("kind", KINDS)
def test_a_syn_bears_options_of_every_length(met: Rig, kind: int):
    listener = met.stack.tcp.listen((None, 80), 300, TcpConfig())
    for length in range(256):
        met.gets(segment(1000 + length, 80, 7, 0, SYN, options=claiming(kind, length)))
        heard = [one for frame in met.frames() if (one := hear(frame)) is not None]
        assert [one.flags for one in heard] == [SYN | ACK] * walks(kind, length), length
        for one in heard:  # what was said wrongly was not said
            right = length in LENGTHS.get(kind, ())
            assert (one.options.window_scale is not None) == (kind == 3 and right), length
            assert (one.options.timestamp is not None) == (kind == 8 and right), length
            assert one.options.sack_permitted == (kind == 4 and right and one.options.sack_permitted), length
            met.gets(segment(one.dport, 80, 8, one.seq + 1, RST))
    assert met.stack.stats["tcp_option_length"] == 256 - 39
    assert met.stack.stats["internal_error"] == 0
    assert not met.stack.tcp.connections
    assert not listener.queue


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config", [PLAIN, TcpConfig()], ids=["plain", "stamped"])
def test_an_open_connection_bears_options_of_every_length(met: Rig, kind: int, config: TcpConfig):
    caller = Caller(met)
    stamps = b"\1\1" if config is PLAIN else b"\x08\x0a\0\0\0\1\0\0\0\0"
    connection = caller.opens(config, b"\2\4\5\xb4\1\3\3\7\4\2" + stamps)
    taken = 0
    for length in range(256):
        option = claiming(kind, length, 28 if caller.echo is not None else 40)
        sound = 2 <= length <= len(option)
        if sound and kind == 8 and length == 10:
            continue  # two timestamps: which of them counts is nobody's business
        caller.says(ACK, b"x", options=option, seq=caller.nxt)
        caller.nxt += sound
        taken += sound
    assert connection.state is ESTABLISHED
    assert connection.read(1000) == b"x" * taken
    caller.exchanges()


@pytest.mark.parametrize("mss", [0, 1, 47, 48, 87, 88, 535, 536])
def test_a_peer_of_tiny_segments_costs_no_more_frames_than_their_number(met: Rig, mss: int):
    """CVE-2019-11479: the smallest segment that we believe in is 48 bytes, options included."""
    caller = Caller(met)
    stamps = b"\x08\x0a\0\0\0\1\0\0\0\0"
    connection = caller.opens(TcpConfig(), b"\2\4" + mss.to_bytes(2, "big") + b"\1\1" + stamps)
    size = 100_000
    connection.write(bytes(size))
    met.flush()
    frames = 0
    while len(caller.got) < size:
        frames += len(caller.hears())
        frames += len(caller.says(ACK))
        met.after(0.01)
    assert frames <= size // max(36, mss - 12) + 200


def test_the_dearest_options_cost_no_more_than_their_bytes(met: Rig, seed: int):
    """Forty bytes are forty options at most: none makes the walk go back, or on beyond them."""
    caller = Caller(met)
    caller.opens(TcpConfig(), b"\2\4\5\xb4\1\3\3\7\4\2\1\1")
    plain = effort_of(met.gets, [caller.frame(RST, seq=caller.nxt - 2**31)] * 20)
    dice = random.Random(seed)
    bombs = [b"\1" * 40, b"\xfd\2" * 20, b"\5\2" * 20, b"\4\2" * 20, b"\3\3\7\1" * 10, b"\5\x22" + b"\xff" * 32]
    bombs += [bytes(dice.choice((1, 2, 3, 5, 8, 253)) for _ in range(40)) for _ in range(20)]
    for bomb in bombs:
        cost = effort_of(met.gets, [caller.frame(RST, seq=caller.nxt - 2**31, options=bomb)] * 5)
        assert cost < plain + 40 * 8, bomb


def test_random_options_hold_no_memory(met: Rig, seed: int):
    dice = random.Random(seed)
    honest = Caller(met)
    honest.opens(TcpConfig(), b"\2\4\5\xb4\1\3\3\7\4\2\1\1")
    with growth_below(128 << 10):
        for _ in range(2000):
            options = dice.randbytes(4 * dice.randrange(11))
            met.gets(honest.frame(dice.choice((ACK, ACK | FIN, RST, SYN)), seq=honest.nxt - 5, options=options))
            met.netif.sent.clear()
    honest.exchanges()


def test_a_header_length_of_every_value_is_taken_at_its_word_or_not_at_all(honest: Caller):
    """The data offset points into the header, beyond the segment, or somewhere in the data."""
    rig = honest.rig
    before = honest.nxt
    for words in range(16):
        header = bytearray(honest.frame(ACK, bytes(30), seq=before))
        header[46] = words << 4
        rig.gets(with_checksums(bytes(header)))
    assert rig.stack.stats["tcp_data_offset"] == 5 + 3
    assert honest.connection is not None
    assert honest.connection.state is ESTABLISHED
    assert set(honest.connection.read(1000) or b"\0") == {0}
    assert rig.stack.stats["internal_error"] == 0


@pytest.mark.parametrize("kind", [0, 1, 7, 68, 130, 131, 137, 148, 255])
def test_ip_options_of_every_length_are_borne(met: Rig, kind: int):
    """RFC 1122 3.2.1.8: those that we do not know are passed over, and none makes us send the packet on."""
    met.stack.tcp.listen((None, 80), 300, PLAIN)
    for length in range(256):
        option = (bytes((kind, length)) + b"\4" * max(0, min(length, 40) - 2)).ljust(40, b"\0")[:40]
        met.gets(with_ip_header(segment(1000 + length, 80, 7, 0, SYN), option))
        for frame in met.frames():
            assert frame[26:34] == US + PEER
            assert frame[23] in (ip.TCP, ip.ICMP)
    for key in list(met.stack.tcp.connections):
        entry = met.stack.tcp.connections[key]
        assert isinstance(entry, Connection)
        met.gets(segment(key[3], 80, 8, 0, RST))
    assert not met.stack.tcp.connections
    assert met.stack.stats["internal_error"] == 0
