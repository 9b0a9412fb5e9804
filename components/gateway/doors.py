"""What a Lan has for its ways to the kernel: `publish`, `reach` and `internet` (docs/gateway.md).

What does it is imported when it is asked for; but for the kernel's classes, which have to be those of the stdlib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.gateway.kernel import Address, Kind, Networks

if TYPE_CHECKING:
    from components.gateway.gateway import Gateway
    from components.gateway.publish import Published
    from components.lan import Host

CONNECTIONS = 512  # of one way at once; of UDP, senders


class Doors:
    """Part of a Lan."""

    gateway: Gateway | None = None  # once there is a way

    def reach(
        self,
        address: str | Address,
        as_: str,
        *,
        port: int | None = None,
        allow: Networks = (),
        connections: int = CONNECTIONS,
        **host: Any,
    ) -> Host:
        """A new host `as_`, made as by `host` with all that this takes, whose port leads to a server of the kernel's
        side: "127.0.0.1:1883", by TCP and UDP; the same port, unless `port` says which. An address without a port: all
        of them. Beyond this machine's loopback only where `allow` says so: networks, or "anywhere". ValueError."""
        return self._gateway().reach(address, as_, port, allow, connections, **host)

    def internet(self, *, to: Networks = (), dns: bool | str = False, connections: int = CONNECTIONS) -> Host:
        """Lead out all hosts, those that are made later too: by TCP and UDP to wherever `to` says, networks or
        "anywhere", from this process' own sockets (user-mode NAT). The address of the host that is answered leads to
        this machine's loopback, which is all of it unless `to` names more. `dns`: its port 53 leads to the machine's
        name server, or to the one that is named, and the hosts ask there. ValueError."""
        return self._gateway().join(to, dns, connections)

    def _led(self: Any, host: Host) -> Host:
        """A host is complete."""
        if self.gateway is not None and self.gateway.internet is not None:
            self.gateway.internet.lead(host)
        return host

    def _gateway(self: Any) -> Gateway:
        if self.closing:
            raise ValueError(f"{self!r} is closed: make another")
        if self.gateway is None:
            from components.gateway.gateway import Gateway

            self.gateway = Gateway(self)
        made: Gateway = self.gateway
        return made

    def publish(
        self,
        host: Host,
        inside: int,
        /,
        *,
        bind: str = "127.0.0.1",
        port: int = 0,
        kind: Kind = "tcp",
        connections: int = CONNECTIONS,
    ) -> Published:
        """A port of this machine, `port` or a free one, that leads to the port `inside` of `host`. Only programs of
        this machine reach it, unless `bind` says otherwise ("0.0.0.0": whoever can reach the machine at all).
        `connections`: at once, or senders of datagrams. OSError: the port is taken; ValueError, on a virtual clock
        too; TypeError: that is no host."""
        return self._gateway().publish(host, inside, bind, port, kind, connections)
