"""A packet socket on a network device: whoever is at the other end of its cable, in frames of up to 64 KiB.

With the virtio-net header checksums and segmentation are left undone both ways: the kernel does what the device cannot.
Where it is refused they are done here, and what comes is judged by the auxiliary data, as libpcap's frames are.
Ours is a MAC address of our own, so that the kernel takes nothing of it for itself and resets no connection of ours; or
the device's, where its medium allows but one. On a loopback device IP packets travel, without a link header.
This host's own stack is not heard on the device, nor does it hear us (but on a loopback): both speak to the other end.
"""

from __future__ import annotations

import errno
import logging
import socket
import sys
from collections import deque
from struct import Struct
from typing import TYPE_CHECKING

import attrs

from netif.link import PARTIAL, VALID, Buffer, LinkCaps, Medium, Offload, Port
from netif.wire import Malformed, ethernet
from netif.wire.segment import adapt
from tapio.batches import InBatches
from tapio.device import ARPHRD_LOOPBACK
from tapio.kernel import LARGE, KernelWire
from tapio.netns import in_netns
from tapio.packet import bpf
from tapio.packet.endpoint import (
    ANCILLARY,
    AUXDATA,
    STATUS_TPID,
    STATUS_UNFINISHED,
    STATUS_VERIFIED,
    STATUS_VLAN,
    Endpoint,
)
from tapio.wire import MTU_MAX, MTU_MIN, WireError, grant

if TYPE_CHECKING:
    from tapio.pcap.checksums import Checksums

log = logging.getLogger(__name__)

_STATUS = 0 if sys.byteorder == "little" else 3  # the byte of the auxiliary data that has STATUS_VLAN
_TAG = Struct("!HH")  # TPID, TCI
_NOBODY = bytes(6)  # the address of a loopback device
_LINK = ethernet.HEADER_LENGTH
_COMPLETE = Offload(VALID)


