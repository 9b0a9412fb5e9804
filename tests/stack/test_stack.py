"""The composition root: what a turn of the crank may rely on."""

from __future__ import annotations

from functools import partial
from socket import SOCK_DGRAM, SOCK_RAW, SOCK_STREAM
from typing import Any

import pytest

import stack as room
from netif.errors import InvalidState
from netif.esp import netif_deinit
from netif.link import LinkCaps
from netif.netif import Netif
from stack import Stack, default_stack, ethif_init, ethif_input
from stack.endpoint import Endpoint
from stack.stats import COUNTERS, DROPS
from stack.udp import UdpEndpoint
from tapio import pair
from tests.stack.rig import (
    MASK,
    OUR_MAC,
    PEER,
    US,
    Rig,
    ScriptedNetif,
    ScriptedRuntime,
    ScriptedWaiter,
    datagram,
    echo,
)


class Noting(Endpoint):
    """An endpoint that notes its flushes."""

    def __init__(self, stack: Stack, log: list[Any]) -> None:
        super().__init__(stack)
        self.log = log
        self.next: float | None = None
        self.raises = False

    def readable(self) -> bool:
        return self.error is not None

    def writable(self) -> bool:
        return False

    def flush(self, now: float) -> None:
        self.log.append(self)
        if self.raises:
            raise ZeroDivisionError
        self.deadline = self.next
        super().flush(now)

    def expire(self, now: float) -> None:
        self.stack.owe(self)


def test_an_endpoint_that_is_owed_a_flush_gets_one_in_order(rig: Rig):
    log: list[Any] = []
    ends = [Noting(rig.stack, log) for _ in range(3)]
    for end in (*ends, *ends):
        rig.stack.owe(end)
    assert rig.stack in rig.runtime.touched
    rig.flush()
    assert log == ends
    rig.flush()
    assert log == ends


def test_the_runtime_is_touched_once_a_turn(rig: Rig):
    end = Noting(rig.stack, [])
    rig.stack.owe(end)
    rig.runtime.touched.clear()
    rig.stack.owe(end)
    assert not rig.runtime.touched
    rig.flush()
    assert not rig.runtime.touched
    rig.stack.owe(end)
    assert rig.runtime.touched


def test_a_deadline_set_by_a_flush_comes_back_as_a_flush(rig: Rig):
    log: list[Any] = []
    end = Noting(rig.stack, log)
    end.next = rig.runtime.time + 5
    rig.stack.owe(end)
    rig.flush()
    assert rig.stack.next_deadline() == end.next
    assert rig.stack.pending()
    end.next = None
    rig.after(4.9)
    assert len(log) == 1
    rig.after(0.2)
    assert len(log) == 2
    assert not rig.stack.pending()


def test_an_exception_in_a_flush_costs_the_others_nothing(rig: Rig):
    log: list[Any] = []
    ends = [Noting(rig.stack, log) for _ in range(4)]
    ends[1].raises = True
    waiter = ScriptedWaiter()
    ends[1].wait_readable(waiter)
    for end in ends:
        rig.stack.owe(end)
    with pytest.raises(ZeroDivisionError) as caught:
        rig.flush()
    assert rig.stack in rig.runtime.touched
    ends[1].raises = False
    rig.stack.abort_current(caught.value)
    rig.flush()
    assert log == [*ends[:2], *ends[2:], ends[1]]
    assert isinstance(ends[1].error, ConnectionAbortedError)
    assert waiter.woken
    assert [end.error for end in (ends[0], ends[2], ends[3])] == [None] * 3
    assert rig.stack.stats["internal_error"] == 1


def test_an_exception_out_of_a_frame_aborts_nobody_who_had_no_part_in_it(met: Rig):
    end = Noting(met.stack, [])
    met.stack.owe(end)
    met.flush()

    def broken(*_: object) -> bool:
        raise ZeroDivisionError

    met.stack.forward = broken
    with pytest.raises(ZeroDivisionError) as caught:
        met.gets(echo())
    met.stack.abort_current(caught.value)
    met.flush()
    assert end.error is None


