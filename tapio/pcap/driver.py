"""A live libpcap interface as an Ethernet: a host of its own beside the kernel's, with a MAC address of its own.

libpcap tells no checksum offload: what comes is judged (checksums.py), what goes out is finished and cut here. It hears
what comes in on the interface, not what this machine's kernel sends there, and the kernel does not hear us: a peer is
somebody at the other end of the wire. pcap(3), packet(7).
"""

from __future__ import annotations

import errno
import logging
import os
from collections import deque
from contextlib import ExitStack
from typing import Any

from netif.link import PARTIAL, Buffer, LinkCaps, Offload, Port
from netif.wire import Malformed, ethernet
from netif.wire.segment import adapt, cut
from tapio.netns import in_netns
from tapio.pcap import handle as pcap
from tapio.pcap.checksums import Checksums
from tapio.pcap.echoes import Echoes
from tapio.pcap.interface import Interface
from tapio.wire import MTU_MAX, WireError, grant

BUFFER = 32 << 20  # bytes; where offload is on, a frame of any size takes 64 KiB of it
_SKIPPED = 64  # frames passed over at a stretch, before others have their turn
_IOV_MAX = 1024  # buffers of one writev
_UNFIT = frozenset((errno.EINVAL, errno.EMSGSIZE, errno.ENOBUFS, errno.ENOMEM))  # this one frame is lost, no more
_GONE = frozenset((errno.ENODEV, errno.ENXIO, errno.EBADF))

log = logging.getLogger(__name__)


class Pcap:
    """The driver of one interface.

    bpf: a pcap-filter(7) expression; only what matches it and is for us is heard. trust_checksums: None: those that
    local peers leave undone are recognised; True: none is verified; False: none is recognised. shared_mac: the
    interface's own MAC address may be ours too (Wi-Fi takes no other). buffer_size: bytes of libpcap's ring.
    """

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
        self._whole = False  # whatever libpcap delivers was granted
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
            pcap.check_link_type(handle, self.name)
            if self.bpf:
                pcap.compile_filter(handle, self.name, self.bpf)
            self._error: Any = pcap.load().Error
            self._fd = pcap.selectable(handle, self.name)
            self._interface = Interface(self.name)
            comes_back = pcap.hears_own(handle) or self._interface.mac() == bytes(6)  # the latter: Linux's loopback
            self._echoes = Echoes() if comes_back else None
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
        if want.mac and want.mac == mac and not self._shared_mac:
            raise ValueError(
                f"{ethernet.format_mac(mac)} is the kernel's own MAC address on {self.name}: choose another, or open it"
                " with shared_mac"
            )
        expression = pcap.expression_for(want.mac, self.bpf)
        self._handle.setfilter(pcap.compile_filter(self._handle, self.name, expression))
        self._port = port
        self._granted = granted = grant(want, mtu=mtu)
        self._whole = granted.rx_checksum and granted.gso_max >= MTU_MAX
        self._checksums.mtu, self._checksums.our_mtu = mtu, granted.mtu
        return granted

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
        handle = self._handle
        if handle is None:
            return None
        for _ in range(_SKIPPED):
            try:
                header, frame = next(handle)
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
                continue
            if self._echoes is not None and self._echoes.is_echo(frame, self._now()):
                self.echoed += 1
                continue
            usable, offload = self._checksums.judge(frame)
            if not usable:
                continue
            if offload is None or self._whole:
                return frame, offload
            return self._adapted(frame, offload)
        return None

    def _count_truncated(self) -> None:
        if not self.truncated:
            name = self.name
            log.warning(
                "%s: frames come longer than its offloads make libpcap expect: ethtool -K %s gro on", name, name
            )
        self.truncated += 1

    def _adapted(self, frame: bytes, offload: Offload) -> tuple[Buffer, Offload | None]:
        """For a port that was granted less than libpcap delivers: the first of its frames, while the others wait."""
        assert self._granted is not None
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
        if self._echoes is not None:
            buffers = (b"".join(buffers),)
        try:
            os.writev(self._fd, buffers)  # as pcap_inject does, but for the errno that cypcap keeps to itself
        except OSError as error:
            return self._not_written(buffers, error)
        if self._echoes is not None and self._is_for_us(bytes(buffers[0])):
            self._echoes.sent(bytes(buffers[0]), self._now())
        return True

    def _is_for_us(self, frame: bytes) -> bool:
        """It passes our own filter when it comes back."""
        mac = self._granted.mac if self._granted is not None else b""
        return not mac or frame[:6] == mac or bool(frame[:1] and frame[0] & 1)

    def _not_written(self, buffers: tuple[Buffer, ...], error: OSError) -> bool:
        """What the caller of `transmit` is told; raises what ends this wire."""
        if self._handle is None:
            return True
        if error.errno == errno.EAGAIN:
            self._blocked = True
            if self._port is not None:
                self._port.watch()
            return False
        if error.errno == errno.EINVAL and len(buffers) > _IOV_MAX:
            return self._write((b"".join(buffers),))
        if error.errno in _UNFIT:
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