class Packet(InBatches, KernelWire):
    """The driver of one packet socket. Without `offload` each frame is one complete segment; what comes as more is cut
    and finished here. With `shared_mac` the device's own MAC address is ours too: our IP address tells us apart."""

    shared_wire = True  # whose MAC addresses are on it, no process knows alone

    def __init__(
        self, interface: str, *, netns: str | None = None, offload: bool = True, shared_mac: bool = False
    ) -> None:
        """`netns`: the network namespace that it is in, by name or path. WireError: it cannot be had."""
        self.shared_mac = shared_mac
        self._endpoint = in_netns(netns, lambda: Endpoint(interface))
        header = self._endpoint.vnet_header
        super().__init__(self._endpoint.name, self._endpoint.socket.fileno(), vnet_header=header)
        self._checksums = None if header else _checksums(self.name)
        self._recvmsg_into = self._endpoint.socket.recvmsg_into
        self._offload = offload
        self._lost = 0  # frames for which the kernel, or its header, had no room
        loopback = self._endpoint.kind == ARPHRD_LOOPBACK
        self.medium = Medium.POINT_TO_POINT if loopback else Medium.ETHERNET
        self._granted: LinkCaps | None = None
        self._differs = False  # frames come in another shape than they are to leave in
        self._pieces: deque[tuple[Buffer, Offload | None]] = deque()  # of a frame that was cut
        self._link_header = b""  # on a loopback device: what a packet wants in front, but for its ethertype
        self._warned = False

    @property
    def dropped(self) -> int:
        """Frames that came when the receive buffer was full, or as nothing that a driver can hand on."""
        if self._fd >= 0:
            self._lost += self._endpoint.drops()
        return self._lost

    def open(self, want: LinkCaps, port: Port) -> LinkCaps:
        endpoint, name = self._endpoint, self.name
        try:
            if not endpoint.control.is_up():
                raise WireError(errno.ENETDOWN, f"{name} is down: ip link set {name} up")
            mtu, mac = endpoint.control.mtu(), endpoint.control.mac()
            if mtu < MTU_MIN:
                message = f"{name} takes {mtu} bytes at once, and IP wants {MTU_MIN}: ip link set {name} mtu 1500"
                raise WireError(errno.EMSGSIZE, message)
            want = self._addressed(want, mac, port)
            endpoint.bind()
            self._pieces.clear()
            self._granted = granted = grant(want, mtu=mtu, tx_checksum=self._offload, rx_checksum=self._offload)
            if self._checksums is not None:
                self._checksums.mtu, self._checksums.our_mtu = mtu, granted.mtu
            self._differs = bool(self._link_header) or not granted.rx_checksum or granted.gso_max < MTU_MAX
            endpoint.open_device(promiscuous=not (self.shared_mac or self._link_header))
            endpoint.hear(self._program(granted.mac))
        except WireError:
            raise
        except OSError as error:
            raise self._failure(error) from None
        self._port = port
        if not self._warned:
            self._warned = True
            self._warn()
        return granted

    def _addressed(self, want: LinkCaps, mac: bytes, port: Port) -> LinkCaps:
        """`want`, as whom we are here. `mac` is the device's."""
        self._link_header = b""
        if self.medium is Medium.POINT_TO_POINT:
            self._link_header = _NOBODY + (want.mac or port.dice.randbytes(6))
            return attrs.evolve(want, mac=b"", medium=self.medium)
        if self.shared_mac:
            if not want.mac:
                raise ValueError(f"{self.name}: with shared_mac it is a wire for one host, not for several behind it")
            return attrs.evolve(want, mac=mac)
        if want.mac == mac:
            text = f"{ethernet.format_mac(mac)} is the kernel's own MAC address on {self.name}"
            raise ValueError(f"{text}: choose another, or share it (shared_mac)")
        return want

    def _program(self, mac: bytes) -> bpf.Program:
        if self._link_header:  # there our own frames come back
            return bpf.not_from(self._link_header[6:], bpf.to(_NOBODY))
        return bpf.to(mac) if mac else bpf.EVERYTHING

    def set_mac(self, mac: bytes) -> None:
        """We have another address from now on. ValueError: it is not ours alone."""
        if self.shared_mac:
            raise ValueError(f"{self.name}: its MAC address is the device's as long as it is shared")
        self._endpoint.hear(self._program(mac))

    def _warn(self) -> None:
        """Of what would be searched for long: who cannot be reached here, by the nature of the device."""
        if not self._link_header:
            for remark in self._endpoint.control.remarks(shared_mac=self.shared_mac):
                log.warning("%s", remark)

    def receive(self) -> tuple[Buffer, Offload | None] | None:
        if self._pieces:
            return self._pieces.popleft()
        view = self._view
        try:
            length, ancillary, flags, _ = self._recvmsg_into((view,), ANCILLARY)
        except BlockingIOError:
            return None
        except OSError as error:
            self._not_received(error)
            return None
        if flags & socket.MSG_TRUNC:
            self._lost += 1
            return None
        front = self._front
        frame: Buffer
        if length >= LARGE:
            frame = view[front:length].toreadonly()
            self._view = memoryview(self._ring.take())
        else:
            frame = view[front:length].tobytes()
        auxiliary = ancillary[0][2]
        if front:
            offload = self._offloads[view[:front].tobytes()]
        else:
            usable, offload = self._judged(frame, auxiliary)
            if not usable:
                self._lost += 1
                return None
        if auxiliary[_STATUS] & STATUS_VLAN:
            frame, offload = _tagged(frame, offload, auxiliary)
        if self._differs:
            return self._adapted(frame, offload)
        return frame, offload

    def _not_received(self, error: OSError) -> None:
        """Raises what ends this wire."""
        if self._fd < 0:
            return
        if error.errno == errno.EINVAL:  # a super-frame of a kind for which the header has no word; the kernel took it
            self._lost += 1
        elif not self._endpoint.survived(error):
            raise self._failure(error) from None

    def _judged(self, frame: Buffer, auxiliary: bytes) -> tuple[bool, Offload | None]:
        """(whether it can be used, what is to be said of it), without the header: how a super-frame is to be cut, the
        auxiliary data does not say."""
        assert self._checksums is not None
        status: int = AUXDATA.unpack(auxiliary)[0]
        if status & STATUS_UNFINISHED or len(frame) > self._checksums.mtu + _LINK:
            return self._checksums.judge(bytes(frame))
        return True, _COMPLETE if status & STATUS_VERIFIED else None

    def _adapted(self, frame: Buffer, offload: Offload | None) -> tuple[Buffer, Offload | None] | None:
        """The first of what was granted of it; what is left waits."""
        assert self._granted is not None
        if self._link_header:
            frame = frame[_LINK:]
            if offload is not None and offload.checksum == PARTIAL:
                offload = offload._replace(start=offload.start - _LINK)
        try:
            pieces = adapt((frame,), offload, self._granted, delivering=True)
        except Malformed:
            self._lost += 1
            return None
        self._pieces.extend((piece, left) for (piece,), left in pieces)
        return self._pieces.popleft()

    def transmit(self, buffers: tuple[Buffer, ...], offload: Offload | None) -> bool:
        if self._link_header:
            head = buffers[0] if buffers else b""
            kind = ethernet.IPV6 if head and head[0] >> 4 == 6 else ethernet.IP
            buffers = (b"".join((self._link_header, kind.to_bytes(2, "big"), head)), *buffers[1:])
            if offload is not None and offload.checksum == PARTIAL:
                offload = offload._replace(start=offload.start + _LINK)
        return super().transmit(buffers, offload)

    def _failure(self, error: OSError) -> WireError:
        return self._endpoint.failure(error)

    def close(self) -> None:
        if self._fd >= 0:
            self._lost += self._endpoint.drops()
            self._fd = -1
            self._pieces.clear()
            self._endpoint.close()

    def __repr__(self) -> str:
        if self._fd < 0:
            return f"<Packet {self.name} closed>"
        how = "offload" if self._offload else "plain"
        if not self._vnet:
            how = "without the header"
        return f"<Packet {self.name} {how}{' shared MAC' if self.shared_mac else ''}>"


def _tagged(frame: Buffer, offload: Offload | None, auxiliary: bytes) -> tuple[bytes, Offload | None]:
    """With the VLAN tag put back that the kernel has taken out (IEEE 802.1Q 9.3)."""
    status, *_, tci, tpid = AUXDATA.unpack(auxiliary)
    tag = _TAG.pack(tpid if status & STATUS_TPID else ethernet.VLAN, tci)
    if offload is not None and offload.checksum == PARTIAL:
        offload = offload._replace(start=offload.start + len(tag))
    return b"".join((frame[:12], tag, frame[12:])), offload


def _checksums(name: str) -> Checksums:
    from tapio.pcap.checksums import Checksums  # seldom: where the kernel, or a sandbox, refuses the header

    return Checksums(name, None)
