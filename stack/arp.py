"""Neighbours."""

from __future__ import annotations


class Neighbour:
    """How a link reaches one next hop."""

    __slots__ = ("link",)

    def __init__(self) -> None:
        self.link: bytes | None = None  # the link-layer header to it; None: ask
