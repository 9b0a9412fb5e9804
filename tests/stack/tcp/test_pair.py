"""Two hosts of ours over a wire that loses, reorders and repeats: the bytes are exact, and both ends come to rest."""

import random

import pytest

EDGE = 2**32


class Talk:
    """One side sends `text`, and reads until the other has finished."""

    def __init__(self, connection, text, dice, most):
        self.connection, self.text, self.dice, self.most = connection, text, dice, most
        self.at = 0
        self.got = []
        self.ended = False
        self.shut = False

    def act(self):
        connection = self.connection
        if self.at < len(self.text):
            part = memoryview(self.text)[self.at : self.at + self.dice.randrange(1, self.most)]
            self.at += connection.write(part)
        elif not self.shut:
            self.shut = True
            connection.shutdown_write()
        while not self.ended and (data := connection.read(self.dice.randrange(1, 70_000))) is not None:
            self.got.append(data)
            self.ended = not data

    def done(self):
        return self.ended and self.shut


def converse(wire, ends, texts, *, steps=60_000, most=40_000):
    talks = [Talk(end, text, wire.dice, most) for end, text in zip(ends, texts, strict=True)]
    for _ in range(steps):
        for talk in talks:
            talk.act()
        wire.flush()
        if all(talk.done() for talk in talks):
            break
        assert wire.step(), f"stalled: {[talk.connection.info() for talk in talks]}"
    assert b"".join(talks[0].got) == texts[1]
    assert b"".join(talks[1].got) == texts[0]
    for end in ends:
        end.close()
    wire.flush()
    while wire.step():
        pass
    for side in (wire.a, wire.b):
        assert not side.tcp.connections
        assert not side.tcp.ports.held
        assert side.tcp.orphans == side.tcp.half_open == 0
        assert not side.stats["internal_error"]


def texts(dice, size):
    return dice.randbytes(dice.randrange(size)), dice.randbytes(dice.randrange(size))


@pytest.mark.parametrize("index", range(12))
def test_bytes_are_exact_over_a_bad_wire(pair, seed, index):
    dice = random.Random(f"{seed} {index}")
    wire = pair(
        dice.getrandbits(32),
        loss=dice.choice([0, 0.01, 0.05, 0.2]),
        reorder=dice.choice([0, 0.05, 0.3]),
        repeat=dice.choice([0, 0.02]),
        mtu=dice.choice([576, 1500, 9000]),
        gso_max=dice.choice([None, 65535]),
    )
    ends = wire.connected(
        window_scale=dice.random() < 0.7,
        timestamps=dice.random() < 0.7,
        nodelay=dice.random() < 0.3,
        receive_buffer=dice.choice([2000, 20_000, 1 << 20]),
        send_buffer=dice.choice([2000, 20_000, 1 << 20]),
        initial_sequence=dice.choice([None, EDGE - 1, EDGE - 30_000]),
    )
    converse(wire, ends, texts(dice, 120_000))


@pytest.mark.slow
@pytest.mark.parametrize("index", range(40))
def test_bytes_are_exact_over_many_bad_wires(pair, seed, index):
    dice = random.Random(f"{seed} {index} long")
    wire = pair(
        dice.getrandbits(32),
        loss=dice.random() * 0.3,
        reorder=dice.random() * 0.5,
        repeat=dice.random() * 0.1,
        delay=dice.choice([0.0001, 0.005, 0.2]),
        mtu=dice.choice([100, 576, 1500, 9000, 65521]),
        gso_max=dice.choice([None, 65535]),
    )
    ends = wire.connected(
        window_scale=dice.random() < 0.7,
        timestamps=dice.random() < 0.7,
        nodelay=dice.random() < 0.3,
        receive_buffer=dice.choice([500, 2000, 20_000, 1 << 20]),
        send_buffer=dice.choice([500, 2000, 20_000, 1 << 20]),
        initial_sequence=dice.choice([None, EDGE - 1, EDGE - 30_000]),
        syn_retries=15,
        synack_retries=15,
        retries=40,
    )
    converse(wire, ends, texts(dice, 400_000))


