"""Our host with several uplinks: at the end of each wire a gateway that is also the far host, so that whoever is
reached there tells which way was taken."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from netif.netif import Netif
from netif.runtime.virtual import VirtualRuntime
from netif.wire.ip import parse_prefix
from stack.socket import SO_BINDTODEVICE, SOCK_DGRAM, SOL_SOCKET
from stack.stack import Stack
from tapio.memory import pair

FAR = "8.8.8.8"  # an address of every gateway


class Uplink:
    """One wire: `netif` is ours, `gateway` the host at its other end."""

    def __init__(self, world: Uplinks, name: str, subnet: str, route_prio: int) -> None:
        ours, theirs = pair()
        self.gateway = Stack(f"{name}-gateway", runtime=world.runtime)
        self.address, self.router = f"{subnet}.2", f"{subnet}.1"
        self.theirs = Netif(theirs, stack=self.gateway, ip=f"{self.router}/24")
        world.runtime.enter()
        assert self.theirs.interface is not None
        self.theirs.interface.add_address(*parse_prefix(f"{FAR}/32"))
        world.runtime.leave()
        self.netif = Netif(
            ours,
            stack=world.host,
            if_key=name,
            ip=f"{self.address}/24",
            gateway=self.router,
            route_prio=route_prio,
        )

    def silence(self) -> None:
        """The gateway hears and says nothing any more; our link stays up."""
        self.theirs.disconnected()

    def speak(self) -> None:
        self.theirs.connected()


class Uplinks:
    def __init__(self, **prios: int) -> None:
        """Their names and priorities; 10.0.1.0/24 is the first one's subnet, and so on."""
        self.runtime = VirtualRuntime(seed=1)
        self.host = Stack("us", runtime=self.runtime)
        self.uplinks = {
            name: Uplink(self, name, f"10.0.{number}", prio) for number, (name, prio) in enumerate(prios.items(), 1)
        }

    def __getitem__(self, name: str) -> Uplink:
        return self.uplinks[name]

    def do(self, act: Callable[[], Any], *, timeout: float = 60.0) -> Any:
        """What an application of ours would do; its result."""
        task = self.runtime.spawn(act)
        self.runtime.run_until(task.done, timeout)
        return task.result()

    def serve(self, port: int = 7) -> None:
        """Every gateway sends its name to whoever connects, and to whoever sends it a datagram."""
        for uplink in self.uplinks.values():
            self.runtime.spawn(_tcp_service(uplink.gateway, port))
            self.runtime.spawn(_udp_service(uplink.gateway, port))

    def close(self) -> None:
        self.host.close(0)
        for uplink in self.uplinks.values():
            uplink.gateway.close(0)
        self.runtime.check()
        self.runtime.close()


def _tcp_service(gateway: Stack, port: int) -> Callable[[], None]:
    def serve() -> None:
        with gateway.create_server(("", port)) as listener:
            while True:
                connection, peer = listener.accept()
                gateway.runtime.spawn(partial(_until_closed, partial(say, connection, peer)))

    def say(connection: Any, peer: tuple[str, int]) -> None:
        with connection:
            connection.sendall(f"{gateway.name} {peer[0]}".encode())
            while connection.recv(100):
                connection.sendall(gateway.name.encode())

    return partial(_until_closed, serve)


def _udp_service(gateway: Stack, port: int) -> Callable[[], None]:
    def serve() -> None:
        with gateway.socket(type=SOCK_DGRAM) as service:
            service.bind((FAR, port))
            while True:
                _, peer = service.recvfrom(100)
                service.sendto(f"{gateway.name} {peer[0]}".encode(), peer)

    return partial(_until_closed, serve)


def _until_closed(serve: Callable[[], None]) -> None:
    try:
        serve()
    except OSError:
        return  # its stack is closed, or the connection was reset


def tcp_by(world: Uplinks, prepare: Callable[[Any], object] = lambda _: None) -> str:
    """Who answers at the far address, and what our address is there."""

    def ask() -> str:
        with world.host.socket() as s:
            prepare(s)
            s.connect((FAR, 7))
            return str(s.recv(100).decode())

    return str(world.do(ask))


def udp_by(world: Uplinks, prepare: Callable[[Any], object] = lambda _: None) -> str:
    def ask() -> str:
        with world.host.socket(type=SOCK_DGRAM) as s:
            prepare(s)
            s.sendto(b"who", (FAR, 7))
            return str(s.recv(100).decode())

    return str(world.do(ask))


def device(name: bytes) -> Callable[[Any], object]:
    return lambda s: s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, name)
