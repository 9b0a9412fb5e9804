"""Networks by name, each a switch; hosts and routers of ours on them, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netif.netif import Netif
from netif.runtime.virtual import VirtualRuntime
from stack.limits import Limits
from stack.napt.config import NaptConfig
from stack.socket import SOCK_DGRAM
from stack.stack import Stack
from tapio import Switch, impair

PLAIN = {"gso_max": 0, "tx_checksum": False, "rx_checksum": False}  # of a port: every frame as on a wire


class Router:
    """Its netifs by the name of their network."""

    def __init__(self, stack: Stack, netifs: dict[str, Netif]) -> None:
        self.stack = stack
        self.netifs = netifs

    def __getitem__(self, net: str) -> Netif:
        return self.netifs[net]


class World:
    def __init__(self, seed: int = 1) -> None:
        self.runtime = VirtualRuntime(seed=seed)
        self.nets: dict[str, Switch] = {}
        self.stacks: list[Stack] = []

    def join(self, stack: Stack, net: str, ip: str, gateway: str | None, **port: Any) -> Netif:
        switch = self.nets.setdefault(net, Switch())
        faults = port.pop("faults", {})
        mtu = port.pop("ip_mtu", None)
        driver = impair(switch.port(**port), **faults)
        return Netif(driver, stack=stack, if_key=net, ip=ip, gateway=gateway, mtu=mtu)

    def host(self, name: str, net: str, ip: str, gateway: str | None = None, **port: Any) -> Stack:
        stack = Stack(name, runtime=self.runtime)
        self.stacks.append(stack)
        self.join(stack, net, ip, gateway, **port)
        return stack

    def router(
        self,
        name: str,
        nets: dict[str, str],
        *,
        gateway: tuple[str, str] | None = None,
        forwarding: bool = True,
        inside: str | None = None,
        limits: Limits | None = None,
        napt: NaptConfig | None = None,
        **port: Any,
    ) -> Router:
        """`gateway`: by which of its networks, and its address; `inside`: the network that is translated."""
        stack = Stack(name, runtime=self.runtime, forwarding=forwarding, limits=limits, napt=napt)
        self.stacks.append(stack)
        netifs = {
            net: self.join(stack, net, ip, gateway[1] if gateway and gateway[0] == net else None, **port)
            for net, ip in nets.items()
        }
        if gateway is not None:
            assert stack.registry is not None
            stack.registry.set_default(netifs[gateway[0]])
        if inside is not None:
            netifs[inside].napt_enable()
        return Router(stack, netifs)

    def do(self, act: Callable[[], Any], *, timeout: float = 60.0) -> Any:
        task = self.runtime.spawn(act)
        self.runtime.run_until(task.done, timeout)
        return task.result()

    def gated(self, act: Callable[[], Any]) -> Any:
        self.runtime.enter()
        try:
            return act()
        finally:
            self.runtime.leave()

    def close(self) -> None:
        for stack in self.stacks:
            stack.close(0)
        self.runtime.check()
        self.runtime.close()

    # services

    def echoes(self, stack: Stack, port: int = 7) -> None:
        """What comes by UDP goes back, and before it who was seen."""

        def serve() -> None:
            with stack.socket(type=SOCK_DGRAM) as service:
                service.bind(("", port))
                while True:
                    data, peer = service.recvfrom(65536)
                    service.sendto(f"{peer[0]}:{peer[1]} ".encode() + data, peer)

        self.runtime.spawn(_until_closed(serve))

    def serves(self, stack: Stack, answer: Callable[[Any, tuple[str, int]], None], port: int = 80) -> None:
        """`answer(connection, peer)` for each connection."""

        def serve() -> None:
            with stack.create_server(("", port)) as listener:
                while True:
                    connection, peer = listener.accept()
                    self.runtime.spawn(_until_closed(lambda c=connection, p=peer: answer(c, p)))

        self.runtime.spawn(_until_closed(serve))


def _until_closed(serve: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        try:
            serve()
        except OSError:
            return  # its stack is closed

    return run
