"""How long a translation outlives what it was made for, and which ports are taken. How many there may be: `limits`."""

from __future__ import annotations

from typing import Any

import attrs

from netif.errors import InvalidParams
from netif.value import Value


def _least(seconds: float) -> Any:
    """Of a time-out: what the RFC demands."""

    def check(_instance: object, field: Any, value: float) -> None:
        if not value >= seconds:
            raise InvalidParams(f"NaptConfig.{field.name}: {value!r} is under the {seconds:g} seconds of the RFC")

    return check


def _ports(_instance: object, _field: object, value: tuple[int, int]) -> None:
    if not (len(value) == 2 and 0 < value[0] <= value[1] < 65536):
        raise InvalidParams(f"NaptConfig.ports: {value!r} is no range of ports; write it as in (1024, 65535)")


@attrs.frozen(eq=False, repr=False, kw_only=True)
class NaptConfig(Value):
    """Seconds since the last packet that counts: out for UDP and ICMP, either way for TCP."""

    udp: float = attrs.field(default=300.0, validator=_least(120.0))  # RFC 4787 REQ-5
    tcp_established: float = attrs.field(default=7440.0, validator=_least(7440.0))  # RFC 5382 REQ-5: 2 hours 4 minutes
    tcp_transitory: float = attrs.field(default=240.0, validator=_least(240.0))  # RFC 5382 REQ-5: opening or closing
    icmp: float = attrs.field(default=60.0, validator=_least(60.0))  # RFC 5508 REQ-2
    ports: tuple[int, int] = attrs.field(default=(1024, 65535), validator=_ports)  # for what cannot keep its own
