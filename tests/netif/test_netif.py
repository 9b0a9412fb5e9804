"""One interface between a driver and a stack that is not ours: the contract, the order, the lifecycle."""

from __future__ import annotations

import asyncio
import errno
import logging

import pytest

from netif.config import DriverIfconfig, Flags, IpInfo, NetifConfig, NetstackConfig
from netif.errors import DriverAttachFailed, IfNotReady, InitFailed, InvalidParams
from netif.events import DriverFailed, Event, GotIp, LinkDown, LinkUp, LostIp, NetifDown, NetifUp
from netif.lifecycle import TRANSITIONS, State
from netif.link import Medium, Offload
from netif.netif import Netif
from tapio import Wrapper


@pytest.fixture
def driver(new_driver, stack):
    return new_driver(log=stack.log)


@pytest.fixture
def netif(driver, stack):
    with Netif(driver, stack=stack, ip="10.0.0.1/24", gateway="10.0.0.254") as netif:
        yield netif


def test_foreign_stack_gets_frames_and_answers(netif, driver, runtime, stack):
    driver.inbox.append((b"abc", None))
    driver.port.readable()
    runtime.turn()
    assert stack.seen == [(b"abc", None)]
    assert driver.sent == [((b"cba",), None)]


def test_offload_is_handed_through(netif, driver, runtime, stack):
    offload = Offload(1, 34, 16, 1460)
    driver.inbox.append((b"abc", offload))
    driver.port.readable()
    runtime.turn()
    assert stack.seen == [(b"abc", offload)]
    netif.transmit((b"head", b"body"), offload)
    assert driver.sent[-1] == ((b"head", b"body"), offload)


def test_order_of_attaching(netif, stack, runtime):
    assert stack.log == ["init", "open", "link_up", "addresses"]
    assert runtime.log == [("add", "ETH_DEF")]


def test_order_of_closing(netif, stack, runtime, driver):
    stack.log.clear()
    netif.close()
    assert stack.log == ["finish", "detach", "close"]
    assert runtime.log == [("add", "ETH_DEF"), ("remove", "ETH_DEF")]
    assert netif.state is State.CLOSED


def test_close_is_idempotent(netif, driver):
    netif.close()
    netif.close()
    assert driver.closed == 1


def test_close_waits_for_connections_to_end(netif, stack, runtime):
    interface = stack.interfaces[0]
    interface.connections = 1
    runtime.script.append(lambda: interface.finishing.wake())
    netif.close()
    assert runtime.clock == 0.0
    assert not runtime.script


def test_close_resets_what_does_not_end_in_time(netif, stack, runtime):
    stack.interfaces[0].connections = 1
    netif.close(linger=2.5)
    assert runtime.clock == 2.5
    assert "detach" in stack.log


def test_close_without_linger_does_not_wait(netif, stack):
    stack.interfaces[0].connections = 1
    netif.close(linger=0)
    assert "finish" not in stack.log


def test_frames_pass_while_connections_end(netif, stack, runtime, driver):
    interface = stack.interfaces[0]
    interface.connections = 1

    def last_words():
        assert netif.transmit((b"fin",), None)
        interface.finishing.wake()

    runtime.script.append(last_words)
    netif.close()
    assert driver.sent == [((b"fin",), None)]


def test_async_with_closes_in_order(driver, stack):
    async def use():
        async with Netif(driver, stack=stack, ip="10.0.0.1/24") as netif:
            assert (await netif.wait_for_async(GotIp)).ip_info == netif.ip_info
        return netif

    assert asyncio.run(use()).state is State.CLOSED
    assert stack.log[-3:] == ["finish", "detach", "close"]


def test_address_reaches_the_stack_as_bytes(netif, stack):
    assert stack.interfaces[0].addresses == (b"\x0a\0\0\x01", b"\xff\xff\xff\0", b"\x0a\0\0\xfe")


def test_driver_is_asked_for_everything(netif, driver, stack):
    assert driver.want.gso_max == 65535
    assert driver.want.tx_checksum
    assert driver.want.mac == netif.mac
    assert stack.interfaces[0].caps == netif.caps


def test_smaller_mtu_is_accepted_and_told(new_driver, stack, caplog):
    with Netif(new_driver(mtu=1400), stack=stack, mtu=1500, ip="10.0.0.1/24") as netif:
        assert netif.mtu == 1400
    assert "1400" in caplog.text


def test_link_without_ethernet_has_no_mac(new_driver, stack):
    with Netif(new_driver(medium=Medium.POINT_TO_POINT), stack=stack, ip="10.0.0.1/24") as netif:
        assert netif.mac == b""


