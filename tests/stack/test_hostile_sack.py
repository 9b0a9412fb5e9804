"""A peer that lies about what it holds: SACK blocks that cannot be, that split all there is, that are taken back.

RFC 2018 8: data is kept until it is acknowledged, whatever was said of it. Each lie costs the host little more than an
honest ACK, and no memory that grows; bytes come over whole once the peer tells the truth.
"""

from __future__ import annotations

import random

import pytest

from netif.wire.options import emit_sack
from netif.wire.tcp import ACK
from stack.tcp.config import TcpConfig
from stack.tcp.states import ESTABLISHED
from tests.stack.attacker import MASK, Caller, effort_of, growth_below
from tests.stack.rig import PEER, US, Rig, asks
from tests.stack.tcp.conversation import stream

SIZE = 300_000
MSS = 1460
OFFERS = b"\2\4\5\xb4\1\3\3\4\4\2\1\1"  # MSS, window scale 4, SACK
CONFIG = TcpConfig(timestamps=False, send_buffer=1 << 20)
SCALED = 65535 >> 1  # half a megabyte, scaled


class Liar(Caller):
    """Somebody to whom SIZE bytes are being sent; it has got none of the first flight."""

    una = 0

    def begins(self) -> None:
        connection = self.opens(CONFIG, OFFERS)
        self.says(ACK, window=SCALED)
        connection.write(stream(1, SIZE))
        self.rig.flush()
        self.rig.netif.sent.clear()
        self.una = connection.sender.snd_una

    def claims(self, count: int) -> None:
        """Never mind how: it has so many bytes, and they are right."""
        self.got, self.ack = stream(1, count), self.una + count

    def lies(self, *blocks: tuple[int, int], ack: int = 0) -> bytes:
        """An ACK with these blocks, counted from the first byte that is not acknowledged."""
        una = self.una
        said = tuple((una + start & MASK, una + end & MASK) for start, end in blocks)
        return self.frame(ACK, ack=una + ack, window=SCALED, options=emit_sack(said))

    def tells_the_truth(self, turns: int = 4000) -> None:
        """From here on it acknowledges what it has, and gets what it has not."""
        connection = self.connection
        assert connection is not None
        for _ in range(turns):
            if connection.sender.buffered == 0:
                break
            self.hears()
            self.says(ACK, window=SCALED)
            self.rig.after(0.3)
            self.hears()
            self.rig.gets(asks(PEER, US))
        assert connection.state is ESTABLISHED
        assert self.got == stream(1, SIZE)


@pytest.fixture
def liar(met: Rig) -> Liar:
    made = Liar(met)
    made.begins()
    return made


def in_pieces(liar: Liar) -> int:
    """How many ranges the sender has in flight."""
    assert liar.connection is not None
    return len(liar.connection.sender.in_flight or ())


