"""LOST_IP over our own stack: connections wait for an address that may come back, and end when it does not.

DESIGN: losing an address aborts at LOST_IP, not at link down; power that fails tells nobody.
"""

from __future__ import annotations

import errno
from ipaddress import IPv4Address

import pytest

from components.lan import Lan
from netif import Flags, GotIp, IpInfo, LostIp
from netif.dhcp import DhcpcConfig, Lease
from netif.errors import InvalidParams


@pytest.fixture
def lan():
    with Lan(seed=5) as lan:
        yield lan


def error_of(fn):
    """`fn`, returning the OSError that it ends with."""

    def call():
        try:
            fn()
        except OSError as error:
            return error
        return None

    return call


@pytest.fixture
def talk(lan):
    """Two hosts and a connection: (server, client, what the client's application got); `task` of each is its own."""
    server, client = lan.host("server"), lan.host("client")
    got = []

    def serve():
        with server.create_server(("", 7)) as listener:
            conn, _ = listener.accept()
            with conn:
                while data := conn.recv(100):
                    conn.sendall(data)

    def ask():
        with client.create_connection((server.ip, 7)) as s:
            while len(got) < 4:
                s.sendall(b"ping")
                got.append(s.recv(100))
                lan.sleep(50)

    server.task = server.spawn(error_of(serve))
    client.task = client.spawn(error_of(ask))
    lan.run_until(lambda: len(got) == 1)
    return server, client, got


def test_connection_survives_a_link_that_comes_back(lan, talk):
    _, client, got = talk
    client.netif.unplug()
    lan.run_for(100)
    assert len(got) == 1
    client.netif.replug()
    lan.run_until(client.task.done)
    assert client.task.result() is None
    assert got == [b"ping"] * 4


def test_connection_ends_with_the_address(lan, talk):
    server, client, _ = talk
    client.netif.unplug()
    lan.run_for(119)
    assert not client.task.done()
    lan.run_for(2)
    assert client.task.done()
    assert isinstance(client.task.result(), ConnectionAbortedError)
    client.netif.wait_for(LostIp)
    server.netif.power_off()


def test_static_address_that_is_taken_away_ends_its_connections_at_once(lan, talk):
    _, client, _ = talk
    client.netif.set_ip_info(IpInfo())
    lan.run_for(51)
    assert isinstance(client.task.result(), ConnectionAbortedError)


def test_power_failure_sends_nothing_and_ends_everything_here(lan, talk):
    server, client, _ = talk
    sent = client.netif.counters.tx_frames
    client.netif.power_off()
    assert client.netif.counters.tx_frames == sent
    lan.run_for(51)
    assert client.task.result().errno == errno.ENETDOWN
    assert not server.task.done(), "the peer has heard nothing"
    server.netif.power_off()


def test_rebooted_host_knows_nothing_of_its_connections(lan, talk):
    server, client, _ = talk
    client.netif.reboot()
    assert client.netif.is_up
    lan.run_for(51)
    assert client.task.result().errno == errno.ENETDOWN
    server.netif.power_off()


class Lessor:
    """A DHCP client that says what the test wants."""

    state = "BOUND"

    def __init__(self, interface, config, holder):
        self.holder, self.config = holder, config

    def start(self, previous=None): ...
    def stop(self, *, release=True): ...
    def link_up(self): ...
    def link_down(self): ...


@pytest.fixture
def leased(lan):
    """A connection of a host with a lease: (the host, what tells its netif of leases)."""
    server, client = lan.host("server"), lan.host("client")
    machines = []

    def machine(*arguments):
        machines.append(Lessor(*arguments))
        return machines[-1]

    client.stack.dhcp_client = machine
    client.netif.dhcpc_start()

    def tell(what, *arguments):
        client.netif.tcpip_exec(getattr(machines[-1].holder, what), *arguments)

    tell("leased", lease("10.0.0.77"))

    def serve():
        with server.create_server(("", 7)) as listener, listener.accept()[0] as conn:
            while data := conn.recv(100):
                conn.sendall(data)

    def ask():
        with client.create_connection((server.ip, 7)) as s:
            for _ in range(2):
                s.sendall(b"ping")
                s.recv(100)
                lan.sleep(10)

    server.task, client.task = server.spawn(error_of(serve)), client.spawn(error_of(ask))
    lan.run_for(1)
    yield client, tell
    server.netif.power_off()