def test_a_flush_within_a_flush_does_nothing(rig: Rig):
    class Nested(Noting):
        def flush(self, now: float) -> None:
            super().flush(now)
            self.stack.flush(now)

    log: list[Any] = []
    rig.stack.owe(Nested(rig.stack, log))
    rig.flush()
    assert len(log) == 1


def test_a_trace_hears_of_every_drop(met: Rig):
    told: list[tuple[str, object, object]] = []
    met.stack.trace = lambda event, owner, detail: told.append((event, owner, str(detail)))
    met.gets(b"", datagram(b"x"))
    assert told == [
        ("drop", met.interface, "ethernet_header_short"),
        ("drop", met.interface, "udp_no_socket"),
    ]


def test_a_trace_hears_of_neighbours(rig: Rig):
    told: list[str] = []
    rig.stack.trace = lambda event, owner, detail: told.append(f"{event} {detail}")
    rig.knows_peer()
    assert told == ["neighbour <Neighbour 10.0.0.2 reachable at 02:00:00:00:00:02>"]


def test_every_name_that_is_counted_is_explained_and_every_bound_has_a_counter(rig: Rig):
    import attrs

    from stack.limits import Limits

    for field in attrs.fields(Limits):
        assert field.metadata["counter"] in {**DROPS, **COUNTERS}, field.name


def test_the_pair_of_functions_reaches_any_stack():
    runtime = ScriptedRuntime()
    host = Stack("other", runtime=runtime)  # type: ignore[arg-type]
    netif: Any = ScriptedNetif()
    interface = partial(ethif_init, stack=host)(netif)
    assert interface.stack is host
    assert host.interfaces == []  # it counts once the link is up
    interface.link_up(LinkCaps(mac=OUR_MAC))
    interface.set_addresses(US, MASK, bytes(4))
    ethif_input(interface, echo())
    ethif_input(interface, echo(), None)
    assert host.netstack_config.init_fn(netif).stack is host
    interface.input(echo(), None)
    assert host.stats["echo_replied"] == 3


def test_closing_ends_what_is_left_and_may_be_repeated(met: Rig):
    socket = UdpEndpoint(met.stack)
    socket.bind(bytes(4), 7)
    waiter = ScriptedWaiter()
    socket.wait_readable(waiter)
    met.stack.close()
    met.stack.close()
    assert waiter.woken
    with pytest.raises(OSError, match="Network is down"):
        socket.receive()
    assert met.runtime.stacks == []
    assert met.runtime.depth == 0


def test_a_closed_stack_takes_neither_interfaces_nor_sockets(rig: Rig):
    rig.stack.close()
    with pytest.raises(InvalidState, match=r"the stack '.*' is closed: make another"):
        Netif(pair()[0], stack=rig.stack, ip="10.0.0.7/24")
    for kind in (SOCK_STREAM, SOCK_DGRAM, SOCK_RAW):
        with pytest.raises(OSError, match=r"the stack '.*' is closed"):
            rig.stack.socket(type=kind)


def test_a_with_statement_closes_the_stack():
    runtime = ScriptedRuntime()
    with Stack(runtime=runtime) as host:  # type: ignore[arg-type]
        assert runtime.stacks == [host]
    assert host.closed


def test_the_default_stack_is_made_at_need_and_ends_with_the_process():
    first = default_stack()
    try:
        assert default_stack() is first
        netif: Any = ScriptedNetif()
        assert ethif_init(netif).stack is first
    finally:
        netif_deinit()
    assert first.closed
    second = default_stack()
    assert second is not first
    netif_deinit()


def test_the_room_offers_its_names_and_no_others():
    assert {name for name in room.__all__ if not hasattr(room, name)} == set()
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        room.nonsense  # noqa: B018


def test_the_same_seed_gives_the_same_frames():
    def run() -> list[bytes]:
        rig = Rig()
        rig.knows_peer()
        for _ in range(20):
            UdpEndpoint(rig.stack).send_to(b"x", (PEER, 9))
        rig.after(100.0)
        return rig.frames()

    assert run() == run()
