"""Our host on a TUN, and the kernel at its other end: bare packets, without neighbours or MAC addresses."""

from __future__ import annotations

import random
import socket
import subprocess
import threading
from functools import partial

import pytest

from components.ping import ping
from netif import (
    NETIF_INHERENT_DEFAULT_TUN,
    DriverIfconfig,
    InvalidParams,
    Netif,
    NetifConfig,
    NetstackConfig,
    NotSupported,
    PcapngWriter,
    Sniff,
    Stack,
    ThreadedRuntime,
    Tun,
    ethif_init,
    ethif_input,
    pair,
    tunif_init,
    tunif_input,
)
from tests.host.judge import transmitted
from tests.host.namespaces import namespace, run

pytestmark = pytest.mark.host

KERNEL, OURS = "10.9.0.1", "10.9.0.2"
FAR = "10.88.0.2"
BULK = 8 << 20  # bytes


@pytest.fixture
def tun():
    """A namespace whose `tun0` is 10.9.0.1, and 10.9.0.2 the other end of it."""
    with namespace() as ns:
        ns.exec("ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
        ns.ip("address", "add", KERNEL, "peer", OURS, "dev", "tun0")
        ns.ip("link", "set", "tun0", "up", "txqueuelen", "10000")
        yield ns


@pytest.fixture
def stack():
    runtime = ThreadedRuntime(strict=True)
    with Stack("ours", runtime=runtime) as stack:
        yield stack
    runtime.check()
    runtime.close()


@pytest.fixture
def join(tun, stack):
    """`join(ip=..., offload=True, wrap=None, **options)`: our netif on the TUN."""
    made = []

    def join(*, ip=f"{OURS}/32", offload=True, wrap=None, **options):
        driver = Tun("tun0", netns=tun.name, offload=offload)
        made.append(Netif(wrap(driver) if wrap else driver, stack=stack, ip=ip, **options))
        tun.settle("tun0")
        return made[-1]

    yield join
    for each in made:
        each.close()


@pytest.fixture(params=[True, False], ids=["offload", "plain"])
def host(request, join, stack):
    join(offload=request.param)
    return stack


def transfer(source, sink, data):
    """All of `data`, from one socket to the other."""

    def send():
        source.sendall(data)
        source.shutdown(socket.SHUT_WR)

    sending = threading.Thread(target=send)
    sending.start()
    got = bytearray()
    while piece := sink.recv(1 << 20):
        got += piece
    sending.join()
    return bytes(got)


def connected(ns, host, address=KERNEL):
    with ns.listen(address) as listener:
        ours = host.create_connection(listener.getsockname(), timeout=10)
        return ours, listener.accept()[0]


def test_pings_both_ways_of_any_size(tun, host):
    for size in (56, 1472, 1473, 60000):
        answer = tun.exec("ping", "-n", "-c", "2", "-i", "0.05", "-W", "2", "-s", str(size), OURS).stdout
        assert transmitted(answer) == (2, 2), answer
        assert len(ping(host, KERNEL, count=2, interval=0.01, size=size, say=lambda _: None).answers) == 2
    assert host.stats.drops() == {}


def test_bulk_both_ways(tun, host, seed):
    data = random.Random(seed).randbytes(BULK)
    for outward in (True, False):
        ours, theirs = connected(tun, host)
        with ours, theirs:
            assert transfer(*((ours, theirs) if outward else (theirs, ours)), data) == data


def test_super_frames_pass_both_ways(tun, join, stack, seed):
    netif = join()
    data = random.Random(seed).randbytes(BULK)
    ours, theirs = connected(tun, stack)
    with ours, theirs:
        assert transfer(ours, theirs, data) == data
        sent = netif.counters
        assert sent.tx_bytes / sent.tx_frames > 4 * 1500
    ours, theirs = connected(tun, stack)
    with ours, theirs:
        assert transfer(theirs, ours, data) == data
        after = netif.counters
        assert (after.rx_bytes - sent.rx_bytes) / (after.rx_frames - sent.rx_frames) > 4 * 1500


def test_datagrams_and_fragments_of_every_order_of_size_both_ways(tun, host, seed):
    data = random.Random(seed).randbytes(65507)
    with tun.socket(socket.SOCK_DGRAM) as theirs, host.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        theirs.bind((KERNEL, 0))
        ours.bind((OURS, 7003))
        ours.settimeout(5)
        for size in (0, 1, 200, 1472, 1473, 9000, 65507):
            theirs.sendto(data[:size], (OURS, 7003))
            assert ours.recvfrom(70000) == (data[:size], theirs.getsockname()), size
            ours.sendto(data[:size], theirs.getsockname())
            assert theirs.recvfrom(70000) == (data[:size], (OURS, 7003)), size


@pytest.mark.parametrize("mtu", [576, 9000, 65535])
def test_any_mtu_that_the_device_allows(tun, join, stack, seed, mtu):
    tun.ip("link", "set", "tun0", "mtu", str(mtu))
    assert join(mtu=mtu).mtu == mtu
    data = random.Random(seed).randbytes(BULK // 8)
    ours, theirs = connected(tun, stack)
    with ours, theirs:
        assert transfer(ours, theirs, data) == data
    ours, theirs = connected(tun, stack)
    with ours, theirs:
        assert transfer(theirs, ours, data) == data


@pytest.mark.parametrize(("ours", "kernels"), [("10.9.0.6/31", "10.9.0.7/31"), ("10.9.0.6/24", "10.9.0.7/24")])
def test_subnets_do_as_well_as_peers(tun, join, stack, ours, kernels):
    tun.ip("address", "add", kernels, "dev", "tun0")
    join(ip=ours)
    address = kernels.partition("/")[0]
    ours_end, theirs = connected(tun, stack, address)
    with ours_end, theirs:
        assert theirs.getpeername()[0] == "10.9.0.6"


def test_a_path_that_narrows_behind_the_other_end(tun, join, stack, seed):
    """Without a gateway all the world is at the other end; a router there says what does not fit (RFC 1191)."""
    join()
    with namespace() as far:
        run("ip", "link", "add", "v0", "netns", tun.name, "type", "veth", "peer", "name", "v0", "netns", far.name)
        tun.ip("address", "add", "10.88.0.1/24", "dev", "v0")
        far.ip("address", "add", f"{FAR}/24", "dev", "v0")
        for side in (tun, far):
            side.ip("link", "set", "v0", "up")
        tun.ip("link", "set", "v0", "mtu", "1300")  # the router's alone: the far end's MSS says nothing of it
        far.ip("route", "add", "default", "via", "10.88.0.1")
        tun.sysctl("net/ipv4/ip_forward", 1)
        data = random.Random(seed).randbytes(BULK // 4)
        ours, theirs = connected(far, stack, FAR)
        with ours, theirs:
            assert transfer(ours, theirs, data) == data
        assert stack.ip.route(socket.inet_aton(FAR)).mtu == 1300


def test_a_socket_bound_to_the_device(tun, join, stack):
    netif = join()
    with stack.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours, tun.socket(socket.SOCK_DGRAM, 5) as theirs:
        theirs.bind((KERNEL, 0))
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, netif.if_key.encode())
        ours.sendto(b"hello", theirs.getsockname())
        assert theirs.recv(100) == b"hello"


def test_groups_both_ways(tun, join, stack):
    netif = join()
    group = "239.1.2.3"
    tun.ip("route", "add", "224.0.0.0/4", "dev", "tun0")
    netif.join_group(group)
    with stack.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours, tun.socket(socket.SOCK_DGRAM, 5) as theirs:
        ours.bind(("", 7004))
        ours.settimeout(5)
        wanted = socket.inet_aton(group) + socket.inet_aton("0.0.0.0")
        ours.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, wanted)
        theirs.sendto(b"to all", (group, 7004))
        assert ours.recv(100) == b"to all"
        with tun.socket(socket.SOCK_DGRAM, 5) as heard:
            heard.bind(("", 7005))
            wanted = socket.inet_aton(group) + socket.inet_aton(KERNEL)
            heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, wanted)
            ours.sendto(b"to them", (group, 7005))
            assert heard.recv(100) == b"to them"


