"""Leases that outlive their server: RFC 2131 2.2 (persistent storage)."""

from __future__ import annotations

from netif.wire import dhcp_options as option
from tests.stack.dhcp.serving import ACK, DECLINE, DISCOVER, NAK, RELEASE, Serving, Store, mac_of
from tests.stack.rig import US, address


def ends(serving: Serving, n: int) -> bool:
    return serving.server.client_address(mac_of(n)) is None


def test_leases_survive_a_stop_and_go_on_to_end():
    serving = Serving(lease_time=100)
    wanted = serving.leases(1)
    serving.after(60)
    serving.restart(lease_time=100)
    assert not ends(serving, 1)
    (ack,) = serving.reboots(1, wanted)
    assert ack.kind is ACK
    serving.after(60)
    serving.restart(lease_time=100)
    serving.after(41)
    assert ends(serving, 1)


def test_while_it_is_stopped_nobody_is_answered_and_time_goes_on(serving: Serving):
    serving.restart(lease_time=100)
    wanted = serving.leases(1)
    serving.server.stop()
    assert serving.says(DISCOVER, 1) == []
    assert ends(serving, 1)
    serving.after(101)
    serving.server.start()
    assert ends(serving, 1)
    assert serving.discovers(1).address == wanted


def test_starting_and_stopping_twice_is_harmless(serving: Serving):
    serving.server.start()
    assert serving.leases(1) == "10.0.0.2"
    serving.server.stop()
    serving.server.stop()
    serving.server.start()
    assert not ends(serving, 1)


def test_a_lease_that_no_longer_fits_is_forgotten(serving: Serving):
    wanted = serving.leases(1)
    serving.restart(start="10.0.0.50", end="10.0.0.60")
    assert ends(serving, 1)
    (nak,) = serving.renews(1, wanted)
    assert nak.kind is NAK
    assert serving.leases(1) == "10.0.0.50"


def test_a_lease_is_saved_before_its_client_is_told():
    store = Store()
    serving = Serving(store=store)
    sent_by_then: list[int] = []
    store.watch = lambda: sent_by_then.append(len(serving.netif.sent))
    serving.discovers(1)
    assert sent_by_then == []  # an offer is no promise
    (ack,) = serving.selects(1, "10.0.0.2")
    assert (ack.kind, sent_by_then) == (ACK, [0])
    assert [(str(lease.ip), lease.mac) for lease in store.leases] == [("10.0.0.2", mac_of(1))]


def test_another_process_goes_on_with_the_store():
    store = Store()
    former = Serving(store=store, lease_time=100)
    wanted = former.leases(1, options={option.HOST_NAME: b"printer"})
    former.after(10)
    former.renews(1, wanted)
    latter = Serving(store=store, lease_time=100)
    assert str(latter.server.client_address(mac_of(1))) == wanted
    (ack,) = latter.reboots(1, wanted)
    assert ack.kind is ACK
    assert latter.given == [(mac_of(1), wanted, "printer")]
    assert latter.discovers(2).address != wanted


def test_what_is_released_or_declined_is_saved_too():
    store = Store()
    serving = Serving(store=store, start="10.0.0.10", end="10.0.0.11")
    first, second = serving.leases(1), serving.leases(2)
    serving.says(RELEASE, 1, src=address(first), dst=US, ciaddr=address(first))
    serving.says(DECLINE, 2, options={option.REQUESTED_IP: address(second)})
    latter = Serving(store=store, start="10.0.0.10", end="10.0.0.11")
    assert ends(latter, 1)
    assert ends(latter, 2)
    assert latter.discovers(1).address == first


def test_a_release_is_saved():
    store = Store()
    serving = Serving(store=store)
    wanted = serving.leases(1)
    serving.after(5)
    serving.says(RELEASE, 1, src=address(wanted), dst=US, ciaddr=address(wanted))
    assert [lease.expires <= 0 for lease in store.leases] == [True]


def test_what_arrived_just_before_the_stop_is_saved_and_answered():
    store = Store()
    serving = Serving(store=store)
    wanted = serving.discovers(1).address
    serving.stack.receive(serving.interface, serving.selecting(1, wanted), None)
    serving.server.stop()
    serving.flush()
    (ack,) = serving.hears()
    assert ack.kind is ACK
    assert [str(lease.ip) for lease in store.leases] == [wanted]


def test_a_server_that_has_stopped_waits_for_nothing(serving: Serving):
    serving.leases(1)
    serving.discovers(2)
    serving.server.stop()
    assert serving.stack.next_deadline() is None


def test_many_in_one_batch_are_saved_at_once():
    store = Store()
    serving = Serving(store=store)
    wanted = {n: serving.discovers(n).address for n in range(1, 6)}
    serving.gets(*(serving.selecting(n, wanted[n]) for n in wanted))
    assert [heard.kind for heard in serving.hears()] == [ACK] * 5
    assert store.saves == 1
    assert len(store.leases) == 5


def test_a_store_that_fails_is_told_of_and_the_server_goes_on():
    store = Store()
    store.broken = True
    serving = Serving(store=store)
    serving.leases(1)
    assert serving.stack.stats["dhcps_store_failed"] == 2  # to load, and to save
    store.broken = False
    serving.leases(2)
    assert len(store.leases) == 2


def test_an_address_taken_from_the_interface_silences_the_server(serving: Serving):
    wanted = serving.leases(1)
    serving.interface.set_addresses(address("10.0.0.99"), b"\xff\xff\xff\0", bytes(4))
    assert serving.reboots(1, wanted) == []
    assert serving.stack.stats["dhcps_readdressed"] == 1