def test_counters(netif, driver, runtime):
    driver.inbox.extend([(b"12345", None), (b"123", None)])
    driver.port.readable()
    runtime.turn()
    netif.transmit((b"1", b"23"), None)
    counters = netif.counters
    assert (counters.rx_frames, counters.rx_bytes) == (2, 8)
    assert (counters.tx_frames, counters.tx_bytes) == (3, 11)
    assert counters.rx_dropped == counters.tx_dropped == 0


def test_full_driver_is_not_counted_as_sent(netif, driver, stack):
    driver.room = 0
    assert netif.transmit((b"x",), None) is False
    assert netif.counters.tx_frames == 0
    driver.port.writable()
    assert stack.log[-1] == "writable"


def test_frames_are_dropped_while_the_link_is_down(netif, driver, runtime, stack):
    netif.disconnected()
    driver.inbox.append((b"late", None))
    driver.port.readable()
    runtime.turn()
    assert netif.transmit((b"x",), None)
    assert stack.seen == []
    assert driver.sent == []
    assert (netif.counters.rx_dropped, netif.counters.tx_dropped) == (1, 1)


def test_without_autoup_the_link_waits_for_connected(driver, stack, heard):
    with Netif(driver, stack=stack, ip="10.0.0.1/24", flags=Flags(0)) as netif:
        netif.subscribe(Event, heard)
        assert netif.state is State.STARTED
        assert "link_up" not in stack.log
        netif.connected()
        assert netif.is_up
        assert heard == ["LinkUp", "NetifUp", "GotIp"]


def test_start_and_connected_do_nothing_twice(netif, stack):
    netif.start()
    netif.connected()
    assert stack.log.count("link_up") == 1
    assert stack.log.count("init") == 1


def test_unplugging_keeps_the_address(netif, stack, heard):
    netif.subscribe(Event, heard)
    heard.clear()
    netif.disconnected()
    netif.disconnected()
    assert heard == ["LinkDown", "NetifDown"]
    assert netif.ip_info
    netif.connected()
    assert heard == ["LinkDown", "NetifDown", "LinkUp", "NetifUp", "GotIp"]
    assert stack.log.count("addresses") == 1


def test_stop_leaves_the_stack_and_start_comes_back(netif, stack, driver, heard):
    netif.subscribe(Event, heard)
    heard.clear()
    netif.stop()
    assert netif.interface is None
    assert heard == ["LinkDown", "NetifDown", "LostIp"]
    assert not driver.closed
    netif.start()
    assert netif.is_up
    assert netif.ip_info == IpInfo("10.0.0.1/24", gw="10.0.0.254")
    assert heard[3:] == ["LinkUp", "NetifUp", "GotIp"]


def test_stop_before_start_is_refused(new_config):
    with pytest.raises(IfNotReady):
        Netif(config=new_config()).stop()
    with pytest.raises(IfNotReady):
        Netif(config=new_config()).connected()
    with pytest.raises(IfNotReady):
        Netif(config=new_config()).start()


def test_closed_netif_cannot_be_attached(new_config, new_driver):
    netif = Netif(config=new_config())
    netif.close()
    with pytest.raises(IfNotReady):
        netif.attach(new_driver())


def test_every_state_can_be_left_and_reached():
    reached = {state for states in TRANSITIONS.values() for state in states.values()} | {State.NEW}
    assert set(TRANSITIONS) == set(State)
    assert reached == set(State)
    assert [state for state in State if not TRANSITIONS[state]] == [State.CLOSED]


def test_stack_without_netstack_config_is_named(driver, runtime):
    class Nothing:
        pass

    bad = Nothing()
    bad.runtime = runtime
    with pytest.raises(InvalidParams, match="netstack_config"):
        Netif(driver, stack=bad)
    assert driver.closed


def test_netif_needs_a_stack(driver):
    with pytest.raises(InvalidParams, match="stack="):
        Netif(driver)


def test_bad_argument_closes_the_driver(driver, stack):
    with pytest.raises(InvalidParams):
        Netif(driver, stack=stack, ip="10.0.0.1")
    assert driver.closed == 1


def test_failed_open_is_undone(driver, stack, runtime):
    driver.error = OSError(errno.EBUSY, "busy")
    with pytest.raises(OSError, match="busy"):
        Netif(driver, stack=stack, ip="10.0.0.1/24")
    assert stack.log == ["init", "open", "detach", "close"]
    assert runtime.ports == {}
    assert not runtime.held
    assert len(stack.registry) == 0
    assert stack.default is None