def test_ipv6_is_dropped_by_name(tun, join, stack):
    join()
    tun.sysctl("net/ipv6/conf/tun0/disable_ipv6", 0)
    tun.ip("address", "add", "fd00::1/64", "dev", "tun0")
    tun.exec("ping", "-6", "-c", "1", "-W", "0.1", "fd00::2", check=False)
    assert ping(stack, KERNEL, count=1, say=lambda _: None).answers
    assert set(stack.stats.drops()) == {"ip6_unsupported"}


def test_there_is_no_dhcp_and_no_mac_address(tun, stack):
    for options, error, said in (
        ({"dhcp": True}, NotSupported, "no server gives addresses there"),
        ({"ip": f"{OURS}/32", "mac": "02:00:00:00:00:01"}, InvalidParams, "point-to-point link, which has none"),
    ):
        with pytest.raises(error, match=said):
            Netif(Tun("tun0", netns=tun.name), stack=stack, **options)
    with Netif(Tun("tun0", netns=tun.name), stack=stack, ip=f"{OURS}/32") as netif:
        assert netif.mac == b""
        with pytest.raises(InvalidParams, match="which has none"):
            netif.set_mac("02:00:00:00:00:01")


def test_port_style(tun, stack):
    def config(handle, init_fn, input_fn):
        base = NETIF_INHERENT_DEFAULT_TUN(ip_info=f"{OURS}/32")
        netstack = NetstackConfig(partial(init_fn, stack=stack), input_fn)
        return NetifConfig(base=base, driver=DriverIfconfig(handle), stack=netstack)

    with (
        Netif(config=config(Tun("tun0", netns=tun.name), ethif_init, ethif_input)) as netif,
        pytest.raises(ValueError, match="TUN speaks ethernet, its driver offers point-to-point"),
    ):
        netif.attach()
    with Netif(config=config(Tun("tun0", netns=tun.name), tunif_init, tunif_input)) as netif:
        netif.attach()
        tun.settle("tun0")
        assert ping(stack, KERNEL, count=1, say=lambda _: None).answers
        assert netif.impl_name == "tn1"


