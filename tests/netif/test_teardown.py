"""Ends, where esp_netif is weakest: in every state, under a running timer, from a handler; and what comes too late.

esp-idf 15218 (LOST_IP of a netif that reused the memory), 11862 and 18968 (used after destroy), 6950 (no deinit).
"""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from components.lan import Lan
from netif import (
    DriverIfconfig,
    Event,
    GotIp,
    InherentConfig,
    IpInfo,
    LostIp,
    Netif,
    NetifConfig,
    Stack,
    ThreadedRuntime,
    netif_receive,
    pair,
)
from netif.errors import IfNotReady
from netif.lifecycle import State


@pytest.fixture
def lan():
    with Lan(seed=9) as lan:
        yield lan


@pytest.fixture
def threaded():
    runtime = ThreadedRuntime(strict=True)
    yield runtime
    runtime.close()
    runtime.check()


def names(heard):
    return [type(event).__name__ for event in heard]


def test_key_of_a_destroyed_interface_is_free_and_its_timer_is_not_the_next_ones(lan):
    host, heard = lan.host("one"), []
    host.netif.unplug()
    lan.run_for(60)
    host.netif.close()
    again = Netif(lan.switch.port(), stack=host.stack, ip="10.0.0.50/24", if_key=host.netif.if_key)
    again.subscribe(Event, heard.append)
    lan.run_for(1000)
    assert names(heard) == ["LinkUp", "NetifUp", "GotIp"]
    assert host.stack.registry.get(again.if_key) is again
    again.close()


def test_interface_may_be_closed_by_a_handler_of_its_own_events(lan):
    host = lan.host("one")
    heard = []

    def end(event):
        heard.append(type(event).__name__)
        event.netif.close()

    host.netif.subscribe(LostIp, end)
    host.netif.unplug()
    lan.run_for(121)
    assert heard == ["LostIp"], "closing it loses nothing a second time"
    assert host.netif.state is State.CLOSED


def test_events_of_the_end_reach_handlers_after_it(threaded):
    stack, heard, last = Stack(runtime=threaded), [], threading.Event()
    driver, other = pair()
    netif = Netif(driver, stack=stack, ip="10.0.0.1/24")

    def hear(event):
        heard.append(event)
        if isinstance(event, LostIp):
            last.set()

    netif.subscribe(Event, hear)
    netif.close()
    assert last.wait(10)
    assert names(heard) == ["LinkUp", "NetifUp", "GotIp", "LinkDown", "NetifDown", "LostIp"]
    other.close()
    stack.close()


def test_who_waits_is_told_that_nothing_comes(threaded):
    stack, failures = Stack(runtime=threaded), []
    driver, other = pair()
    netif = Netif(driver, stack=stack, ip="10.0.0.1/24")
    waiting = threading.Event()

    def wait():
        waiting.set()
        try:
            netif.wait_for(LostIp, timeout=30)
            failures.append("lost")
        except IfNotReady as error:
            failures.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait(10)
    netif.close()
    thread.join(10)
    assert failures == ["lost"] or "closed" in str(failures[0])
    other.close()
    stack.close()


def test_frames_that_come_too_late_are_dropped(threaded):
    class Pusher:
        """A handle that pushes, and goes on when nobody wants it any more."""

    stack, handle = Stack(runtime=threaded), Pusher()
    config = stack.netstack_config
    base = InherentConfig("PUSH", ip_info=IpInfo("10.0.0.1/24"), flags=4)
    driver_config = DriverIfconfig(handle, lambda handle, frame: None)
    netif = Netif(config=NetifConfig(base=base, driver=driver_config, stack=config))
    netif.attach()
    assert netif_receive(netif, bytes(60)) is True
    netif.close()
    assert netif_receive(netif, bytes(60)) is False
    stack.close()


@pytest.mark.parametrize("end", ["close", "stop", "power_off", "unplug", "disconnected"])
def test_ends_may_follow_each_other_in_any_order(lan, end):
    host = lan.host("one")
    getattr(host.netif, end)()
    for other in ("disconnected", "power_off", "close", "power_off", "stop", "close"):
        getattr(host.netif, other)()
    assert host.netif.state is State.CLOSED


def test_nothing_holds_what_was_destroyed(lan):
    host, gone = lan.host("one"), []
    for _ in range(30):
        netif = Netif(lan.switch.port(), stack=host.stack, ip="10.0.0.50/24", if_key="AGAIN")
        netif.unplug()
        gone.append(weakref.ref(netif))
        netif.close()
        del netif
    lan.run_for(1)
    gc.collect()
    assert [ref for ref in gone if ref() is not None] == []
    assert len(lan.runtime.deadlines.heap) < 10
    host.netif.wait_for(GotIp)
