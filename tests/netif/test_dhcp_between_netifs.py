"""A DHCP server's netif and clients' netifs on a virtual wire, with the real machines: esp_netif.md 3.2 to 3.6."""

from __future__ import annotations

import pytest

from components.lan import Lan
from netif import DnsInfo, DnsType, Event, Flags, GotIp, LostIp, Netif, Stack
from netif.dhcp import DhcpcConfig, DhcpsConfig
from netif.events import AssignedIp
from netif.lifecycle import DhcpStatus
from tapio import Sniff

INIT, STARTED, STOPPED = DhcpStatus


@pytest.fixture
def lan():
    with Lan(seed=3) as lan:
        yield lan


@pytest.fixture
def server(lan):
    """A host that gives addresses; its own is 192.168.4.1, as an ESP's access point has it."""
    stack = Stack("server", runtime=lan.runtime)
    driver = lan.switch.port()
    flags = Flags.AUTOUP | Flags.DHCP_SERVER
    with Netif(driver, stack=stack, ip="192.168.4.1/24", flags=flags, mac="02:00:00:00:00:01") as netif:
        yield netif
    stack.close()


@pytest.fixture
def new_client(lan):
    made = []

    def make(name="client", **arguments):
        stack = Stack(name, runtime=lan.runtime)
        made.append(stack)
        return Netif(lan.switch.port(), stack=stack, dhcp=True, **arguments)

    yield make
    for stack in made:
        stack.close()


def names(events):
    return [type(event).__name__ for event in events]


def wait(lan, netif, event_type=GotIp):
    task = netif.stack.runtime.spawn(lambda: netif.wait_for(event_type, timeout=300))
    lan.run_until(task.done, timeout=400)
    return task.result()


def test_client_obtains_an_address(lan, server, new_client):
    told = []
    server.subscribe(AssignedIp, told.append)
    client = new_client("kitchen")
    event = wait(lan, client)
    assert event.ip_info == client.ip_info == client.lease.ip_info
    assert str(event.ip_info.gw) == "192.168.4.1"
    assert event.ip_changed
    lan.run_for(1)
    assert [(one.mac, one.ip, one.hostname) for one in told] == [(client.mac, client.ip_info.ip, "kitchen")]
    assert server.dhcps_clients_by_mac([client.mac]) == {client.mac: client.ip_info.ip}


def test_name_servers_come_with_it(lan, server, new_client):
    server.dhcps_stop()
    server.set_dns_info(DnsType.MAIN, DnsInfo("192.168.4.7"))
    server.dhcps_config = DhcpsConfig(mtu=1400, domain="home.arpa")
    server.dhcps_start()
    client = new_client()
    wait(lan, client)
    assert client.get_dns_info(DnsType.MAIN) == DnsInfo("192.168.4.7")
    assert client.stack.dns == (bytes((192, 168, 4, 7)),)
    assert client.search == ("home.arpa",)
    assert client.mtu == 1400
    client.dhcpc_stop()
    assert client.mtu == 1500
    assert client.dns == ()


def test_stop_and_start(lan, server, new_client):                     # appendix A
    client = new_client()
    first = wait(lan, client)
    client.dhcpc_stop()
    assert client.dhcpc_status is STOPPED
    assert not client.ip_info
    client.dhcpc_start()
    again = wait(lan, client)
    assert (again.ip_info, again.ip_changed) == (first.ip_info, False)
    client.disconnected()
    assert client.dhcpc_status is INIT
    client.connected()
    assert wait(lan, client).ip_info == first.ip_info


def test_unplugged_host_keeps_its_lease(lan, server, new_client):
    client, heard = new_client(), []
    first = wait(lan, client)
    client.subscribe(Event, heard.append)
    lan.run_for(1)
    heard.clear()
    client.unplug()
    lan.run_for(60)
    client.replug()
    assert wait(lan, client).ip_info == first.ip_info
    lan.run_for(300)
    assert names(heard) == ["LinkDown", "NetifDown", "LinkUp", "NetifUp", "GotIp"]
    assert heard[-1].ip_changed is False


