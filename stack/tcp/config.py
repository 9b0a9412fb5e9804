"""What may be set for a connection, with the defaults and their units. Validated here, never per packet.

Times are seconds, sizes bytes. Where a default differs from an RFC's, the line says so.
"""

from __future__ import annotations

import attrs
from attrs.validators import and_, ge, in_, instance_of, le, optional

from netif.value import Value
from stack.tcp.congestion import CONTROLS, Factory


def _positive(default: float) -> float:
    return attrs.field(default=default, validator=attrs.validators.gt(0))


def _control(_: object, field: attrs.Attribute[str], value: object) -> None:
    if not callable(value) and value not in CONTROLS:
        raise ValueError(f"{field.name} is {', '.join(map(repr, CONTROLS))} or a class, not {value!r}")


def _port_range(_: object, field: attrs.Attribute[tuple[int, int]], value: tuple[int, int]) -> None:
    first, last = value
    if not 0 < first <= last < 65536:
        raise ValueError(f"{field.name} are a first and a last port, not {value}")


# What the SYN says, or what is chosen with it: a connection that has sent its SYN keeps it.
WITH_SYN = frozenset(
    [
        "ecn",
        "initial_sequence",
        "initial_window",
        "local_ports",
        "reuse_time_wait",
        "sack",
        "syn_cookies",
        "timestamps",
        "window_scale",
    ]
)


@attrs.frozen(eq=False, repr=False, kw_only=True)
class TcpConfig(Value):
    receive_buffer: int | None = attrs.field(default=None, validator=optional(ge(256)))  # None: tuned (autotuning.py)
    receive_buffer_initial: int = attrs.field(default=512 << 10, validator=ge(256))
    receive_buffer_max: int = attrs.field(default=6 << 20, validator=ge(256))
    send_buffer: int | None = attrs.field(default=None, validator=optional(ge(256)))  # None: tuned
    send_buffer_initial: int = attrs.field(default=512 << 10, validator=ge(256))
    send_buffer_max: int = attrs.field(default=4 << 20, validator=ge(256))
    window_clamp: int | None = attrs.field(default=None, validator=optional(ge(256)))  # the most that is ever offered
    rcvlowat: int = attrs.field(default=1, validator=ge(1))  # bytes without which a read waits
    notsent_lowat: int | None = attrs.field(default=None, validator=optional(ge(1)))  # bytes unsent that stop a writer
    nodelay: bool = False  # True: no Nagle (RFC 9293 3.7.4)
    cork: bool = False  # True: segments that are not full wait, for a time-out at most
    quickack: int = attrs.field(default=0, validator=ge(0))  # segments acknowledged each at once, at first (Linux: 16)
    delayed_ack: float = attrs.field(default=0.04, validator=[ge(0), attrs.validators.lt(0.5)])  # RFC 9293 MUST-58
    min_rto: float = _positive(0.2)  # RFC 6298 2.4 says 1 s; Linux has 0.2, added to SRTT (see rtt.py)
    initial_rto: float = _positive(1.0)
    max_rto: float = _positive(120.0)
    syn_retries: int = attrs.field(default=7, validator=ge(0))  # 247 s: RFC 9293 MUST-23 wants three minutes; Linux: 6
    syn_cookies: str = attrs.field(default="auto", validator=in_(("auto", "always", "never")))  # RFC 4987
    reuse_time_wait: str = attrs.field(default="loopback", validator=in_(("never", "loopback", "always")))  # by connect
    fast_open: bool = False  # RFC 7413, for both ends
    fast_open_connect: bool = False  # put connecting off until there is data for the SYN (TCP_FASTOPEN_CONNECT)
    fast_open_queue: int = attrs.field(default=0, validator=ge(0))  # requests a listener believes unconfirmed; 0: none
    rfc1337: bool = False  # True: no RST ends a TIME-WAIT; RFC 9293 3.10.7.4 says that it does, and so does Linux
    local_ports: tuple[int, int] = attrs.field(
        default=(49152, 65535), validator=_port_range
    )  # RFC 6335; of `bind`: the stack's
    synack_retries: int = attrs.field(default=5, validator=ge(0))
    retries: int = attrs.field(default=15, validator=ge(0))  # RFC 9293 MUST-20's R2, counted
    keepalive: bool = False
    keepalive_idle: float = _positive(7200.0)
    keepalive_interval: float = _positive(75.0)
    keepalive_count: int = attrs.field(default=9, validator=ge(1))
    msl: float = attrs.field(default=30.0, validator=ge(0))  # RFC 9293 says 2 minutes; Linux' TIME-WAIT is 60 s too
    fin_wait_2: float = _positive(60.0)  # how long a FIN-WAIT-2 that nobody owns may last
    window_scale: bool = True
    timestamps: bool = True
    sack: bool = True  # RFC 2018, 2883, 8985; False: NewReno's recovery (RFC 6582)
    loss_probes: bool = True  # RFC 8985 7; where both sides do SACK
    frto: bool = True  # RFC 5682
    congestion: str | Factory = attrs.field(default="cubic", validator=_control)  # or a class
    ecn: str = attrs.field(default="accept", validator=in_(("off", "accept", "on")))  # RFC 3168; "on": ask for it too
    idle_restart: bool = True  # RFC 5681 4.1; False: an unused window lasts as RFC 7661 says
    initial_window: int = attrs.field(default=10, validator=ge(1))  # segments, RFC 6928
    oob_inline: bool = False  # the peer's urgent octet stays in the stream (SO_OOBINLINE), as RFC 6093 4 recommends
    linger: float | None = attrs.field(default=None, validator=optional(ge(0)))  # None: close in the background
    orphan_retries: int = attrs.field(default=8, validator=ge(0))  # time-outs of what nobody owns any more, as in Linux
    user_timeout_option: bool = False  # RFC 5482: say our time-out (5 minutes where none is set), and adopt the peer's
    user_timeout_bounds: tuple[float, float] = (100.0, 3600.0)  # seconds: what is adopted lies between these (5482 3.1)
    user_timeout: float | None = attrs.field(default=None, validator=optional(ge(0)))  # RFC 5482; None: by `retries`
    ttl: int = attrs.field(default=64, validator=[ge(1), le(255)])  # RFC 9293 MUST-49
    tos: int = attrs.field(default=0, validator=[ge(0), le(255)])  # the DiffServ field, RFC 9293 MUST-48
    # RFC 4821: search for a path's MTU "off", in a "black-hole" (Linux' tcp_mtu_probing=1, there off) or "always"
    mtu_probing: str = attrs.field(default="black-hole", validator=in_(("off", "black-hole", "always")))
    mss: int | None = attrs.field(default=None, validator=optional(and_(ge(48), le(65535))))  # None: by the link's MTU
    fast_path: bool = True  # False: every segment takes the plain path
    initial_sequence: int | None = attrs.field(default=None, validator=optional(instance_of(int)))  # for tests of wrap

    def first_receive_buffer(self) -> int:
        """Bytes that a connection may hold in the beginning."""
        size = self.receive_buffer or min(self.receive_buffer_initial, self.receive_buffer_max)
        return size if self.window_clamp is None else min(size, self.window_clamp)

    def largest_receive_buffer(self) -> int:
        """Bytes that it may come to hold: what the window scale has to be made for."""
        size = self.receive_buffer or self.receive_buffer_max
        return size if self.window_clamp is None else min(size, self.window_clamp)