def test_super_frames_carry_bulk_both_ways(pair):
    wire = pair(delay=0.0005, gso_max=65535)
    dice = random.Random(4)
    converse(wire, wire.connected(), (dice.randbytes(8 << 20), dice.randbytes(8 << 20)), most=4 << 20)
    assert wire.packets < 2 * (16 << 20) / 30_000


def test_a_lost_super_frame_does_not_take_a_round_trip_for_each_segment(pair):
    wire = pair(delay=0.01, gso_max=65535)
    client, server = wire.connected()
    client.congestion.cwnd = 1 << 20
    second = iter([False, True, *[False] * 1000])
    wire.loses = lambda to, frame: len(frame) > 30_000 and next(second)
    start = wire.clock.time
    text = bytes(500_000)
    assert client.write(text) == len(text)
    wire.flush()
    while server.receiver.queued < len(text):
        assert wire.step()
    assert wire.clock.time - start < 0.3
    assert client.info().timeouts == 0


def test_without_loss_nothing_is_sent_twice(pair):
    wire = pair()
    client, server = wire.connected()
    dice = random.Random(3)
    converse(wire, (client, server), (dice.randbytes(2 << 20), dice.randbytes(2 << 20)))
    assert client.info().retransmissions == server.info().retransmissions == 0


def test_a_slow_reader_slows_the_writer_and_loses_nothing(pair):
    wire = pair(delay=0.001)
    client, server = wire.connected(receive_buffer=10_000, send_buffer=20_000)
    text = random.Random(2).randbytes(100_000)
    sent, got = 0, b""
    while len(got) < len(text):
        sent += client.write(memoryview(text)[sent:])
        wire.flush()
        assert server.receiver.queued <= 10_000
        until = wire.clock.time + 0.5
        while wire.wire and wire.wire[0][0] < until and wire.step():
            pass
        wire.clock.time = until
        for side in (wire.a, wire.b):
            side.advance(until)
        wire.flush()
        got += server.read(3000) or b""
        wire.flush()
    assert got == text
    assert client.info().timeouts == 0


def test_a_lan_is_filled_without_waiting_for_timers(pair):
    wire = pair(delay=0.0001)
    client, server = wire.connected()
    text = bytes(4 << 20)
    start = wire.clock.time
    sent = got = 0
    while got < len(text):
        sent += client.write(memoryview(text)[sent:])
        got += len(server.read(1 << 20) or b"")
        wire.flush()
        assert wire.step()
    assert wire.clock.time - start < 0.1


def test_ping_pong_takes_one_frame_each_way(pair):
    wire = pair(delay=0.001)
    client, server = wire.connected()
    while wire.step():
        pass
    before = wire.packets
    for _ in range(100):
        client.write(b"x")
        wire.flush()
        while (data := server.read(1)) is None:
            wire.step()
        server.write(data)
        wire.flush()
        while client.read(1) is None:
            wire.step()
    assert wire.packets - before == 200


def test_a_request_an_answer_and_a_close_take_few_frames(pair):
    wire = pair(delay=0.001)
    before = wire.packets
    client, server = wire.connected()
    client.write(b"request")
    wire.flush()
    while server.read(100) is None:
        wire.step()
    server.write(b"answer")
    wire.flush()
    while client.read(100) is None:
        wire.step()
    client.close()
    wire.flush()
    while server.read(100) is None:
        wire.step()
    server.close()
    wire.flush()
    while wire.step():
        pass
    assert wire.packets - before <= 8


def test_both_ends_close_at_once(pair):
    wire = pair()
    client, server = wire.connected()
    client.close()
    server.close()
    wire.flush()
    while wire.step():
        pass
    assert not wire.a.tcp.connections
    assert not wire.b.tcp.connections


def test_a_replay_by_the_same_seed_is_the_same(pair):
    def run():
        wire = pair(77, loss=0.1, reorder=0.2)
        converse(wire, wire.connected(), (bytes(50_000), bytes(30_000)))
        return wire.log

    assert run() == run()
