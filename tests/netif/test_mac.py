"""Default MAC addresses."""

from __future__ import annotations

from netif import mac
from netif.netif import Netif


def test_unicast_and_locally_administered():
    for index in range(100):
        assert mac.derive("host", "ETH_DEF", index)[0] & 3 == 2


def test_differs_by_everything_it_is_made_of():
    made = [
        mac.derive("host", "ETH_DEF"),
        mac.derive("other", "ETH_DEF"),
        mac.derive("host", "ETH_DEF1"),
        mac.derive("host", "ETH_DEF", 1),
        mac.derive("host", "ETH_DEF", machine="here"),
        mac.derive("host", "ETH_DEF", process=7),
    ]
    assert len(set(made)) == len(made)


def test_same_at_the_next_start(stack, new_driver):
    with Netif(new_driver(), stack=stack) as first:
        before = first.mac
    with Netif(new_driver(), stack=stack) as second:
        assert second.mac == before


def test_hosts_of_one_name_have_different_ones(new_stack, new_driver):
    with Netif(new_driver(), stack=new_stack("host")) as one, Netif(new_driver(), stack=new_stack("host")) as other:
        assert one.mac != other.mac


def test_same_on_every_machine_under_a_virtual_clock(stack, new_driver):
    with Netif(new_driver(), stack=stack, if_key="ETH") as netif:
        assert netif.mac == mac.derive("foreign", "ETH")


def test_machine_counts_on_a_real_clock(stack, runtime, new_driver):
    runtime.shared = True
    with Netif(new_driver(), stack=stack, if_key="ETH") as netif:
        assert netif.mac != mac.derive("foreign", "ETH")


def test_process_counts_on_a_shared_wire(stack, runtime, new_driver):
    driver = new_driver()
    driver.shared_wire = True
    with Netif(driver, stack=stack, if_key="ETH") as netif:
        assert netif.mac != mac.derive("foreign", "ETH")


def test_given_address_is_taken(stack, new_driver):
    with Netif(new_driver(), stack=stack, mac="02:00:00:00:00:05") as netif:
        assert netif.mac == b"\x02\0\0\0\0\x05"
