"""Two sockets against an obvious model: what one side said, and how far the other has heard it. RFC 9293 3.9.1, 3.6.

Hypothesis tries sends, reads, shutdowns, closes, aborts, times of loss and times without, in any order; the model knows
byte strings and a few claims, and neither segments nor states. At the end the wire is good, whoever is left ends in
order, all that was said has been heard unless somebody broke off, and nothing is left of either connection.
"""

from __future__ import annotations

import errno
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from stack.tcp.config import TcpConfig
from tapio.script import DROP, kinds_of
from tests.sim.runs import _nothing_left as nothing_left
from tests.sim.world import World

SIDES = st.sampled_from((0, 1))
STREAM = bytes(range(251)) * 4000  # a period that no power of two has
SETTINGS: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.generate,),  # to make a failure shorter takes minutes
}


class Side:
    """One application, as the model has it."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.said = 0  # bytes of STREAM that were accepted
        self.heard = 0  # bytes of the other's
        self.shut = False  # says no more
        self.gone = False  # has closed or aborted
        self.failed = False  # has been told of an error
        self.saw_end = False


class Conversation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.lossy = False
        self.broken = False  # somebody broke off: errors may come, and bytes may be lost

    @initialize(
        seed=st.integers(0, 1000),
        receive_buffer=st.sampled_from((500, 3000, 1 << 16)),
        send_buffer=st.sampled_from((500, 10_000, 1 << 17)),
        features=st.tuples(st.booleans(), st.booleans(), st.booleans()),
        iss=st.sampled_from((None, (1 << 32) - 1, (1 << 32) - 2000)),
    )
    def open(
        self, seed: int, receive_buffer: int, send_buffer: int, features: tuple[bool, bool, bool], iss: int | None
    ) -> None:
        sack, timestamps, nodelay = features
        config = TcpConfig(
            receive_buffer=receive_buffer,
            send_buffer=send_buffer,
            sack=sack,
            timestamps=timestamps,
            nodelay=nodelay,
            initial_sequence=iss,
            keepalive=True,  # a lost RST is found out
            keepalive_idle=100.0,
            keepalive_interval=10.0,
            keepalive_count=10,
        )
        self.world = World(seed, tcp=config, delay="10ms", script=self.loses)
        self.dice = self.world.dice("loss")
        self.sides = [Side(connection) for connection in self.world.connected()]

    def loses(self, _direction: str, frame: bytes, _index: int) -> Any:
        return DROP if self.lossy and self.dice.random() < 0.3 and "tcp" in kinds_of(frame) else None

    # what may happen

    @rule(side=SIDES, size=st.sampled_from((1, 10, 1000, 1460, 20_000)))
    def send(self, side: int, size: int) -> None:
        me, other = self.both(side)
        if me.gone or me.failed:
            return
        try:
            accepted = me.connection.write(STREAM[me.said : me.said + size])
        except OSError as error:
            if me.shut:
                assert error.errno == errno.EPIPE or self.broken  # noqa: PT017
            else:
                self.failed(me, error)
            return
        finally:
            self.world.settle()
        assert not me.shut, "accepted after shutdown"
        assert 0 <= accepted <= size
        me.said += accepted
        if other.gone and accepted:
            self.broken = True  # nobody will ever read it

    @rule(side=SIDES, size=st.sampled_from((1, 500, 100_000)))
    def receive(self, side: int, size: int) -> None:
        me, other = self.both(side)
        if not me.gone and not me.failed:
            self.read(me, other, size)

    def read(self, me: Side, other: Side, size: int) -> bool:
        """True: something came."""
        try:
            data = me.connection.read(size)
        except OSError as error:
            self.failed(me, error)
            return False
        finally:
            self.world.settle()
        if data is None:
            assert not me.saw_end
            return False
        assert len(data) <= size
        assert data == STREAM[me.heard : me.heard + len(data)]
        me.heard += len(data)
        assert me.heard <= other.said
        if not data:
            assert other.shut, "the end, and nobody said so"
            assert me.heard == other.said, "the end, before all was heard"
            me.saw_end = True
        return bool(data)

    @rule(side=SIDES)
    def shut(self, side: int) -> None:
        me, _ = self.both(side)
        if me.gone or me.failed or me.shut:
            return
        try:
            me.connection.shutdown_write()
            me.shut = True
        except OSError as error:
            self.failed(me, error)
        self.world.settle()

    @rule(side=SIDES)
    def close(self, side: int) -> None:
        me, other = self.both(side)
        if me.gone:
            return
        if me.heard < other.said or not (other.shut or other.gone):
            self.broken = True  # what it has not read, or will not, is answered by RST (RFC 2525 2.17)
        me.connection.close()
        me.gone = me.shut = True
        self.world.settle()

    @precondition(lambda self: self.dice.random() < 0.2)
    @rule(side=SIDES)
    def abort(self, side: int) -> None:
        me, _ = self.both(side)
        if me.gone:
            return
        self.broken = True
        me.connection.abort()
        me.connection.close()
        me.gone = me.shut = True
        self.world.settle()

    @rule(seconds=st.sampled_from((0.001, 0.03, 0.3, 3.0, 60.0)))
    def time_passes(self, seconds: float) -> None:
        world, until = self.world, self.world.time + seconds
        while (when := world.next_event()) is not None and when <= until:
            world.step()
        world.time = until

    @rule(lossy=st.booleans())
    def weather_changes(self, lossy: bool) -> None:
        self.lossy = lossy

    # what always holds

    @invariant()
    def nobody_hears_what_was_not_said(self) -> None:
        if hasattr(self, "sides"):
            for side in (0, 1):
                me, other = self.both(side)
                assert me.heard <= other.said

    def teardown(self) -> None:
        """A good wire, and whoever is left ends in order."""
        if not hasattr(self, "sides"):
            return
        self.lossy = False
        for side in (0, 1):
            self.shut(side)
        for _ in range(10_000):
            active = [side for side in (0, 1) if not (self.sides[side].gone or self.sides[side].failed)]
            if all(self.sides[side].saw_end for side in active):
                break
            if not any(self.read(*self.both(side), 1 << 20) for side in active if not self.sides[side].saw_end):
                assert self.world.step(), "it will never end"
        if not self.broken:
            for side in (0, 1):
                me, other = self.both(side)
                assert me.heard == other.said or me.gone
                assert not me.failed
        for me in self.sides:
            me.connection.close()
        self.world.settle()
        self.world.rest()
        nothing_left(self.world)

    def both(self, side: int) -> tuple[Side, Side]:
        return self.sides[side], self.sides[1 - side]

    def failed(self, me: Side, error: OSError) -> None:
        assert self.broken, f"nobody broke off, and yet: {error}"
        assert error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.ENOTCONN)
        me.failed = True


def test_send_receive_shutdown_close_and_abort_in_any_order():
    run_state_machine_as_test(Conversation, settings=settings(max_examples=60, stateful_step_count=25, **SETTINGS))


@pytest.mark.slow
def test_the_same_for_long():
    run_state_machine_as_test(Conversation, settings=settings(max_examples=500, stateful_step_count=60, **SETTINGS))