def test_failed_start_can_be_tried_again(new_config, driver, runtime):
    netif = Netif(config=new_config(flags=Flags.AUTOUP))
    driver.error = OSError(errno.EBUSY, "busy")
    with pytest.raises(OSError, match="busy"):
        netif.attach(driver)
    assert netif.state is State.ATTACHED
    assert not driver.closed
    driver.error = None
    netif.start()
    assert netif.is_up
    netif.close()
    assert driver.closed == 1


def test_failed_link_up_is_undone(new_config, driver, stack, runtime):
    def explode(caps):
        raise ValueError("no such medium")

    def init(netif):
        interface = stack.init(netif)
        interface.link_up = explode
        return interface

    netstack = NetstackConfig(init_fn=init, input_fn=stack.echo)
    netif = Netif(config=NetifConfig(base=new_config(flags=Flags.AUTOUP).base, stack=netstack))
    with pytest.raises(ValueError, match="no such medium"):
        netif.attach(driver)
    assert netif.state is State.ATTACHED
    assert runtime.ports == {}
    assert stack.log[-1] == "detach"
    netif.close()
    assert driver.closed


def test_init_fn_without_interface_is_named(new_config, driver, stack):
    netstack = NetstackConfig(init_fn=lambda netif: None, input_fn=stack.echo)
    netif = Netif(config=NetifConfig(base=new_config().base, stack=netstack))
    with pytest.raises(InitFailed, match="init_fn"):
        netif.attach(driver)


def test_post_attach_comes_before_start(new_config, driver, stack):
    def post_attach(netif, handle):
        assert handle is driver
        assert netif.state is State.ATTACHED
        stack.log.append("post_attach")
        netif.set_driver_config(DriverIfconfig(handle, driver.transmit))

    driver.post_attach = post_attach
    netif = Netif(config=new_config(flags=Flags.AUTOUP))
    netif.attach(driver)
    assert stack.log == ["post_attach", "init", "open", "link_up", "addresses"]
    netif.close()


def test_post_attach_may_start(new_config, driver, stack):
    driver.post_attach = lambda netif, handle: netif.start()
    netif = Netif(config=new_config(flags=Flags.AUTOUP))
    netif.attach(driver)
    assert stack.log.count("init") == 1
    netif.close()


def test_failed_post_attach_detaches(new_config, driver):
    def post_attach(netif, handle):
        raise OSError("no carrier")

    driver.post_attach = post_attach
    netif = Netif(config=new_config())
    with pytest.raises(DriverAttachFailed, match="no carrier"):
        netif.attach(driver)
    assert netif.state is State.NEW
    assert netif.handle is None


def test_post_attach_that_starts_and_fails_is_undone(new_config, driver, runtime):
    def post_attach(netif, handle):
        netif.start()
        raise OSError("second thoughts")

    driver.post_attach = post_attach
    netif = Netif(config=new_config(flags=Flags.AUTOUP))
    with pytest.raises(DriverAttachFailed, match="second thoughts"):
        netif.attach(driver)
    assert netif.state is State.NEW
    assert runtime.ports == {}


def test_dead_driver_takes_the_link_down(netif, driver, runtime, stack, heard):
    netif.subscribe(Event, heard)
    heard.clear()
    stack.log.clear()
    error = OSError(errno.ENODEV, "gone")
    driver.port.failed(error)
    runtime.turn()
    assert heard == ["LinkDown", "NetifDown", "LostIp", "DriverFailed"]
    assert stack.log == ["link_down", "detach"]
    assert runtime.ports == {}
    assert netif.wait_for(DriverFailed).error is error
    assert netif.state is State.ATTACHED


def test_another_driver_takes_the_place_of_one_that_died(netif, driver, new_driver, runtime, heard):
    driver.port.failed(OSError(errno.ENODEV, "gone"))
    runtime.turn()
    netif.subscribe(Event, heard)
    heard.clear()
    fresh = new_driver()
    netif.attach(fresh)
    assert (netif.driver, netif.handle, netif.is_up) == (fresh, fresh, True)
    assert driver.closed
    assert heard == ["LinkUp", "NetifUp", "GotIp"]


def test_the_same_driver_may_come_back(netif, driver, runtime):
    netif.stop()
    netif.attach(driver)
    assert netif.is_up
    assert not driver.closed
    with pytest.raises(IfNotReady, match="cannot attach"):
        netif.attach(driver)


