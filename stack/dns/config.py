"""How a host asks the DNS: what resolv.conf's options say, and a few bounds on what answers may ask of us.

Which servers and search domains there are is not here: those are an interface's, or the stack's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs


def _range(least: float, most: float) -> Callable[[object, attrs.Attribute[Any], float], None]:
    def check(_: object, field: attrs.Attribute[Any], value: float) -> None:
        if not isinstance(value, (int, float)) or not least <= value <= most:
            raise ValueError(f"{field.name} is {least:g} to {most:g}, not {value!r}")

    return check


def _edns(_: object, field: attrs.Attribute[int], value: int) -> None:
    if not isinstance(value, int) or (value and not 512 <= value <= 65535):  # RFC 6891 6.2.3
        raise ValueError(f"{field.name} is 0, or 512 to 65535 bytes, not {value!r}")


@attrs.frozen(kw_only=True)
class DnsConfig:
    timeout: float = attrs.field(default=5.0, validator=_range(0.001, 3600))  # seconds for an attempt
    attempts: int = attrs.field(default=2, validator=_range(1, 100))  # a question fails after timeout * attempts
    first_wait: float = attrs.field(default=1.0, validator=_range(0.001, 3600))  # s, then the next; doubles each round
    ndots: int = attrs.field(default=1, validator=_range(0, 15))  # with so many dots a name is first tried as it is
    rotate: bool = False  # begin with another server each time
    edns: int = attrs.field(default=1232, validator=_edns)  # bytes taken by UDP; 0: no EDNS
    mix_case: bool = False  # 0x20: the case of the question's letters must come back, 1 more bit to guess each
    ttl_max: float = attrs.field(default=86400.0, validator=_range(0, 1 << 31))  # seconds an answer is kept at most
    negative_ttl_max: float = attrs.field(default=10800.0, validator=_range(0, 1 << 31))  # RFC 2308 5: 1 to 3 hours
    failure_ttl: float = attrs.field(default=5.0, validator=_range(0, 300))  # seconds for SERVFAIL; RFC 2308 7.1
