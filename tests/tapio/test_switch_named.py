"""Switches by name, within one runtime."""

from __future__ import annotations

import gc

import pytest

from netif.wire import ethernet
from tapio import NamedPort
from tapio.switch.named import named
from tests.tapio.ports import drained

A, B = (bytes([2, 0, 0, 0, 0, n]) for n in (1, 2))


@pytest.fixture
def plug(make_port, want):
    """plug(name, mac=A, runtime=None, **words): a port, open."""

    def plug(name, mac=A, runtime=None, **words):
        port = NamedPort(name, **words)
        port.open(want(mac), make_port(runtime))
        return port

    return plug


def test_the_same_name_is_the_same_switch(plug, frames):
    one, other, elsewhere = plug("lab"), plug("lab", B), plug("attic", B)
    frame = frames.plain(dst=ethernet.BROADCAST, src=A)
    one.transmit((frame,), None)
    assert [drained(port) for port in (other, elsewhere)] == [[frame], []]
    assert (one.number, other.number) == (1, 2)


def test_on_another_runtime_it_is_another_switch(plug, runtime):
    elsewhere = type(runtime)()
    one, other = plug("lab"), plug("lab", B, elsewhere)
    assert one.switch is not other.switch


def test_it_lives_as_long_as_its_ports(plug, runtime):
    one, other = plug("lab"), plug("lab", B)
    switch_id = id(one.switch)
    one.close()
    assert id(named("lab", runtime)) == switch_id
    other.close()
    other.close()
    gc.collect()
    assert not named("lab", runtime).ports


def test_a_port_is_opened_again(plug, make_port, want, frames):
    one, other = plug("lab"), plug("lab", B)
    one.close()
    assert one.transmit((frames.plain(),), None)
    one.open(want(A), make_port())
    one.open(want(A), make_port())  # after a stop, without a close
    frame = frames.plain(dst=ethernet.BROADCAST, src=A)
    one.transmit((frame,), None)
    assert drained(other) == [frame]
    assert len(one.switch.ports) == 2


def test_opened_on_another_runtime_it_has_left_the_first(plug, make_port, want, runtime):
    one = plug("lab")
    switch = one.switch
    one.open(want(A), make_port(type(runtime)()))
    assert one.switch is not switch
    assert not switch.ports


def test_an_access_port_makes_it_heed_tags(plug, frames):
    ten, trunk = plug("lab", vlan=10), plug("lab", B)
    frame = frames.plain(dst=ethernet.BROADCAST, src=A)
    ten.transmit((frame,), None)
    assert drained(trunk) == [frame[:12] + b"\x81\0\0\x0a" + frame[12:]]


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="a name"):
        NamedPort("")
    with pytest.raises(ValueError, match="no VLAN"):
        NamedPort("lab", vlan=0)
