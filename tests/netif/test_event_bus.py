"""esp_event's handlers: by base and id, in order, none lost, and what interfaces post (esp_netif.md 2.6)."""

from __future__ import annotations

import threading

import pytest

from netif import IpEvent, ThreadedRuntime, VirtualRuntime, netif_action_connected, netif_action_disconnected
from netif.config import Flags
from netif.errors import InvalidArg
from netif.event_bus import ANY_BASE, ANY_ID, IP_EVENT, EventBus
from netif.events import GotIp
from netif.netif import Netif


@pytest.fixture
def bus(runtime):
    return EventBus(runtime)


@pytest.fixture
def told():
    """A handler: it keeps (arg, base, id, data)."""

    class Told(list):
        def __call__(self, *what):
            self.append(what)

    return Told()


@pytest.fixture
def netif(new_config, new_driver, bus):
    netif = Netif(config=new_config(get_ip_event=IpEvent.ETH_GOT_IP, lost_ip_event=IpEvent.ETH_LOST_IP))
    netif.bus = bus
    netif.attach(new_driver())
    yield netif
    netif.close()


def post(runtime, bus, *events):
    for event in events:
        bus.post(*event)
    runtime.turn()


def test_handlers_are_chosen_by_base_and_id(bus, runtime, told):
    bus.register("A", 1, told, "one")
    bus.register("A", ANY_ID, told, "any of A")
    bus.register(ANY_BASE, ANY_ID, told, "any")
    post(runtime, bus, ("A", 1, "x"), ("A", 2), ("B", 1))
    assert told == [
        ("one", "A", 1, "x"),
        ("any of A", "A", 1, "x"),
        ("any", "A", 1, "x"),
        ("any of A", "A", 2, None),
        ("any", "A", 2, None),
        ("any", "B", 1, None),
    ]


def test_zero_is_an_id(bus, runtime, told):
    bus.register(IP_EVENT, IpEvent.STA_GOT_IP, told)
    post(runtime, bus, (IP_EVENT, 0))
    assert len(told) == 1


def test_handler_that_is_registered_again_gets_another_argument(bus, runtime, told):
    bus.register("A", 1, told, "old")
    bus.register("A", 1, told, "young")
    post(runtime, bus, ("A", 1))
    assert told == [("young", "A", 1, None)]


def test_instances_are_called_each_and_end_each(bus, runtime, told):
    first = bus.register_instance("A", 1, told, "first")
    bus.register_instance("A", 1, told, "second")
    bus.unregister_instance(first)
    bus.unregister_instance(first)
    post(runtime, bus, ("A", 1))
    assert told == [("second", "A", 1, None)]


def test_unregistered_handler_is_not_called_for_what_is_under_way(bus, runtime, told):
    bus.register("A", 1, told)
    bus.post("A", 1)
    bus.unregister("A", 1, told)
    bus.unregister("A", 1, told)
    runtime.turn()
    assert told == []


def test_handler_may_unregister_the_next_one_and_post(bus, runtime, told):
    def first(arg, base, event_id, data):
        bus.unregister("A", 1, told)
        bus.post("B", 2, "from a handler")

    bus.register("A", 1, first)
    bus.register("A", 1, told)
    bus.register("B", 2, told)
    post(runtime, bus, ("A", 1))
    assert told == [(None, "B", 2, "from a handler")]


def test_handler_that_raises_keeps_nobody_from_the_event(bus, runtime, told, caplog):
    def broken(*what):
        raise ValueError("no")

    bus.register("A", 1, broken)
    bus.register("A", 1, told)
    post(runtime, bus, ("A", 1))
    assert len(told) == 1
    assert "raised" in caplog.text


def test_what_makes_no_sense_is_named(bus):
    with pytest.raises(InvalidArg, match="ANY_BASE"):
        bus.register(ANY_BASE, 1, print)
    with pytest.raises(InvalidArg, match="function"):
        bus.register("A", 1, "print")
    with pytest.raises(InvalidArg, match="one id"):
        bus.post("A", ANY_ID)


def test_closed_bus_forgets_what_is_under_way(bus, runtime, told):
    bus.register("A", 1, told)
    bus.post("A", 1)
    bus.close()
    bus.register("A", 2, told)
    bus.register("A", 1, told, "registered after the end")
    post(runtime, bus, ("A", 2))
    assert told == [(None, "A", 2, None)]


def test_interface_posts_what_happens_to_it(netif, bus, runtime, told):
    bus.register(IP_EVENT, ANY_ID, told)
    netif.connected()
    assert [event[2] for event in told] == [IpEvent.NETIF_UP, IpEvent.ETH_GOT_IP]
    data = told[1][3]
    assert isinstance(data, GotIp)
    assert (data.netif, data.ip_info, data.ip_changed) == (netif, netif.ip_info, False)
    netif.stop()
    assert [event[2] for event in told[2:]] == [IpEvent.NETIF_DOWN, IpEvent.ETH_LOST_IP]
    assert told[3][3].netif is netif


def test_event_id_of_none_is_no_event(new_config, new_driver, bus, told):  # esp_netif: 0 means none, and STA_GOT_IP
    netif = Netif(config=new_config(flags=Flags.AUTOUP, lost_ip_event=0))
    netif.bus = bus
    bus.register(IP_EVENT, ANY_ID, told)
    netif.attach(new_driver())
    assert [event[2] for event in told] == [IpEvent.NETIF_UP]
    netif.close()
    assert told[-1][2] == 0


def test_actions_are_handlers(netif, bus, runtime):  # 1.2: (netif, base, id, data)
    bus.register("ETH_EVENT", 2, netif_action_connected, netif)
    bus.register("ETH_EVENT", 3, netif_action_disconnected, netif)
    post(runtime, bus, ("ETH_EVENT", 2))
    assert netif.is_up
    post(runtime, bus, ("ETH_EVENT", 3))
    assert not netif.is_up


def test_order_holds_and_nothing_is_lost_between_threads():
    runtime = ThreadedRuntime()
    bus, heard, all_heard = EventBus(runtime), [], threading.Event()

    def hear(arg, base, event_id, data):
        heard.append((event_id, data))
        if len(heard) == 4000:
            all_heard.set()

    bus.register("A", ANY_ID, hear)
    threads = [
        threading.Thread(target=lambda who=who: [bus.post("A", who, number) for number in range(1000)])
        for who in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all_heard.wait(10)
    for who in range(4):
        assert [data for event_id, data in heard if event_id == who] == list(range(1000))
    runtime.close()


def test_handlers_may_block_on_a_virtual_clock():
    runtime = VirtualRuntime()
    bus, heard = EventBus(runtime), []

    def slow(arg, base, event_id, data):
        runtime.sleep(1)
        heard.append((data, runtime.now()))

    bus.register("A", 1, slow)
    bus.post("A", 1, "first")
    bus.post("A", 1, "second")
    runtime.run_for(10)
    assert heard == [("first", 1.0), ("second", 2.0)]
    runtime.close()
