"""Answers that would beget answers, and neighbours that lie."""

from __future__ import annotations

import pytest

from components.lan import Host, Lan
from netif.wire.options import emit_timestamp
from netif.wire.tcp import ACK, FIN
from stack.tcp.connection import Connection
from tests.stack.attacker import MASK, Caller, segment
from tests.stack.rig import OTHER_MAC, PEER, US, Rig, asks


class Passing:
    """A sink of a Lan that counts what passes."""

    frames = 0

    def frame(self, *_what: object) -> None:
        self.frames += 1

    def flush(self) -> None:
        """Nothing is held back."""


def hears(host: Host, frame: bytes) -> None:
    """`frame` arrives at `host`, whoever sent it."""
    runtime = host.stack.runtime
    runtime.enter()
    host.stack.interfaces[0].input(frame, None)
    runtime.touch(host.stack)
    runtime.leave()


@pytest.mark.parametrize("to", [("one",), ("other",), ("one", "other")])
@pytest.mark.parametrize("text", [b"", b"lies", b"lies" * 300])
@pytest.mark.parametrize("ahead", [0, 1 << 30])
def test_two_connections_that_disagree_do_not_answer_each_other_for_ever(
    to: tuple[str, ...], text: bytes, ahead: int, seed: int
):
    """An ACK storm: somebody has told one of them, or both, that the other said something, or when."""
    with Lan(seed=seed) as lan:
        passing = Passing()
        lan.sinks.append(passing)
        one, other = lan.host("one", delay="1ms"), lan.host("other")

        def waits() -> None:
            with one.create_server(("", 7)) as listener:
                connection, _ = listener.accept()
                with connection:
                    lan.sleep(50)

        def calls() -> None:
            with other.create_connection((one.ip, 7)):
                lan.sleep(50)

        one.spawn(waits)
        other.spawn(calls)
        lan.run_for(1.0)
        frames = []
        for name in to:
            victim, peer = (one, other) if name == "one" else (other, one)
            (connection,) = victim.stack.tcp.connections.values()
            assert isinstance(connection, Connection)
            stamp = emit_timestamp(connection.ts_recent + ahead & MASK, 0)
            here, there = connection.local, connection.remote
            lie = segment(
                there[1],
                here[1],
                connection.receiver.rcv_nxt,
                connection.sender.snd_nxt,
                ACK,
                text,
                options=stamp,
                src=there[0],
                dst=here[0],
                mac=peer.netif.mac,
                to=victim.netif.mac,
            )
            frames.append((victim, lie))
        before = passing.frames
        for victim, lie in frames:
            hears(victim, lie)
        lan.run_for(40.0)
        assert passing.frames - before < 100


@pytest.mark.parametrize("state", ["TIME-WAIT", "ESTABLISHED"])
def test_what_is_not_acceptable_is_answered_rarely(met: Rig, state: str):
    caller = Caller(met)
    connection = caller.opens()
    if state == "TIME-WAIT":
        connection.close()
        met.flush()
        caller.hears()
        caller.says(FIN | ACK)
    answers = 0
    for _ in range(100):
        answers += len(caller.says(ACK, seq=caller.nxt - 70_000))
        met.after(0.01)
    assert 1 <= answers <= 13


def test_a_poisoned_neighbour_is_asked_for_again(honest: Caller):
    """Whoever lies about an address is believed until the owner speaks: ARP knows no better (RFC 826)."""
    rig = honest.rig
    rig.gets(asks(PEER, US, mac=OTHER_MAC))
    rig.frames()
    assert honest.connection is not None
    honest.connection.write(b"secret")
    rig.flush()
    rig.knows_peer()
    rig.after(1.0)
    honest.hears()
    assert honest.got.endswith(b"secret")