def test_host_that_was_unplugged_too_long_loses_its_address_and_gets_it_back(lan, server, new_client):
    client, heard = new_client(), []
    first = wait(lan, client)
    client.subscribe(LostIp, heard.append)
    client.unplug()
    lan.run_for(121)
    assert len(heard) == 1
    client.replug()
    again = wait(lan, client)
    assert (again.ip_info, again.ip_changed) == (first.ip_info, True)


def test_address_that_another_host_has_is_lost_at_once(lan, server, new_client):
    """The default: used on ACK, probed behind it; DECLINE and LOST_IP, and another one ten seconds later."""
    server.dhcps_stop()
    server.dhcps_config = DhcpsConfig(start="192.168.4.50", end="192.168.4.60", conflict_probe=0)
    server.dhcps_start()
    with Stack("squatter", runtime=lan.runtime) as squatter:
        Netif(lan.switch.port(), stack=squatter, ip="192.168.4.50/24")
        client, heard = new_client(), []
        client.subscribe(Event, heard.append)
        assert str(wait(lan, client).ip_info) == "192.168.4.50/24"
        lan.run_for(9)
        assert names(heard)[-2:] == ["GotIp", "LostIp"]
        assert not client.ip_info
        lan.run_for(3)
        assert str(client.ip_info) == "192.168.4.51/24"
        assert heard[-1].ip_changed


def test_rebooted_host_asks_for_its_lease(lan, server, new_client):
    client, states = new_client(), []
    first = wait(lan, client)
    client.power_off()
    lan.run_for(10)
    known = client.dhcp_state
    client.dhcp_state = lambda old, new: (states.append(new), known(old, new))
    client.reboot()
    client.connected()
    assert wait(lan, client).ip_info == first.ip_info
    assert "REBOOTING" in states
    assert "SELECTING" not in states


def test_server_that_is_gone_costs_the_address_at_the_end_of_the_lease(lan, server, new_client):
    server.dhcps_stop()
    server.dhcps_config = DhcpsConfig(lease_time=600)
    server.dhcps_start()
    client, heard = new_client(), []
    wait(lan, client)
    client.subscribe(LostIp, heard.append)
    server.power_off()
    lan.run_for(599)
    assert client.ip_info
    lan.run_for(2)
    assert not client.ip_info
    assert heard == []
    lan.run_for(120)
    assert len(heard) == 1
    server.reboot()
    assert wait(lan, client).ip_changed


def test_hostname_changes_at_the_next_exchange(lan, new_client):
    heard = []
    stack = Stack("server", runtime=lan.runtime)

    class Listener:
        def frame(self, direction, when, buffers, *what):
            heard.append(b"".join(buffers))

    driver = Sniff(lan.switch.port(), Listener())
    with Netif(driver, stack=stack, ip="192.168.4.1/24", flags=Flags.AUTOUP | Flags.DHCP_SERVER):
        client = new_client("kitchen")
        wait(lan, client)
        client.hostname = "bathroom"
        assert any(b"kitchen" in frame for frame in heard)
        assert not any(b"bathroom" in frame for frame in heard)
        lan.run_for(client.lease.lease_time)
        assert any(b"bathroom" in frame for frame in heard)
    stack.close()


@pytest.mark.parametrize("end", ["close", "stop", "power_off", "disconnected", "dhcpc_stop"])
@pytest.mark.parametrize("after", [0.0, 0.5, 20.0])
def test_client_may_end_at_any_moment(lan, server, new_client, end, after):
    client, heard = new_client(), []
    lan.run_for(after)
    getattr(client, end)()
    client.subscribe(GotIp, heard.append)
    lan.run_for(300)
    assert heard == []
    assert not client.ip_info


def test_fallback_is_an_address_like_another(lan, new_client):
    client = new_client()
    client.dhcpc_stop()
    client.dhcpc_config = DhcpcConfig(fallback="link-local", fallback_after=5.0)
    client.dhcpc_start()
    event = wait(lan, client)
    assert event.ip_info.ip.is_link_local