IMPOSSIBLE = {
    "beyond what was sent": [(1 << 20, (1 << 20) + 1460)],
    "over the edge of it": [(1460, 1 << 20)],
    "before what is acknowledged": [(-5000, -4000)],
    "across it": [(-1000, 1460)],
    "inverted": [(2920, 1460)],
    "empty": [(1460, 1460)],
    "half the circle": [(1460, 1460 + (1 << 31))],
    "the whole circle but a byte": [(1460, 1459)],
    "four of them": [(1460, 1 << 20), (2920, 1460), (0, 0), (-1, -2)],
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_blocks_that_cannot_be_are_not_believed(liar: Liar, name: str):
    connection = liar.connection
    assert connection is not None
    before = in_pieces(liar)
    for _ in range(200):
        liar.rig.gets(liar.lies(*IMPOSSIBLE[name]))
    assert connection.sender.snd_una == liar.una
    board = connection.sender.board
    assert board is None or board.sacked_bytes == 0
    assert in_pieces(liar) <= before + 100  # what limited transmit may have sent
    liar.hears()
    liar.tells_the_truth()


def test_every_block_of_every_kind_at_random(liar: Liar, seed: int):
    dice = random.Random(seed)
    edges = (0, 1, 1459, 1460, 1461, 14_600, 14_601, -1, -1460, 1 << 31, SIZE, SIZE + 1)
    with growth_below(1 << 20):
        for _ in range(2000):
            blocks = [(dice.choice(edges), dice.choice(edges) + dice.randrange(-3, 3)) for _ in range(4)]
            liar.rig.gets(liar.lies(*blocks[dice.randrange(4) :], ack=dice.choice((0, 0, 0, -1, -1460))))
            liar.hears()
    liar.tells_the_truth()


class TestSplitting:
    def test_thousands_of_blocks_of_one_byte_split_no_more_than_the_bound(self, liar: Liar):
        before = in_pieces(liar)
        with growth_below(1 << 20):
            for at in range(1461, 14_000, 8):
                liar.rig.gets(liar.lies(*[(at + 2 * n, at + 2 * n + 1) for n in range(4)]))
                liar.hears()
        assert in_pieces(liar) <= before + 64 + 14_600 // 256 + 20  # what limited transmit sends among them
        liar.tells_the_truth()

    def test_a_saw_of_blocks_costs_a_constant_for_each(self, liar: Liar):
        plain = effort_of(liar.rig.gets, [liar.frame(ACK, ack=liar.una, window=SCALED)] * 50)
        liar.hears()
        teeth = [liar.lies(*[(at + 2 * n, at + 2 * n + 1) for n in range(4)]) for at in range(1461, 14_000, 8)]
        for tooth in teeth[:300]:
            liar.rig.gets(tooth)
        liar.hears()
        assert effort_of(liar.rig.gets, teeth[300:600]) < 40 * plain
        assert effort_of(liar.rig.gets, teeth[:300]) < 40 * plain
        liar.hears()
        liar.tells_the_truth()

    def test_what_is_held_byte_by_byte_keeps_no_list_of_bytes(self, liar: Liar):
        """Each block is longer by one byte: the pieces are put together again."""
        with growth_below(160 << 10):
            for n in range(1, 2000):
                liar.rig.gets(liar.lies((1460, 1460 + n)))
                liar.rig.netif.sent.clear()
        liar.tells_the_truth()

    def test_what_is_taken_back_again_and_again_splits_no_more_than_the_bound(self, liar: Liar):
        """A saw, then the ACK that shows that its teeth are gone; and another saw beside it."""
        connection = liar.connection
        assert connection is not None
        with growth_below(2 << 20):
            for turn in range(1, 25):
                first = 1460 + 500 * (turn % 25)
                liar.rig.gets(liar.lies((turn, turn + 1), ack=turn - 1))
                for at in range(first, first + 500, 8):
                    liar.rig.gets(liar.lies(*[(at + 2 * n, at + 2 * n + 1) for n in range(4)], ack=turn - 1))
                liar.rig.gets(liar.lies((turn + 1, turn + 2), ack=turn))
                liar.rig.after(0.5)
                liar.rig.netif.sent.clear()
                liar.rig.gets(asks(PEER, US))
        assert in_pieces(liar) <= SIZE // MSS + 64 + SIZE // 256
        liar.rig.netif.sent.clear()
        liar.claims(24)
        liar.tells_the_truth()


class TestReneging:
    def test_a_peer_that_takes_back_everything_gets_everything(self, liar: Liar):
        """RFC 2018 8: what it holds it may throw away."""
        connection = liar.connection
        assert connection is not None
        liar.rig.gets(liar.lies((1460, 14_600)))
        liar.rig.netif.sent.clear()
        liar.claims(1460)
        liar.tells_the_truth()
        assert connection.recovery is None or connection.recovery.reneged

    def test_a_peer_that_holds_all_but_the_first_byte_for_ever_is_given_up(self, liar: Liar):
        """It has everything, it says, but never acknowledges: the same as silence."""
        connection = liar.connection
        assert connection is not None
        sent = 0
        for _ in range(400):
            nxt = connection.sender.snd_nxt - liar.una
            liar.rig.gets(liar.lies((1, nxt)), asks(PEER, US))
            liar.rig.after(5.0)
            sent += len(liar.rig.frames())
        assert connection.state is not ESTABLISHED
        assert sent < 400 + 400 + 2 * SIZE // MSS


class TestDuplicates:
    def test_reports_of_duplicates_that_never_were_change_nothing(self, liar: Liar):
        """RFC 2883, RFC 3708: no more than what was sent twice may have arrived twice."""
        connection = liar.connection
        assert connection is not None
        before = connection.congestion.cwnd, connection.congestion.ssthresh
        for n in range(2000):
            liar.rig.gets(liar.lies((-1460 * (n % 3 + 1), -1460 * (n % 3))))
        assert connection.congestion.cwnd <= before[0]
        assert connection.congestion.ssthresh == before[1]
        liar.hears()
        liar.tells_the_truth()

    def test_they_take_no_reduction_back_that_was_due(self, liar: Liar):
        connection = liar.connection
        assert connection is not None
        liar.rig.gets(*[liar.lies((1460, 1460 * n)) for n in range(2, 10)])
        reduced = connection.congestion.ssthresh
        liar.rig.frames()
        for n in range(100):
            liar.rig.gets(liar.lies((-1460 * (n % 5 + 1), -1460 * (n % 5)), (1460, 13_140)))
        assert connection.congestion.ssthresh <= reduced
        liar.rig.netif.sent.clear()
