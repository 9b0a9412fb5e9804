"""Networks in one process: addresses, clocks, faults, captures, and their end."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import threading
from ipaddress import IPv4Address

import pytest

from components.lan import Lan
from netif.config import IpInfo
from netif.dhcp import DhcpcConfig
from netif.events import LostIp
from netif.runtime import Deadlock
from stack.ip_config import IpConfig


def echo(host, port=7):
    """Serve one client."""

    def serve():
        with host.create_server(("", port)) as listener:
            connection, _peer = listener.accept()
            while data := connection.recv(65536):
                connection.sendall(data)
            connection.close()

    return serve


def ask(client, server, words=b"hello", port=7):
    def asking():
        with client.create_connection((server.ip, port)) as connection:
            connection.sendall(words)
            return connection.recv(100)

    return asking


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_client_and_a_server_talk_over_loss_and_delay(clock):
    with Lan(seed=7, clock=clock) as lan:
        server, client = lan.host("server"), lan.host("client", loss="5%", delay="20ms")
        server.spawn(echo(server))
        answer = client.spawn(ask(client, server))
        lan.run_until(answer.done)
        assert answer.result() == b"hello"
        assert lan.now() >= 0.08  # the handshake's round trip, and the question's


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_coroutine_is_run_to_its_end_on_any_clock(clock):
    async def main():
        with server.create_server(("", 7)) as listener:  # ready at once: it need not be awaited
            began = lan.now()
            await asyncio.sleep(0.01)
            return listener.getsockname()[1], lan.now() - began

    with Lan(seed=7, clock=clock) as lan:
        server = lan.host("server")
        port, passed = lan.run(main())
        assert (port, passed >= 0.01) == (7, True)


def test_a_coroutine_that_loses_its_network_at_the_end_is_no_failure():
    with Lan(seed=7) as lan:
        server, client = lan.host("server"), lan.host("client")

        async def serve():
            listener = server.aio.listen(("", 7))
            async with asyncio.TaskGroup() as group:
                group.create_task((await listener.accept())[0].recv(100))

        async def ask():
            async with client.aio.connect((server.ip, 7)) as s:
                await s.recv(100)

        server.spawn(serve)
        client.spawn(ask)
        lan.run_for(1)
        client.netif.power_off()


def test_hosts_await_in_virtual_time():
    with Lan(seed=7) as lan:
        server, client = lan.host("server"), lan.host("client", loss="5%", delay="20ms")

        async def serve():
            connection, _ = await listener.accept()
            async with connection:
                while data := await connection.recv(65536):
                    await connection.sendall(data)

        async def main():
            serving = asyncio.create_task(serve())
            async with client.aio.socket() as s:
                await s.connect((server.ip, 7))
                await asyncio.sleep(3600)
                await s.sendall(b"hello")
                answer = await s.recv(100)
            await serving
            return answer

        listener = server.aio.socket()
        listener.bind(("", 7))
        listener.listen()
        assert lan.run(main()) == b"hello"
        assert 3600 < lan.now() < 3700
        listener.close()


def test_hosts_await_on_an_asyncio_clock():
    async def scene():
        async with Lan(seed=7, clock="asyncio") as lan:
            server, client = lan.host("server"), lan.host("client", delay="5ms")

            async def serve():
                async with server.aio.listen(("", 7)) as listener:
                    connection, _peer = await listener.accept()
                    async with connection:
                        while data := await connection.recv(65536):
                            await connection.sendall(data)

            serving = asyncio.create_task(serve())
            async with client.aio.connect((server.ip, 7)) as connection:
                await connection.sendall(b"hello")
                answer = await connection.recv(100)
            await serving
            return answer

    assert asyncio.run(scene()) == b"hello"


def test_a_spawned_coroutine_is_awaited_like_a_task():
    async def scene():
        async with Lan(seed=7, clock="asyncio") as lan:
            server, client = lan.host("server"), lan.host("client")

            listener = server.aio.listen(("", 7))  # now: on a loop, a task begins later

            async def serve():
                async with listener:
                    connection, peer = await listener.accept()
                    connection.close()
                    return peer[0]

            serving = server.spawn(serve)
            async with client.aio.connect(("server", 7)) as connection:
                assert await connection.recv(100) == b""
            return await serving, client.ip

    peer, ip = asyncio.run(scene())
    assert peer == ip


def test_a_cancelled_task_leaves_the_network_whole():
    async def scene():
        async with Lan(seed=7, clock="asyncio") as lan:
            server, client = lan.host("server"), lan.host("client")
            async with server.aio.listen(("", 7)) as listener:
                accepting = asyncio.create_task(listener.accept())
                await asyncio.sleep(0)
                accepting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await accepting
                async with client.aio.connect((server.ip, 7)) as one:
                    connection, _peer = await listener.accept()
                    async with connection:
                        await one.sendall(b"still whole")
                        return await connection.recv(100)

    assert asyncio.run(scene()) == b"still whole"


def test_addresses_are_given_out_in_order_and_may_be_chosen():
    with Lan(subnet="192.168.7.0/29") as lan:
        chosen = lan.host("chosen", ip="192.168.7.2", mac="02:00:00:00:00:aa")
        one, other = lan.host("one"), lan.host("other")
        assert (chosen.ip, chosen.mac) == ("192.168.7.2", "02:00:00:00:00:aa")
        assert (one.ip, one.mac) == ("192.168.7.1", "02:00:c0:a8:07:01")
        assert (other.ip, other.mac) == ("192.168.7.3", "02:00:c0:a8:07:03")
        for name in ("fourth", "fifth", "sixth"):
            lan.host(name)
        with pytest.raises(ValueError, match="has no address left"):
            lan.host("seventh")


def test_a_name_or_an_address_is_given_out_once():
    with Lan() as lan:
        lan.host("one")
        with pytest.raises(ValueError, match="there is a host 'one' on this Lan already"):
            lan.host("one")
        with pytest.raises(ValueError, match=r"10\.0\.0\.1 is taken"):
            lan.host("two", ip="10.0.0.1")
        with pytest.raises(ValueError, match=r"10\.1\.0\.1 is taken, or not in"):
            lan.host("two", ip="10.1.0.1")
        assert lan.host("two").ip == "10.0.0.2"


def test_hosts_know_each_other_by_name():
    with Lan() as lan:
        server, client = lan.host("server"), lan.host("client")
        server.spawn(echo(server))

        def asking():
            with client.create_connection(("server", 7)) as connection:
                connection.sendall(b"by name")
                return connection.recv(100)

        answer = client.spawn(asking)
        lan.run_until(answer.done)
        assert answer.result() == b"by name"


def test_virtual_time_costs_nothing_and_real_time_passes():
    with Lan() as lan:
        lan.run_for(86400.0)
        assert lan.now() == 86400.0
    with Lan(clock="real") as lan:
        began = lan.now()
        lan.run_for(0.05)
        assert lan.now() - began >= 0.05


def test_an_exception_in_a_spawned_function_surfaces():
    def fail():
        raise LookupError("somebody's mistake")

    with Lan() as lan:
        lan.host("one").spawn(fail)
        with pytest.raises(LookupError, match="somebody's mistake"):
            lan.run_for(1.0)


def test_a_coroutine_is_no_function_to_spawn():
    async def main():
        raise AssertionError("nobody runs it")

    with Lan() as lan, pytest.raises(TypeError, match="spawn takes a function"):
        lan.host("anna").spawn(main())


def test_when_nothing_can_happen_any_more_it_says_who_waits():
    with Lan() as lan:
        server = lan.host("server")
        serving = server.spawn(echo(server))
        with pytest.raises(Deadlock, match="server/serve"):
            lan.run_until(serving.done)


def test_a_capture_holds_every_frame_once(tmp_path):
    from netif.wire import ethernet

    path, trace = tmp_path / "scene.pcapng", io.StringIO()
    with Lan(pcapng=path, trace=trace) as lan:
        server, client = lan.host("server"), lan.host("client")
        server.spawn(echo(server))
        answer = client.spawn(ask(client, server))
        lan.run_until(answer.done)
    captured = path.read_bytes()
    assert captured[:4] == b"\x0a\x0d\x0d\x0a"
    frames = captured.count(ethernet.parse_mac(client.mac) + ethernet.parse_mac(server.mac) + b"\x08\x00")
    told = [line for line in trace.getvalue().splitlines() if f"{server.ip}.7 > {client.ip}." in line]
    assert len(told) == frames >= 3  # SYN, echo, FIN


SCENE = """
import sys
from components.lan import Lan
from functools import partial

