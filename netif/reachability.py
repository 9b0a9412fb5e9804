"""Whether an interface still leads anywhere: what is to be asked, as a value.

An interface whose link is up may lead nowhere all the same; esp_netif never looks. Who has such a policy is passed over
at the election of the default while nothing answers, as long as there is another. RFC 1122 3.3.1.4.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import attrs

from netif.config import Address
from netif.errors import InvalidParams
from netif.value import Value
from netif.wire import ip


def _target(value: Address | None) -> IPv4Address | None:
    if value is None:
        return None
    try:
        return IPv4Address(ip.parse_address(value))
    except ValueError as error:
        raise InvalidParams(f"ReachabilityPolicy.target: {error}") from None


def _positive(_policy: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    if not value > 0:
        raise InvalidParams(f"ReachabilityPolicy.{attribute.name}: {value!r} must be more than 0")


def _how(_policy: Any, _attribute: attrs.Attribute[Any], value: str) -> None:
    if value not in ("ping", "arp"):
        raise InvalidParams(f'ReachabilityPolicy.by: {value!r} is no way to ask; write "ping" or "arp"')


@attrs.frozen(eq=False, repr=False, kw_only=True)
class ReachabilityPolicy(Value):
    """That a gateway answers is no proof that it forwards: a target behind it tells more."""

    target: IPv4Address | None = attrs.field(default=None, converter=_target)  # None: the gateway, whichever it is
    by: str = attrs.field(default="ping", validator=_how)  # or "arp", of a target on the link
    interval: float = attrs.field(default=5.0, validator=_positive)  # seconds between questions
    misses: int = attrs.field(default=3, validator=_positive)  # in a row: unreachable
    answers: int = attrs.field(default=2, validator=_positive)  # in a row: reachable again
