"""What a Netif may be in, and what each action makes of it: the tables of esp_netif's state machines, and the gate.

One table for the interface, one each for its DHCP client and server, one for the choice of the default interface. The
code moves along them and nowhere else, and the diagrams of the docs are drawn from them.
"""

from __future__ import annotations

import enum

from netif.link import Runtime


class State(enum.Enum):
    NEW = "new"  # configured
    ATTACHED = "attached"  # has a handle
    STARTED = "started"  # has an interface in its stack and a port in the runtime; link down
    UP = "up"  # frames pass
    CLOSING = "closing"  # as STARTED or UP, while connections end
    CLOSED = "closed"


class DhcpStatus(enum.Enum):
    """As esp_netif has them, of a client and of a server."""

    INIT = 0  # starts by itself when the interface is connected
    STARTED = 1
    STOPPED = 2  # on purpose: only a `start` begins anew


class Action(enum.Enum):
    """What is done to an interface."""

    ATTACH = "attach"
    DETACH = "detach"  # post_attach failed, or another driver takes the place
    START = "start"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    STOP = "stop"  # power_off and a dead driver too
    CLOSE = "close"
    END = "end"  # of closing: the connections have ended
    DHCP_START = "dhcp start"  # dhcpc_start, dhcps_start
    DHCP_WAIT = "dhcp start, link down"
    DHCP_STOP = "dhcp stop"


TRANSITIONS: dict[State, dict[Action, State]] = {
    State.NEW: {Action.ATTACH: State.ATTACHED, Action.END: State.CLOSED},
    State.ATTACHED: {Action.START: State.STARTED, Action.DETACH: State.NEW, Action.END: State.CLOSED},
    State.STARTED: {Action.CONNECTED: State.UP, Action.STOP: State.ATTACHED, Action.CLOSE: State.CLOSING},
    State.UP: {Action.DISCONNECTED: State.STARTED, Action.STOP: State.ATTACHED, Action.CLOSE: State.CLOSING},
    State.CLOSING: {Action.END: State.CLOSED},
    State.CLOSED: {},
}  # an action that is missing is refused, or does nothing

# An action that is missing leaves the status as it is; DHCP_START of what is STARTED, and DHCP_STOP of what is STOPPED,
# are refused. Unlike esp_netif's, STOP keeps STOPPED: whoever chose a static address has chosen it for good.
DHCP_CLIENT: dict[DhcpStatus, dict[Action, DhcpStatus]] = {
    DhcpStatus.INIT: {
        Action.CONNECTED: DhcpStatus.STARTED,
        Action.DHCP_START: DhcpStatus.STARTED,
        Action.DHCP_STOP: DhcpStatus.STOPPED,
    },
    DhcpStatus.STARTED: {
        Action.DISCONNECTED: DhcpStatus.INIT,
        Action.STOP: DhcpStatus.INIT,
        Action.DHCP_STOP: DhcpStatus.STOPPED,
    },
    DhcpStatus.STOPPED: {
        Action.DHCP_START: DhcpStatus.STARTED,
        Action.DHCP_WAIT: DhcpStatus.INIT,
    },
}
DHCP_SERVER: dict[DhcpStatus, dict[Action, DhcpStatus]] = {
    DhcpStatus.INIT: {
        Action.CONNECTED: DhcpStatus.STARTED,  # with AUTOUP that is the start
        Action.DHCP_START: DhcpStatus.STARTED,
        Action.DHCP_STOP: DhcpStatus.STOPPED,
    },
    DhcpStatus.STARTED: {
        Action.STOP: DhcpStatus.INIT,
        Action.DHCP_STOP: DhcpStatus.STOPPED,
    },
    DhcpStatus.STOPPED: {
        Action.DHCP_START: DhcpStatus.STARTED,
        Action.DHCP_WAIT: DhcpStatus.INIT,
    },
}


class Cause(enum.Enum):
    """Why the default interface is chosen anew."""

    STARTED = "started"  # up; with a DHCP client only once that has been stopped
    GOT_IP = "got ip"
    STOPPED = "stopped"
    LOST_IP = "lost ip"
    REACHABILITY = "leads nowhere, or somewhere again"
    SET_DEFAULT = "set default"


class Choice(enum.Enum):
    """How; while an override holds, neither CHALLENGE nor ELECT changes anything."""

    CHALLENGE = "takes over unless the present default is up, reachable and of a strictly higher route_prio"
    ELECT = "of all that are up, and of those the reachable first, the highest route_prio, of equals the newest"
    OVERRIDE = "that one until it is closed, up or not; None: elect"


ELECTION: dict[Cause, Choice] = {
    Cause.STARTED: Choice.CHALLENGE,
    Cause.GOT_IP: Choice.CHALLENGE,
    Cause.STOPPED: Choice.ELECT,
    Cause.LOST_IP: Choice.ELECT,
    Cause.REACHABILITY: Choice.ELECT,
    Cause.SET_DEFAULT: Choice.OVERRIDE,
}


class Held:
    """The gate, for a `with`; nothing where there is no runtime yet."""

    __slots__ = ("runtime",)

    def __init__(self, runtime: Runtime | None) -> None:
        self.runtime = runtime

    def __enter__(self) -> None:
        if self.runtime is not None:
            self.runtime.enter()

    def __exit__(self, *_exception: object) -> None:
        if self.runtime is not None:
            self.runtime.leave()
