"""`sniff(WIRE, ...)`: what passes, into a file, several files, a pipe or a program, perhaps with comments."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from components.wires.grammar import BadWire
from components.witness import Witness
from netif.link import Buffer, LinkCaps, Offload, Port
from tapio.amounts import seconds
from tapio.capture import Comments, PcapngWriter, RotatingPcapng, Sniff
from tapio.capture.live import live_into, live_to

if TYPE_CHECKING:
    from netif.link import Driver

Writer: TypeAlias = PcapngWriter | RotatingPcapng
_ROTATION = ("rotate_bytes", "rotate_seconds", "keep")


def sniffed(driver: Driver, options: Mapping[str, str]) -> Driver:
    if ("file" in options) is ("to" in options):
        raise BadWire("sniff( wants a file, or a program: sniff(WIRE, file=x.pcapng) or sniff(WIRE, to=wireshark)")
    rotates = [name for name in _ROTATION if name in options]
    if rotates and "to" in options:
        raise BadWire(f"sniff(: {rotates[0]} is for files: sniff(WIRE, file=x.pcapng, {rotates[0]}=...)")
    if rotates == ["keep"]:
        raise BadWire("sniff(: keep wants rotate_bytes or rotate_seconds beside it, or there is one file only")
    writer, ends = outlet(options)
    return FileSniff(driver, options.get("name", "netif"), writer, ends, comments="comments" in options)


def outlet(options: Mapping[str, str]) -> tuple[Writer, Any]:
    """What frames are written by, and what is to be closed behind it, if anything."""
    if "to" in options:
        live = live_into(options["to"])
        return PcapngWriter(live), live
    path = options["file"]
    try:
        if any(name in options for name in _ROTATION):
            return RotatingPcapng(path, **rotation(options)), None
        pipe = live_to(path)
        return (PcapngWriter(path), None) if pipe is None else (PcapngWriter(pipe), pipe)
    except OSError as error:
        name = error.filename or path
        said = error.strerror or str(error)
        raise OSError(error.errno, said if str(name) in said else f"{name}: {said}") from None


def rotation(options: Mapping[str, str]) -> dict[str, Any]:
    words: dict[str, Any] = {name: count(name, options[name]) for name in ("rotate_bytes", "keep") if name in options}
    if "rotate_seconds" in options:
        words["rotate_seconds"] = seconds("rotate_seconds", options["rotate_seconds"])
    return words


def count(name: str, value: str) -> int:
    """A number, of bytes with KiB, MiB or GiB behind it if wished."""
    number, factor = value, 1
    for unit, size in (("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)):
        if name == "rotate_bytes" and value.endswith(unit):
            number, factor = value.removesuffix(unit), size
    if not (number.isascii() and number.isdecimal() and int(number[:18]) > 0):
        raise BadWire(f"sniff(: {name}={value} is no count: write {name}={'10MiB' if factor > 1 else 10}")
    return int(number) * factor


class FileSniff(Sniff):
    """Times are those of day; what is written ends with the wire."""

    def __init__(self, driver: Driver, name: str, writer: Writer, ends: Any = None, *, comments: bool = False) -> None:
        self.writer = writer
        self._ends = ends
        self._comments = Comments(writer) if comments else None
        self._witness: Witness | None = None
        super().__init__(driver, self._comments or writer, name=name)

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self.writer.epoch = time.time() - port.now()
        granted = super().open(want, port)
        stack: Any = getattr(port, "stack", None)  # a runtime's port knows whose it is
        if self._comments is not None and hasattr(stack, "tcp"):
            self._witness = Witness(self._comments, stack, self.name, granted.medium, sees_arrivals=True)
            self._witness.listen(self.driver)
        return granted

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        item = super().receive()
        if self._witness is not None:
            self._witness.arrived(None if item is None else item[0])
        return item

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        sent = super().transmit(buffers, offload)
        if sent and self._witness is not None:
            self._witness.sent(b"".join(buffers))
        return sent

    def close(self) -> None:
        witness, self._witness = self._witness, None
        if witness is not None:
            witness.close()
        super().close()
        self.writer.close()
        if self._ends is not None:
            self._ends.close()

    def __repr__(self) -> str:
        return f"<FileSniff to {self.writer!r}, {self.driver!r}>"