def test_a_capture_is_of_raw_ip(tun, join, stack, tmp_path):
    """LINKTYPE_RAW: what tshark reads in it is what was on the wire."""
    file = tmp_path / "tun.pcapng"
    with PcapngWriter(file) as writer:
        netif = join(wrap=lambda driver: Sniff(driver, writer, name="tun0", finish=True))
        ping(stack, KERNEL, count=1, say=lambda _: None)
        netif.close()
    argv = ["tshark", "-r", str(file), "-T", "fields", "-e", "frame.protocols", "-e", "ip.src", "-e", "icmp.type"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == [f"raw:ip:icmp:data\t{OURS}\t8", f"raw:ip:icmp:data\t{KERNEL}\t0"]


def test_a_router_between_a_tun_and_an_ethernet(tun, stack, join, seed):
    """Super-frames of one link header go on behind another; the other host has no offload."""
    join(gateway=KERNEL).forwarding_enable()
    near, far = pair()
    tun.ip("route", "add", "10.66.0.0/24", "via", OURS)
    data = random.Random(seed).randbytes(BULK // 4)
    with (
        Stack("behind", runtime=stack.runtime) as behind,
        Netif(near, stack=stack, ip="10.66.0.1/24", if_key="LAN") as lan,
        Netif(far, stack=behind, ip="10.66.0.2/24", gateway="10.66.0.1"),
    ):
        lan.forwarding_enable()
        for outward in (True, False):
            ours, theirs = connected(tun, behind)
            with ours, theirs:
                assert transfer(*((ours, theirs) if outward else (theirs, ours)), data) == data
