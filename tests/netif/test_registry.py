"""Which interface is the default: esp_netif's rules."""

from __future__ import annotations

import pytest

from netif.config import DnsInfo, DnsType, Flags
from netif.errors import InvalidParams, NotFound
from netif.netif import Netif
from netif.registry import registry_of


@pytest.fixture
def attach(stack, new_driver):
    made = []

    def make(prio=0, if_key=None, flags=None):
        made.append(Netif(new_driver(), stack=stack, ip="10.0.0.1/24", route_prio=prio, if_key=if_key, flags=flags))
        return made[-1]

    yield make
    for netif in made:
        netif.close()


def default_of(stack):
    """As the registry has it, once the stack is seen to have been told the same."""
    default = registry_of(stack).default
    assert stack.default == (None if default is None else default.interface, ())
    return default


def test_highest_route_prio_wins(stack, attach):
    low = attach(10)
    assert default_of(stack) is low
    high = attach(50)
    assert default_of(stack) is high
    attach(20)
    assert default_of(stack) is high


def test_newest_wins_ties(stack, attach):
    first, second = attach(10), attach(10)
    assert default_of(stack) is second
    second.disconnected()
    assert default_of(stack) is first


def test_route_priority_through_ten_interfaces(stack, attach):
    made = [attach(prio % 6) for prio in range(10)]
    assert default_of(stack) is made[5]
    made[5].stop()
    assert default_of(stack) is made[4]
    registry, runtime = registry_of(stack), stack.runtime
    runtime.enter()
    registry.set_default(made[0])
    runtime.leave()
    made[5].start()
    assert registry.default is made[0], "an override holds"
    made[0].close()
    assert default_of(stack) is made[5]
    made[5].stop()
    assert default_of(stack) is made[4]


def test_override_may_be_down_and_is_ended_by_none(stack, attach):
    up, down = attach(50), attach(10, flags=Flags(0))
    registry, runtime = registry_of(stack), stack.runtime
    runtime.enter()
    registry.set_default(down)
    assert registry.default is down
    registry.set_default(None)
    runtime.leave()
    assert default_of(stack) is up


def test_new_route_prio_counts_at_the_next_election(stack, attach):
    first, second = attach(10), attach(20)
    first.set_route_prio(30)
    assert default_of(stack) is second
    stack.runtime.enter()
    registry_of(stack).set_default(None)
    stack.runtime.leave()
    assert default_of(stack) is first


def test_no_interface_is_told_too(stack, attach):
    attach().close()
    assert default_of(stack) is None
    assert stack.default == (None, ())


def test_restarted_interface_is_told_anew(stack, attach):
    netif = attach()
    old = netif.interface
    netif.stop()
    netif.start()
    assert stack.default[0] is netif.interface
    assert netif.interface is not old


def test_stranger_cannot_be_default(stack, new_stack, attach, new_driver):
    with Netif(new_driver(), stack=new_stack("other")) as stranger, pytest.raises(NotFound):
        registry_of(stack).set_default(stranger)


def test_duplicate_key_is_refused_and_undone(stack, attach, new_driver, runtime):
    attach(if_key="ETH")
    driver = new_driver()
    with pytest.raises(InvalidParams, match="'ETH' is taken"):
        Netif(driver, stack=stack, if_key="ETH")
    assert driver.closed
    assert len(runtime.ports) == len(registry_of(stack)) == 1


def test_two_hosts_may_own_the_same_key(stack, new_stack, new_driver):
    with Netif(new_driver(), stack=stack) as one, Netif(new_driver(), stack=new_stack("other")) as other:
        assert one.if_key == other.if_key == "ETH_DEF"


def test_keys_are_found_where_none_is_given(attach):
    assert [attach().if_key for _ in range(3)] == ["ETH_DEF", "ETH_DEF1", "ETH_DEF2"]


def test_newest_comes_first(stack, attach):
    made = [attach() for _ in range(3)]
    assert list(registry_of(stack)) == made[::-1]
    assert registry_of(stack).get("ETH_DEF1") is made[1]
    assert registry_of(stack).find(lambda netif: netif is not made[2]) is made[1]


def test_name_servers_of_the_default_reach_the_stack(stack, attach):
    low, high = attach(1), attach(2)
    low.set_dns_info(DnsType.MAIN, DnsInfo("10.0.0.9"))
    assert stack.default == (high.interface, ())
    high.set_dns_info(DnsType.BACKUP, DnsInfo("8.8.8.8"))
    high.set_dns_info(DnsType.MAIN, DnsInfo("1.1.1.1"))
    assert stack.default == (high.interface, (b"\1\1\1\1", b"\x08\x08\x08\x08"))
    high.disconnected()
    assert stack.default == (low.interface, (b"\x0a\0\0\x09",))


def test_registry_says_who_is_in_it(stack, attach):
    assert repr(registry_of(stack)) == "<Registry of nothing yet; default none>"
    attach(10, "A")
    attach(5, "B")
    assert repr(registry_of(stack)) == "<Registry of A, B; default A>"