def serve(server):
    with server.create_server(("", 7)) as listener:
        for _ in range(2):
            connection, _peer = listener.accept()
            server.spawn(partial(echo, connection))

def echo(connection):
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)

def ask(client, server):
    with client.create_connection((server.ip, 7)) as connection:
        for number in range(20):
            connection.sendall(b"%d" % number * 500)
            connection.recv(65536)

with Lan(seed=sys.argv[1], pcapng=sys.argv[2]) as lan:
    server = lan.host("server")
    clients = [lan.host(name, loss="10%", delay="7ms") for name in ("one", "two")]
    server.spawn(partial(serve, server))
    talks = [client.spawn(partial(ask, client, server)) for client in clients]
    lan.run_until(lambda: all(talk.done() for talk in talks))
"""


def replay(tmp_path, seed, hash_seed):
    from os import environ

    path = tmp_path / f"{seed}-{hash_seed}.pcapng"
    line = [sys.executable, "-c", SCENE, seed, str(path)]
    subprocess.run(line, check=True, env={**environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)})
    return path.read_bytes()


def test_a_lossy_scene_is_the_same_at_every_run_bit_for_bit(tmp_path):
    one = replay(tmp_path, "1", "0")
    assert len(one) > 10_000
    assert one == replay(tmp_path, "1", "1")
    assert one != replay(tmp_path, "2", "0")


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_the_end_leaves_nothing_behind(clock):
    threads = threading.active_count()
    for _ in range(10):
        with Lan(clock=clock) as lan:
            server, client = lan.host("server"), lan.host("client")
            server.spawn(echo(server))
            answer = client.spawn(ask(client, server))
            lan.run_until(answer.done)
    assert threading.active_count() == threads


def test_a_host_that_gives_way_says_so_and_keeps_no_address():  # RFC 5227 2.4 b
    with Lan(seed=1, clock="virtual") as lan:
        meek = lan.host("meek", ip_config=IpConfig(conflict_policy="yield"))
        bold = lan.host("bold")
        lost = []
        meek.netif.subscribe(LostIp, lost.append)
        lan.run_for(1.0)
        bold.netif.ip_info = f"{meek.ip}/24"
        lan.run_until(lambda: bool(lost), timeout=30.0)
        assert meek.netif.ip_info == IpInfo()
        assert bold.netif.ip_info.ip == IPv4Address("10.0.0.1")
        with pytest.raises(OSError, match="Network is unreachable"):
            meek.create_connection(("10.0.0.9", 7))


def test_an_unknown_clock_is_refused():
    with pytest.raises(ValueError, match='clock=\'sand\': write "virtual", "real" or "asyncio"'):
        Lan(clock="sand")  # type: ignore[arg-type]


def test_hosts_may_take_their_addresses_from_a_server():
    with Lan(seed=7, dhcp=True) as lan:
        fixed = lan.host("fixed", ip="10.0.0.3")
        hosts = [lan.host(name) for name in ("a", "b", "c")]
        lan.run_until(lambda: lan.names.keys() >= {"a", "b", "c"}, 10)
        assert lan.hosts["dhcp"].ip == "10.0.0.1"
        assert sorted(host.ip for host in hosts) == ["10.0.0.2", "10.0.0.4", "10.0.0.5"]
        given = lan.hosts["dhcp"].netif.dhcps_clients_by_mac([host.mac for host in hosts])
        assert [str(address) for address in given.values()] == [host.ip for host in hosts]
        hosts[0].spawn(echo(hosts[0]))
        answer = fixed.spawn(ask(fixed, hosts[0]))
        lan.run_until(answer.done)
        assert answer.result() == b"hello"


def test_how_hosts_ask_for_their_addresses_may_be_said():
    with Lan(seed=7, dhcp=DhcpcConfig(requested="10.0.0.77", conflict_check="none")) as lan:
        host = lan.host("a")
        lan.run_until(lambda: bool(host.netif.ip_info), 10)
        assert host.ip == "10.0.0.77"
        assert host.netif.lease is not None
        assert host.netif.lease.server == lan.hosts["dhcp"].netif.ip_info.ip


def bound(lan: Lan, hosts: int, within: float, **faults) -> None:
    """As many hosts start at the same moment; all have an address, each its own, after so many seconds."""
    asking = [lan.host(f"host{n}", **faults) for n in range(hosts)]
    lan.run_until(lambda: all(host.netif.ip_info for host in asking), within)
    assert len({host.ip for host in asking}) == hosts
    given = lan.hosts["dhcp"].netif.dhcps_clients_by_mac([host.mac for host in asking])
    assert [str(address) for address in given.values()] == [host.ip for host in asking]


def test_fifty_hosts_are_bound_within_ten_seconds():
    with Lan(seed=7, dhcp=True) as lan:
        bound(lan, 50, 10.0)


def test_where_every_third_message_is_lost_they_are_bound_nevertheless():
    """Four messages have to arrive: three quarters of the first tries fail."""
    with Lan(seed=7, dhcp=True) as lan:
        bound(lan, 20, 600.0, loss="30%", delay="1ms")


@pytest.mark.slow
def test_a_thousand_hosts_are_bound_within_ten_seconds():
    with Lan(seed=7, subnet="10.0.0.0/16", dhcp=True) as lan:
        bound(lan, 1000, 10.0)


def test_lan_may_be_closed_twice():
    with Lan(seed=1) as lan:
        lan.host("a")
        lan.close()
    lan.close()


@pytest.mark.parametrize("subnet", ["10.0.0.1/24", "10.0.0.0/33", "here"])
def test_a_subnet_that_is_none_is_told_with_how_to_write_one(subnet):
    with pytest.raises(ValueError, match=rf"^subnet='{subnet}': .*; write it as in 10\.0\.0\.0/24$"):
        Lan(subnet=subnet)
