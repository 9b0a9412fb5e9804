"""A live libpcap interface: a host of its own beside the kernel's, with a MAC address of its own.

On a loopback device and where there is no link header IP packets travel, without neighbours to find.

libpcap tells no checksum offload: what comes is judged (checksums.py), what goes out is finished and cut here. It hears
what comes in on the interface, not what this machine's kernel sends there, and the kernel does not hear us: a peer is
somebody at the other end of the wire. pcap(3), packet(7).
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections import deque
from contextlib import ExitStack
from typing import Any

import attrs

from netif.link import PARTIAL, Buffer, LinkCaps, Medium, Offload, Port
from netif.wire import Malformed, ethernet
from netif.wire.segment import adapt, cut
from tapio.batches import InBatches
from tapio.kernel import IOV_MAX, UNFIT
from tapio.netns import in_netns
from tapio.pcap import handle as pcap
from tapio.pcap.checksums import Checksums
from tapio.pcap.echoes import Echoes
from tapio.pcap.interface import Interface
from tapio.wire import MTU_MAX, MTU_MIN, WireError, grant

BUFFER = 32 << 20  # bytes; where offload is on, a frame of any size takes 64 KiB of it
_SKIPPED = 64  # frames passed over at a stretch, before others have their turn
_GONE = frozenset((errno.ENODEV, errno.ENXIO, errno.EBADF))
_NOBODY = bytes(6)  # the MAC address of a loopback device

log = logging.getLogger(__name__)


class Pcap(InBatches):
    """The driver of one interface.

    bpf: a pcap-filter(7) expression; only what matches it and is for us is heard. trust_checksums: None: those that
    local peers leave undone are recognised; True: none is verified; False: none is recognised. shared_mac: the
    interface's own MAC address is ours too (Wi-Fi takes no other). buffer_size: bytes of libpcap's ring.
    """

    _poll_tells = sys.platform == "linux"  # bpf(4) hands over all that it has at one read, and forgets it
    shared_wire = True  # which MAC addresses are on it, no process knows alone

    def __init__(
        self,
        interface: str,
        *,
        bpf: str = "",
        netns: str | None = None,
        trust_checksums: bool | None = None,
        promiscuous: bool = True,
        shared_mac: bool = False,
        buffer_size: int = BUFFER,
    ) -> None:
        self.name = interface
        self.bpf = bpf
        self.refused = 0  # frames that the kernel would not take
        self.truncated = 0  # frames too long for libpcap's ring
        self.echoed = 0  # frames of ours that came back
        self._shared_mac = shared_mac
        self._checksums = Checksums(interface, trust_checksums)
        self._port: Port | None = None
        self._granted: LinkCaps | None = None
        self._pieces: deque[tuple[Buffer, Offload | None]] = deque()  # of a super-frame that is not wanted whole
        self._unsent: deque[bytes] = deque()  # the rest of one that was cut
        self._as_it_is = False  # whatever libpcap delivers was granted
        self._warned = False
        self._blocked = False
        self._woken = False  # something was heard since the descriptor became readable
        self._lost = 0  # by libpcap's count, when it was closed
        if not 1 << 16 <= buffer_size <= 1 << 30:
            raise ValueError(f"buffer_size: {buffer_size} is out of range: 65536 to {1 << 30} bytes")
        self._handle: Any = in_netns(netns, lambda: self._activate(promiscuous, buffer_size))

    def _activate(self, promiscuous: bool, buffer_size: int) -> Any:
        """Everything that has to happen in the interface's network namespace; nothing is left of it if it fails."""
        handle = pcap.activate(self.name, promiscuous=promiscuous, buffer_size=buffer_size)
        with ExitStack() as undo:
            undo.callback(handle.close)
            link_type = pcap.link_type(handle, self.name)
            if self.bpf:
                pcap.compile_filter(handle, self.name, self.bpf)
            self._error: Any = pcap.load().Error
            self._fd = pcap.selectable(handle, self.name)
            self._interface = Interface(self.name)
            undo.callback(self._interface.close)
            is_loopback = link_type == pcap.EN10MB and self._interface.mac() == _NOBODY
            self._link_header = _NOBODY + _NOBODY if is_loopback else b""  # but for the ethertype
            self.medium = Medium.POINT_TO_POINT if is_loopback or link_type == pcap.RAW else Medium.ETHERNET
            self._lacks_header = link_type == pcap.RAW
            self._echoes = Echoes() if pcap.hears_own(handle) or is_loopback else None
            undo.pop_all()
        return handle

    @property
    def partial(self) -> int:
        """Frames whose checksum a local peer had left undone."""
        return self._checksums.partial

    @property
    def bad(self) -> int:
        """Frames whose checksum was wrong."""
        return self._checksums.bad

    @property
    def uncut(self) -> int:
        """Frames of several datagrams, lost: only their sender could cut them again."""
        return self._checksums.uncut

    @property
    def dropped(self) -> int:
        """Frames that came when libpcap's ring was full."""
        return int(self._handle.stats().drop) if self._handle is not None else self._lost

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        self._check_up()
        try:
            mtu, mac = self._interface.mtu(), self._interface.mac()
        except OSError as error:
            raise self._failure(error) from None
        if mtu < MTU_MIN:
            raise WireError(errno.EMSGSIZE, f"{self.name} takes {mtu} bytes at once, and IP wants {MTU_MIN}")
        want = self._addressed(want, mac)
        self._hear(want.mac)
        self._pieces.clear()
        self._unsent.clear()
        self._blocked = False
        self._port = port
        self._granted = granted = grant(want, mtu=mtu)
        is_whole = granted.rx_checksum and granted.gso_max >= MTU_MAX
        self._as_it_is = is_whole and self.medium is Medium.ETHERNET
        self._checksums.mtu, self._checksums.our_mtu = mtu, granted.mtu
        if not self._warned and self.medium is Medium.ETHERNET:
            for remark in self._interface.remarks(shared_mac=self._shared_mac):
                log.warning("%s", remark)
        self._warned = True
        return granted

    def _addressed(self, want: LinkCaps, mac: bytes) -> LinkCaps:
        """`want`, as whom we are here. `mac` is the interface's."""
        if self.medium is Medium.POINT_TO_POINT:
            return attrs.evolve(want, mac=b"", medium=self.medium)
        if self._shared_mac and mac:
            if not want.mac:
                raise ValueError(f"{self.name}: with shared_mac it is a wire for one host, not for several behind it")
            return attrs.evolve(want, mac=mac)
        if want.mac and want.mac == mac:
            text = f"{ethernet.format_mac(mac)} is the kernel's own MAC address on {self.name}"
            raise ValueError(f"{text}: choose another, or share it (shared_mac)")
        return want

    def _hear(self, mac: bytes) -> None:
        expression = pcap.expression_for(mac, self.bpf)
        self._handle.setfilter(pcap.compile_filter(self._handle, self.name, expression))

    def set_mac(self, mac: bytes) -> None:
        """We have another address from now on. ValueError: it is not ours alone."""
        if self._shared_mac:
            raise ValueError(f"{self.name}: its MAC address is the interface's as long as it is shared")
        self._hear(mac)

    def fileno(self) -> int | None:
        return self._fd if self._handle is not None else None

    def wants_write(self) -> bool:
        return self._blocked

    def advance(self, now: float) -> None:
        if not self._blocked or self._port is None:
            return
        while self._unsent:
            if not self._write((self._unsent[0],)):
                return
            self._unsent.popleft()
        self._blocked = False
        self._port.watch()
        self._port.writable()

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        if self._pieces:
            return self._pieces.popleft()
        for _ in range(_SKIPPED):
            frame = self._read()
            if frame is None:
                return None
            if not frame or (self._echoes is not None and self._is_echo(frame)):
                continue
            if self._lacks_header:
                frame = _in_ethernet(frame)
            usable, offload = self._checksums.judge(frame)
            if usable:
                return (frame, offload) if self._as_it_is else self._shaped(frame, offload)
        return None

    def _read(self) -> bytes | None:
        """The next frame, empty if not all of it is there; None: nothing now."""
        if self._handle is None:
            return None
        try:
            header, frame = next(self._handle)
        except self._error as error:
            raise self._not_read(error) from None
        if header is None:
            if not self._woken:
                self._check_up()  # nothing to hear, and yet we were woken: was that an error?
            self._woken = False
            return None
        self._woken = True
        if header.len > len(frame):
            self._count_truncated()
            return b""
        return frame  # type: ignore[no-any-return]

    def _is_echo(self, frame: bytes) -> bool:
        assert self._echoes is not None
        is_echo = self._echoes.is_echo(frame, self._now())
        self.echoed += is_echo
        return is_echo

    def _count_truncated(self) -> None:
        if not self.truncated:
            name = self.name
            log.warning(
                "%s: frames come longer than its offloads make libpcap expect: ethtool -K %s gro on", name, name
            )
        self.truncated += 1

    def _shaped(self, frame: Buffer, offload: Offload | None) -> tuple[Buffer, Offload | None]:
        """The first frame of what was granted of this one, while the others wait."""
        assert self._granted is not None
        if self.medium is not Medium.ETHERNET:
            frame, offload = _unpacked(frame, offload)
        try:
            first, *others = adapt((frame,), offload, self._granted, delivering=True)
        except Malformed:
            return frame, None
        self._pieces.extend((buffers[0], left) for buffers, left in others)
        return first[0][0], first[1]

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        if self._unsent:
            return False
        if offload is not None and (offload.checksum == PARTIAL or offload.gso_size):
            return self._transmit_cut(buffers, offload)
        return self._write(buffers)

    def _transmit_cut(self, buffers: tuple[Buffer, ...], offload: Offload) -> bool:
        try:
            pieces = cut(buffers, offload)
        except Malformed:
            self.refused += 1
            return True
        for number, piece in enumerate(pieces):
            if not self._write((piece,)):
                if number:
                    self._unsent.extend(pieces[number:])
                return number > 0
        return True

    def _write(self, buffers: tuple[Buffer, ...]) -> bool:
        if self._link_header:
            buffers = (self._link_header + _ethertype(buffers[0]), *buffers)
        if len(buffers) > IOV_MAX:
            buffers = (b"".join(buffers),)
        try:
            os.writev(self._fd, buffers)  # as pcap_inject does, but for the errno that cypcap keeps to itself
        except OSError as error:
            return self._not_written(error)
        if self._echoes is not None:
            self._remember(b"".join(buffers))
        return True

    def _remember(self, frame: bytes) -> None:
        """If it passes our own filter when it comes back."""
        assert self._echoes is not None
        mac = self._granted.mac if self._granted is not None else b""
        if not mac or frame[:6] == mac or frame[0] & 1:
            self._echoes.sent(frame, self._now())

    def _not_written(self, error: OSError) -> bool:
        """What the caller of `transmit` is told; raises what ends this wire."""
        if self._handle is None:
            return True
        if error.errno == errno.EAGAIN:
            self._blocked = True
            if self._port is not None:
                self._port.watch()
            return False
        if error.errno in UNFIT:
            self.refused += 1
            return True
        raise self._failure(error) from None

    def _check_up(self) -> None:
        """An empty write sends nothing, but fails as any would where the interface is down or gone: libpcap keeps
        quiet about the first (pcap-linux.c: it may come back up)."""
        try:
            os.write(self._fd, b"")
        except OSError as error:
            if error.errno == errno.ENETDOWN or error.errno in _GONE:
                raise self._failure(error) from None

    def _not_read(self, error: Any) -> WireError:
        try:
            self._check_up()
        except WireError as known:
            return known
        return WireError(errno.EIO, f"{self.name} failed: {pcap.one_line(error.msg)}")

    def _failure(self, error: OSError) -> WireError:
        name = self.name
        if error.errno == errno.ENETDOWN:
            return WireError(errno.ENETDOWN, f"{name} is down: ip link set {name} up")
        if error.errno in _GONE:
            return WireError(errno.ENODEV, f"{name} is gone")
        return WireError(error.errno or errno.EIO, f"{name} failed: {error.strerror}")

    def _now(self) -> float:
        return self._port.now() if self._port is not None else 0.0

    def close(self) -> None:
        handle = self._handle
        if handle is None:
            return
        self._lost = self.dropped
        self._handle, self._fd = None, -1
        self._pieces.clear()
        self._unsent.clear()
        self._interface.close()
        handle.close()

    def __repr__(self) -> str:
        how = "closed" if self._handle is None else f"bpf {self.bpf!r}" if self.bpf else "unfiltered"
        return f"<Pcap {self.name} {how}>"


def _ethertype(packet: Buffer) -> bytes:
    return b"\x86\xdd" if packet and packet[0] >> 4 == 6 else b"\x08\0"


def _in_ethernet(packet: bytes) -> bytes:
    return b"".join((_NOBODY, _NOBODY, _ethertype(packet), packet))


def _unpacked(frame: Buffer, offload: Offload | None) -> tuple[Buffer, Offload | None]:
    """The packet in a frame, and what is said of it."""
    if offload is not None and offload.checksum == PARTIAL:
        offload = offload._replace(start=offload.start - ethernet.HEADER_LENGTH)
    return memoryview(frame)[ethernet.HEADER_LENGTH :], offload