def test_error_in_transmit_is_a_dead_driver(netif, driver, runtime):
    driver.error = OSError(errno.EIO, "broken")
    assert netif.transmit((b"x",), None) is True
    assert netif.counters.tx_dropped == 1
    runtime.turn()
    assert netif.wait_for(DriverFailed).error is driver.error


def test_driver_that_dies_while_closing(netif, driver, runtime, stack):
    interface = stack.interfaces[0]
    interface.connections = 1
    runtime.script.append(lambda: driver.port.failed(OSError("gone")))
    runtime.script.append(runtime.turn)
    runtime.script.append(lambda: interface.finishing.wake())
    netif.close()
    assert netif.state is State.CLOSED
    assert stack.log.count("detach") == 1


def test_static_address_is_got_when_the_link_comes_up(driver, stack):
    with Netif(driver, stack=stack, ip="10.0.0.1/24") as netif:
        event = netif.wait_for(GotIp)
        assert event.netif is netif
        assert event.ip_info == IpInfo("10.0.0.1/24")
        assert event.ip_changed is False


def test_waiting_is_level_triggered(netif):
    assert isinstance(netif.wait_for(LinkUp), LinkUp)
    assert isinstance(netif.wait_for(NetifUp), NetifUp)
    netif.disconnected()
    assert isinstance(netif.wait_for(LinkDown), LinkDown)
    assert isinstance(netif.wait_for(NetifDown), NetifDown)


def test_waiting_for_what_comes_later(netif, runtime):
    netif.disconnected()
    runtime.script.append(lambda: None)
    runtime.script.append(netif.connected)
    assert netif.wait_for(GotIp, timeout=5).ip_info == netif.ip_info


def test_waiting_ends_with_a_timeout(netif, runtime):
    with pytest.raises(TimeoutError, match=r"no LinkDown within 3 s"):
        netif.wait_for(LinkDown, timeout=3)
    assert not runtime.held


def test_waiting_ends_when_the_netif_is_closed(netif, runtime):
    runtime.script.append(lambda: netif.close())
    with pytest.raises(IfNotReady, match="closed"):
        netif.wait_for(DriverFailed)


def test_address_that_cannot_come_is_named(driver, stack, caplog):
    with Netif(driver, stack=stack) as netif:
        assert "ip=" in caplog.text
        with pytest.raises(IfNotReady, match="ip="):
            netif.wait_for(GotIp, timeout=10)


def test_nobody_waits_on_an_interface_that_is_not_attached(new_config):
    with pytest.raises(IfNotReady, match="attach"):
        Netif(config=new_config()).wait_for(GotIp)


def test_late_handler_is_told_what_is_the_case(netif, heard):
    netif.subscribe(Event, heard)
    assert heard == ["LinkUp", "NetifUp", "GotIp"]


def test_handlers_run_in_order_with_the_gate_free(netif, runtime):
    order = []
    netif.subscribe(LinkDown, lambda event: order.append(("first", runtime.held)))
    netif.subscribe(LinkDown, lambda event: order.append(("second", runtime.held)))
    netif.disconnected()
    assert order == [("first", False), ("second", False)]


def test_handler_may_call_the_netif(netif, heard):
    def plug_in(event):
        event.netif.unsubscribe(LinkDown, plug_in)
        event.netif.connected()

    netif.subscribe(LinkDown, plug_in)
    netif.subscribe(Event, heard)
    heard.clear()
    netif.disconnected()
    assert heard[-3:] == ["LinkUp", "NetifUp", "GotIp"]


def test_unsubscribed_handler_is_not_called(netif, heard):
    netif.subscribe(LinkDown, heard)
    netif.unsubscribe(LinkDown, heard)
    netif.unsubscribe(LinkDown, heard)
    netif.disconnected()
    assert heard == []


def test_new_address_at_run_time(netif, stack):
    netif.ip_info = "10.0.0.7/24"
    event = netif.wait_for(GotIp)
    assert event.ip_changed
    assert event.ip_info == netif.ip_info == IpInfo("10.0.0.7/24")
    assert stack.interfaces[0].addresses[0] == b"\x0a\0\0\x07"


def test_same_address_is_no_news(netif, heard):
    netif.subscribe(GotIp, heard)
    heard.clear()
    netif.set_ip_info(netif.ip_info)
    assert heard == []


def test_same_address_is_news_with_event_ip_modified(driver, stack, heard):
    with Netif(driver, stack=stack, ip="10.0.0.1/24", flags=Flags.AUTOUP | Flags.EVENT_IP_MODIFIED) as netif:
        netif.subscribe(GotIp, heard)
        heard.clear()
        netif.set_ip_info(netif.ip_info)
        assert heard == ["GotIp"]
        assert netif.wait_for(GotIp).ip_changed is False


