"""A TUN: bare IP packets between the kernel's own stack and ours, without neighbours to find and MAC addresses."""

from __future__ import annotations

from netif.link import Medium
from tapio import tundev
from tapio.attached import Attached


class Tun(Attached):
    """The driver of one TUN."""

    kind = tundev.TUN
    medium = Medium.POINT_TO_POINT