def lease(ip):
    return Lease(ip_info=IpInfo(f"{ip}/24"), server=IPv4Address("10.0.0.1"), obtained=0.0)


def test_connection_survives_a_lease_that_is_lost_and_found(lan, leased):
    client, tell = leased
    tell("lease_lost", "expired")
    assert client.stack.ip.local == {}
    lan.run_for(60)
    assert not client.task.done()
    tell("leased", lease("10.0.0.77"))
    lan.run_until(client.task.done)
    assert client.task.result() is None
    assert client.netif.wait_for(GotIp).ip_changed is False


def test_connection_ends_when_another_lease_comes(lan, leased):
    client, tell = leased
    tell("lease_lost", "NAK")
    tell("leased", lease("10.0.0.78"))
    lan.run_for(11)
    assert isinstance(client.task.result(), ConnectionAbortedError)


def test_connection_ends_when_no_lease_comes(lan, leased):
    client, tell = leased
    tell("lease_lost", "expired")
    assert client.netif.interface.held == b"\x0a\0\0\x4d"
    lan.run_for(119)
    assert not client.task.done()
    lan.run_for(2)
    assert isinstance(client.task.result(), ConnectionAbortedError)
    assert client.netif.interface.held == b""


def test_waiting_for_lost_ip_is_no_deadlock(lan):
    host = lan.host("alone")
    task = host.spawn(lambda: host.netif.wait_for(LostIp))
    host.netif.disconnected()
    lan.run_until(task.done)
    assert lan.now() == 120
    assert isinstance(task.result(), LostIp)


def test_garp_is_said_every_minute_and_keeps_nobody_waiting(lan):  # flag GARP (2.4)
    host = lan.host("one")
    host.netif.stop()
    host.netif.flags |= Flags.GARP
    host.netif.start()
    seen = host.netif.counters.tx_frames
    lan.run_for(181)
    assert host.netif.counters.tx_frames - seen == 3
    host.netif.stop()
    lan.run_for(181)
    assert host.netif.counters.tx_frames - seen == 3


def test_aliases_outlive_a_stop_and_may_become_the_address(lan):
    host, other = lan.host("one"), lan.host("other")
    host.netif.add_address("10.0.0.99/24")
    host.netif.stop()
    host.netif.start()
    assert set(host.stack.ip.local) == {b"\x0a\0\0\1", b"\x0a\0\0\x63"}

    def ask():
        with host.create_server(("10.0.0.99", 7)), other.create_connection(("10.0.0.99", 7)) as s:
            return s.getpeername()

    task = other.spawn(ask)
    lan.run_until(task.done)
    assert task.result() == ("10.0.0.99", 7)
    host.netif.ip_info = "10.0.0.99/24"
    host.netif.stop()
    host.netif.start()
    assert set(host.stack.ip.local) == {b"\x0a\0\0\x63"}
    with pytest.raises(InvalidParams, match="none that"):
        host.netif.remove_address("10.0.0.99")


def test_config_is_what_the_machine_gets(lan):
    host, configs = lan.host("kitchen"), []
    host.stack.dhcp_client = lambda interface, config, holder: (
        configs.append(config) or Lessor(interface, config, holder)
    )
    host.netif.dhcpc_config = DhcpcConfig(restore=True)
    host.netif.dhcpc_start()
    assert configs[0] == DhcpcConfig(hostname="kitchen", restore=True)