def test_address_taken_away_is_lost(netif, stack, heard):
    netif.subscribe(LostIp, heard)
    netif.ip_info = IpInfo()
    assert heard == ["LostIp"]
    assert stack.interfaces[0].addresses == (bytes(4),) * 3
    with pytest.raises(IfNotReady, match="ip="):
        netif.wait_for(GotIp)


def test_address_set_while_down_is_applied_by_connected(netif, stack):
    netif.disconnected()
    netif.ip_info = "10.0.0.8/24"
    assert stack.interfaces[0].addresses[0] == b"\x0a\0\0\x01"
    netif.connected()
    assert stack.interfaces[0].addresses[0] == b"\x0a\0\0\x08"


def test_events_bear_the_ids_of_the_configuration(new_config, driver):
    netif = Netif(config=new_config(flags=Flags.AUTOUP, get_ip_event="GOT", lost_ip_event="LOST"))
    netif.attach(driver)
    assert netif.wait_for(GotIp).event_id == "GOT"
    netif.stop()
    assert netif.wait_for(LostIp).event_id == "LOST"
    netif.close()


def test_mac_and_mtu_can_be_changed(netif, stack):
    netif.set_mac("02:00:00:00:00:09")
    netif.set_mtu(1280)
    assert stack.log[-2:] == [("mac", b"\x02\0\0\0\0\x09"), ("mtu", 1280)]
    netif.disconnected()
    netif.connected()
    assert stack.interfaces[0].caps.mac == b"\x02\0\0\0\0\x09"
    assert stack.interfaces[0].caps.mtu == 1280
    with pytest.raises(InvalidParams, match="mtu"):
        netif.set_mtu(10)


def test_a_driver_that_filters_by_the_mac_hears_of_another_one(stack, driver):
    told = []

    def refusing(mac):
        raise ValueError("its MAC address is the device's")

    driver.set_mac = told.append
    with Netif(Wrapper(driver), stack=stack, mac="02:00:00:00:00:08") as netif:
        assert told == []
        netif.set_mac("02:00:00:00:00:09")
        assert told == [b"\x02\0\0\0\0\x09"]
        driver.set_mac = refusing
        with pytest.raises(ValueError, match="the device's"):
            netif.set_mac("02:00:00:00:00:0a")
        assert netif.mac == b"\x02\0\0\0\0\x09"


def test_mtu_is_never_above_what_was_granted(netif):
    netif.set_mtu(1000)
    netif.set_mtu(1500)
    with pytest.raises(InvalidParams, match="granted 1500"):
        netif.set_mtu(1501)


def test_config_and_other_arguments_exclude_each_other(new_config, driver):
    with pytest.raises(InvalidParams, match="ip="):
        Netif(driver, config=new_config(), ip="10.0.0.1/24")
    assert driver.closed


def test_mtu_of_zero_is_out_of_range(driver, stack):
    with pytest.raises(InvalidParams, match="mtu"):
        Netif(driver, stack=stack, mtu=0)


def test_config_may_be_attached_by_the_constructor(new_config, driver):
    with Netif(driver, config=new_config(flags=Flags.AUTOUP)) as netif:
        assert netif.is_up


def test_repr_can_be_read_by_a_person(netif):
    assert repr(netif) == f"<Netif ETH_DEF 10.0.0.1/24 {netif.mac.hex(':')} UP on foreign>"


def test_lifecycle_is_logged(driver, stack, caplog):
    with caplog.at_level(logging.INFO), Netif(driver, stack=stack, ip="10.0.0.1/24", gateway="10.0.0.254"):
        assert "ETH_DEF ip: 10.0.0.1, mask: 255.255.255.0, gw: 10.0.0.254" in caplog.text


def test_interface_without_a_stack_is_driven_all_the_same(new_config, driver):
    seen = []

    class Bare:
        stack = None

        def __getattr__(self, name):
            return lambda *arguments: None

    def take(interface, frame, offload):
        seen.append(frame)

    netstack = NetstackConfig(init_fn=lambda netif: Bare(), input_fn=take)
    netif = Netif(config=NetifConfig(base=new_config(flags=Flags.AUTOUP).base, stack=netstack))
    netif.attach(driver)
    driver.inbox.append((b"frame", None))
    driver.port.poke()
    netif.runtime.run_until(lambda: bool(seen), timeout=5)
    assert seen == [b"frame"]
    netif.close()
