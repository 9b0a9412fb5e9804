"""A small world for the reachability tests: a LAN with a router and a host in it, the Internet beyond, our machine.

`router` gives addresses (dnsmasq), masquerades what leaves for the Internet and maps one port of its public address to
whom it is told; `lan` and `net` serve a page each over the kernel's own TCP. Nobody is made to fail: `lan` and `router`
even have a route to the machine's private network, so that what is not reached is kept from being reached.
"""

from __future__ import annotations

import random
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import attrs

from tests.host.namespaces import Namespace, namespace, run, wait_until

MACHINE_IP, LAN_IP, ROUTER_IP, PUBLIC_IP, NET_IP = "10.20.0.2", "10.20.0.3", "10.20.0.1", "203.0.113.1", "203.0.113.9"
ETH_P_ARP = 0x0806
PRIVATE_NET = "192.168.5.0/24"  # behind the machine
MAPPED_PORT = 8080
PAGE = random.Random(7).randbytes(15_000).hex().encode()
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


class KernelServer:
    """A page over HTTP by kernel sockets, to one client after the other; remembers who asked."""

    def __init__(self, ns: Namespace) -> None:
        self.peers: list[str] = []
        self._listener = ns.listen(port=80)
        self._listener.settimeout(None)
        self._thread = threading.Thread(target=self._serve, name=f"http in {ns.name}")
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, peer = self._listener.accept()
                self.peers.append(peer[0])
                client.settimeout(5.0)
                with client, suppress(OSError):
                    asked = b""
                    while not asked.endswith(b"\r\n\r\n") and (part := client.recv(4096)):
                        asked += part
                    client.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + PAGE)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()


@attrs.frozen
class World:
    router: Namespace
    lan: Namespace
    net: Namespace
    lan_server: KernelServer
    net_server: KernelServer

    def map_port(self, address: str, port: int) -> None:
        """The router's public port leads there."""
        rule = f"iifname wan0 tcp dport {MAPPED_PORT} dnat to {address}:{port}"
        self.router.exec("nft", f"flush chain ip nat mapped; add rule ip nat mapped {rule}")

    @contextmanager
    def machine(self) -> Iterator[Namespace]:
        """One with a card in the LAN, 10.20.0.2/24."""
        with namespace() as us:
            join(us, self.router, "p-us")
            for other in (self.router, self.lan):
                other.ip("neighbour", "flush", "all")  # the machine before had another MAC
            us.ip("address", "add", f"{MACHINE_IP}/24", "dev", "eth0")
            us.ip("link", "set", "eth0", "up")
            us.ip("route", "add", "default", "via", ROUTER_IP)
            yield us
            self.router.ip("link", "delete", "p-us")  # a namespace's end takes its devices away some time later


def join(host: Namespace, switch: Namespace, port: str) -> None:
    """`host` gets eth0, whose other end is a port of the router's bridge."""
    run("ip", "link", "add", "eth0", "netns", host.name, "type", "veth", "peer", "name", port, "netns", switch.name)
    switch.ip("link", "set", port, "master", "lan0")
    switch.ip("link", "set", port, "up")


@contextmanager
def world(directory: Path) -> Iterator[World]:
    with ExitStack() as closing:
        router, lan, net = (closing.enter_context(namespace()) for _ in range(3))
        make_router(router, net)
        join(lan, router, "p-lan")
        lan.exec(
            "sh",
            "-ec",
            f"""
            ip address add {LAN_IP}/24 dev eth0; ip link set eth0 up; ip route add default via {ROUTER_IP}
            ip route add {PRIVATE_NET} via {MACHINE_IP}""",
        )
        net.exec("sh", "-ec", f"ip address add {NET_IP}/24 dev eth0; ip link set eth0 up")
        serve_dhcp(router, directory)
        servers = [KernelServer(ns) for ns in (lan, net)]
        for server in servers:
            closing.callback(server.close)
        yield World(router, lan, net, *servers)


def make_router(router: Namespace, net: Namespace) -> None:
    run("ip", "link", "add", "wan0", "netns", router.name, "type", "veth", "peer", "name", "eth0", "netns", net.name)
    router.exec(
        "sh",
        "-ec",
        f"""
        ip link add lan0 type bridge; ip address add {ROUTER_IP}/24 dev lan0; ip link set lan0 up
        ip address add {PUBLIC_IP}/24 dev wan0; ip link set wan0 up
        ip route add {PRIVATE_NET} via {MACHINE_IP}
        sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.lan0.send_redirects=0
        nft 'add table ip nat
            add chain ip nat mapped {{ type nat hook prerouting priority dstnat; }}
            add chain ip nat leaving {{ type nat hook postrouting priority srcnat; }}
            add rule ip nat leaving oifname wan0 masquerade'""",
    )


def serve_dhcp(router: Namespace, directory: Path) -> None:
    words = "--no-daemon -C /dev/null --interface=lan0 --bind-dynamic --port=0 --no-ping --pid-file="
    more = f"--dhcp-range=10.20.0.100,10.20.0.150,2m --dhcp-leasefile={directory}/leases"
    router.start("dnsmasq", *words.split(), *more.split(), stderr=subprocess.DEVNULL)
    wait_until(lambda: ":67 " in router.exec("ss", "-Hlnu").stdout, what="dnsmasq's start")


def fetch(ns: Namespace, address: str, port: int, patience: float) -> bytes:
    """The page at http://address:port/big/30000 as the kernel's TCP gets it; b"" if there is none."""
    try:
        with ns.connect((address, port), timeout=patience) as connection:
            connection.settimeout(5.0)
            connection.sendall(b"GET /big/30000 HTTP/1.0\r\n\r\n")
            return read_page(connection)
    except OSError:
        return b""


def read_page(connection: socket.socket) -> bytes:
    answer = b""
    while part := connection.recv(65536):
        answer += part
    return answer.partition(b"\r\n\r\n")[2]


def answering(ns: Namespace, address: str) -> set[bytes]:
    """The MAC addresses that say that `address` is at theirs (RFC 826): the first, and those soon after."""
    with ns.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))) as asking:
        ns.call(lambda: asking.bind(("eth0", ETH_P_ARP)))
        ours = asking.getsockname()[4]
        spa, tpa = (socket.inet_aton(one) for one in (LAN_IP, address))
        request = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, ours, spa, bytes(6), tpa)
        asking.send(b"\xff" * 6 + ours + struct.pack("!H", ETH_P_ARP) + request)
        answers: set[bytes] = set()
        deadline = time.monotonic() + 5.0
        while True:
            asking.settimeout(max(0.0, deadline - time.monotonic()))  # 0: what is there already
            try:
                frame = asking.recv(100)
            except (TimeoutError, BlockingIOError):
                return answers
            if frame[20:22] == b"\0\2" and frame[28:32] == tpa:
                deadline = deadline if answers else time.monotonic() + 0.2
                answers.add(frame[22:28])


def pings(ns: Namespace, address: str, patience: float) -> bool:
    done = ns.exec("ping", "-n", "-q", "-c", "1", "-W", f"{patience:g}", address, check=False)
    return done.returncode == 0
