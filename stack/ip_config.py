"""What may be set for IP, ICMP and ARP of a stack, with the defaults. Bounds are in `limits`."""

from __future__ import annotations

import attrs

from netif.value import Value


@attrs.frozen(eq=False, repr=False, kw_only=True)
class IpConfig(Value):
    accept_redirects: bool = (
        True  # RFC 1122 3.2.2.2 MUST, Linux's default for a host; see `redirects` for what is believed
    )
    # RFC 5227 2.4, when another has our address: "defend" it for ever (c), or "yield" when once has not helped (b)
    conflict_policy: str = attrs.field(default="defend", validator=attrs.validators.in_(("defend", "yield")))
    path_mtu_discovery: bool = True  # False: what may be fragmented on its way is (RFC 1191 is not used)
    send_redirects: bool = True  # of a router: tell hosts of a better first hop (RFC 1812 5.2.7.2)
