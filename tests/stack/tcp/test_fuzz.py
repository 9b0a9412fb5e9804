"""A peer that says anything at all, half of it plausible, at an application that does anything at all.

Whatever happens: no exception, no byte that is not the stream's, no window taken back, nothing sent beyond what the
peer allowed, and in the end nothing is left.
"""

import random

import pytest

from netif.wire.tcp import ACK, FIN, PSH, RST, SYN, URG
from stack.seq import MASK
from tests.stack.tcp.conversation import stream

FLAGS = [ACK, ACK, ACK, ACK, ACK | PSH, ACK | PSH, ACK | FIN, SYN, SYN | ACK, RST, RST | ACK, FIN, 0, ACK | URG, 0x1FF]


class Chaos:
    def __init__(self, tcp, dice):
        self.tcp, self.dice = tcp, dice
        scaled, stamped = dice.random() < 0.5, dice.random() < 0.5
        self.stamped = stamped
        self.shift = dice.choice([0, 2, 7])
        tcp.begin(
            window_scale=scaled,
            timestamps=stamped,
            initial_sequence=dice.choice([1, MASK - 500, MASK, 1 << 31]),
            peer_iss=dice.choice([1, MASK - 500, MASK, 1 << 31]),
            receive_buffer=dice.choice([300, 3000, 100_000]),
            send_buffer=dice.choice([300, 3000, 100_000]),
            keepalive=dice.random() < 0.2,
            keepalive_idle=5.0,
            nodelay=dice.random() < 0.5,
            retries=3,
            oob_inline=True,  # else the stream would lack what the peer calls urgent
            user_timeout=dice.choice([None, 3.0]),
        )
        self.got = b""
        self.edge = 0
        self.stamp = 1

    def says(self, text):
        if self.stamped:
            recent = self.tcp.sent[-1].options.timestamp if self.tcp.sent else None
            self.stamp += self.dice.choice([0, 1, 1, 5, -1])
            text += f" <nop,nop,TS val {max(1, self.stamp)} ecr {recent[0] if recent else 0}>"
        self.tcp.gets(text)

    def opens(self):
        dice, tcp = self.dice, self.tcp
        options = "mss 1000"
        if self.stamped:
            options += ",nop,nop,TS val 1 ecr 0"
        options += f",nop,wscale {self.shift}"
        if dice.random() < 0.3:
            tcp.connects()
            if dice.random() < 0.5:
                tcp.gets(f"S. 0:0(0) ack 1 <{options}>")
            else:
                tcp.gets(f"S 0:0(0) <{options}>")
        else:
            tcp.listens()
            tcp.gets(f"S 0:0(0) <{options}>")
        if dice.random() < 0.9:
            self.says(". 1:1(0) ack 1")
        if tcp.listener:
            tcp.accepts()

    def speaks(self):
        """A segment near to what would be right."""
        dice, tcp = self.dice, self.tcp
        flags = dice.choice(FLAGS)
        nxt = tcp.connection.receiver.rcv_nxt - tcp.peer_iss if tcp.connection else 1
        seq = max(0, nxt + dice.choice([0, 0, 0, 0, 0, 1, 10, 500, -1, -10, -500, 2990, 70_000]))
        length = dice.choice([0, 0, 0, 1, 10, 400, 1000])
        if not seq or flags & (SYN | RST):
            length = 0
        sender = tcp.connection.sender if tcp.connection else None
        una, snd_nxt = (sender.snd_una - tcp.iss, sender.snd_nxt - tcp.iss) if sender else (1, 1)
        ack = max(0, dice.choice([snd_nxt, snd_nxt, una, una, (una + snd_nxt) // 2, snd_nxt + 1, una - 1, 99_999]))
        letters = "".join(letter for bit, letter in enumerate("FSRP.UEW") if flags >> bit & 1) or "-"
        window = dice.choice([65535, 5000, 100, 1, 0])
        said = f" ack {ack}" if flags & ACK else ""
        self.says(f"{letters} {seq}:{seq + length}({length}){said} win {window}")

    def acts(self):
        dice, tcp = self.dice, self.tcp
        connection = tcp.connection
        if connection is None:
            return
        try:
            match dice.randrange(12):
                case 0 | 1 | 2:
                    tcp.writes(dice.choice([1, 100, 5000]))
                case 3 | 4 | 5:
                    self.got += connection.read(dice.choice([1, 100, 100_000])) or b""
                case 6 if dice.random() < 0.3:
                    tcp.shuts()
                case 7 if dice.random() < 0.1:
                    connection.close(dice.choice([None, 0]))
                case 8 if dice.random() < 0.05:
                    connection.abort()
                case 9:
                    connection.configure(receive_buffer=dice.choice([300, 5000]), nodelay=dice.random() < 0.5)
                case 10:
                    connection.peek(10)
        except OSError:
            pass
        tcp.flush()

    def check(self):
        tcp = self.tcp
        connection = tcp.connection
        for segment in tcp.all_sent():
            if connection is not None and segment.length:
                assert segment.seq + segment.length - 1 <= tcp.written, "sent what was not written"
        if connection is None:
            return
        receiver, sender = connection.receiver, connection.sender
        assert receiver.edge >= self.edge or connection.orphan
        self.edge = receiver.edge
        assert sender.snd_una <= sender.snd_nxt
        assert 0 <= sender.buffered <= 100_000
        assert receiver.queued <= 100_000
        assert len(receiver.queue or ()) <= receiver.queued
        info = connection.info()
        assert info.cwnd >= info.snd_mss or not connection.connected()


def run(tcp, dice, steps):
    chaos = Chaos(tcp, dice)
    chaos.opens()
    for _ in range(steps):
        match dice.randrange(10):
            case 0 | 1 | 2 | 3 | 4:
                chaos.speaks()
            case 5 | 6 | 7:
                chaos.acts()
            case 8:
                tcp.after(dice.choice([0.0, 0.01, 0.05, 0.3, 2.0]))
            case 9 if dice.random() < 0.2:
                tcp.link.full = not tcp.link.full
                if not tcp.link.full:
                    tcp.interface.writable()
                    tcp.flush()
        chaos.check()
    assert chaos.got == stream(1, len(chaos.got))
    tcp.link.full = False
    tcp.interface.writable()
    if tcp.connection is not None:
        tcp.connection.close()
    if tcp.listener is not None:
        tcp.listener.close()
    tcp.flush()
    tcp.after(600)
    layer = tcp.stack.tcp
    assert not layer.connections
    assert not layer.ports.held
    assert not layer.ports.reserved
    assert layer.memory.held == layer.orphans == layer.half_open == 0


@pytest.mark.parametrize("index", range(40))
def test_nothing_a_peer_says_breaks_it(tcp_, seed, index):
    run(tcp_, random.Random(f"{seed} {index}"), 150)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(20))
def test_nothing_a_peer_says_breaks_it_for_long(tcp_, seed, index):
    dice = random.Random(f"{seed} {index} long")
    for _ in range(20):
        run(tcp_, dice, 500)
