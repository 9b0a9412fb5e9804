"""Two hosts and a wire that loses what the test says: how long it takes, and what is sent again."""

import random

import pytest

from netif.wire import tcp
from netif.wire.segment import cut

SIZE = 400_000
TEXT = random.Random(4).randbytes(SIZE)
RTT = 0.1


def lossy(pair, lose, **settings):
    """A megabyte's worth of connection on whose way to b the wire segments numbered in `lose` are lost."""
    wire = pair(delay=RTT / 2, **{key: settings.pop(key) for key in ("gso_max", "seed") if key in settings})
    client, server = wire.connected(**{"initial_window": 100, "send_buffer": 1 << 22, **settings})
    wire.seen = {}
    wire.order = []

    def loses(to, frame):
        if to != 1 or frame[12:14] != b"\x08\x00":
            return False
        _, _, seq, _, header_len, _, _, _ = tcp.parse(frame, 34, len(frame))
        if len(frame) == 34 + header_len:
            return False
        first = seq not in wire.seen
        wire.seen[seq] = wire.seen.get(seq, 0) + 1
        if first:
            wire.order.append(seq)
        return first and len(wire.order) - 1 in lose

    wire.loses = loses
    return wire, client, server


def cut_frames(wire):
    """The wire carries segments, whatever super-frames were sent."""
    for end in wire.ends:
        link = end[2]
        put = link.out

        def out(buffers, offload, put=put):
            if offload is not None and offload.gso_size:
                for segment in cut(buffers, offload):
                    put((segment,), None)
            else:
                put(buffers, offload)

        link.out = out


def carry(wire, client, server, size=SIZE):
    """Seconds until all has arrived."""
    start = wire.clock.time
    got, sent = bytearray(), 0
    while len(got) < size:
        sent += client.write(TEXT[sent:size])
        wire.flush()
        assert wire.step()
        while data := server.read(1 << 20):
            got += data
        wire.flush()
    assert got == TEXT[:size]
    return wire.clock.time - start


@pytest.mark.parametrize("gso_max", [None, 65536])
@pytest.mark.parametrize("holes", [range(20, 21), range(20, 40, 2), range(15, 35), range(5, 44, 3)], ids=len)
def test_many_holes_take_one_round_trip(pair, holes, gso_max):
    clean = carry(*lossy(pair, (), gso_max=gso_max))
    wire, client, server = lossy(pair, holes, gso_max=gso_max)
    cut_frames(wire)
    taken = carry(wire, client, server)
    info = client.info()
    assert info.timeouts == 0
    assert info.fast_retransmits == 1
    assert taken < clean + 3 * RTT
    assert sum(count - 1 for count in wire.seen.values()) == len(holes)  # and nothing else is sent again


def test_without_sack_each_hole_takes_one(pair):
    holes = range(20, 40, 2)
    clean = carry(*lossy(pair, (), sack=False))
    wire, client, server = lossy(pair, holes, sack=False)
    taken = carry(wire, client, server)
    assert client.info().fast_retransmits == 1
    assert clean + (len(holes) - 1) * RTT < taken < clean + (len(holes) + 3) * RTT


@pytest.mark.parametrize("gso_max", [None, 65536])
@pytest.mark.parametrize("count", [1, 3, 10])
def test_the_end_lost_takes_no_time_out(pair, count, gso_max):
    size = 60 * 1448
    wire, client, server = lossy(pair, range(60 - count, 60), gso_max=gso_max)
    cut_frames(wire)
    taken = carry(wire, client, server, size)
    assert client.info().timeouts == 0
    assert taken < (6 + count.bit_length()) * RTT  # from an empty pipe it goes on as slow start does


def test_the_last_segment_alone_takes_a_probe(pair):
    wire, client, server = lossy(pair, {29})
    carry(wire, client, server, 30 * 1448)
    assert client.recovery.tlps == 1
    assert client.info().timeouts == 0


def test_a_lost_retransmission_takes_no_time_out(pair):
    wire, client, server = lossy(pair, {20})
    lose, seen = wire.loses, wire.seen

    def twice(to, frame):
        lost = lose(to, frame)
        _, _, seq, _, _, _, _, _ = tcp.parse(frame, 34, len(frame))
        return lost or (len(wire.order) > 20 and seq == wire.order[20] and seen.get(seq) == 2 and to == 1)

    wire.loses = twice
    carry(wire, client, server)
    assert client.info().timeouts == 0
    assert seen[wire.order[20]] == 3


@pytest.mark.parametrize("sack", [True, False])
@pytest.mark.parametrize("stamped", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_wire_does_the_bytes_are_right(pair, seed, stamped, sack):
    wire = pair(seed, loss=0.05, reorder=0.1, repeat=0.05, delay=0.01, gso_max=65536 if seed % 2 else None)
    client, server = wire.connected(sack=sack, timestamps=stamped)
    carry(wire, client, server, 150_000)


def test_a_delay_that_grows_is_no_loss(pair):
    """The path's delay doubles at once (RFC 5682's case): nothing stays reduced, little is sent twice."""
    wire, client, server = lossy(pair, ())
    carry(wire, client, server, 100_000)
    wire.delay = 0.4
    before = client.info().retransmissions
    carry(wire, client, server, 200_000)
    info = client.info()
    assert info.retransmissions - before <= 4
    assert client.recovery.undone >= 1
