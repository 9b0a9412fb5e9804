"""The packet socket itself: opened on a device, set up, and why not, in one line. Knows options, and no frame's inside.

It stays bound to the device that it was bound to last, whatever that is called meanwhile; on one that went down or away
it says ENETDOWN once, and then nothing. packet(7); Linux, include/uapi/linux/if_packet.h and net/packet/af_packet.c.
"""

from __future__ import annotations

import difflib
import errno
import os
import socket
import sys
from contextlib import ExitStack
from struct import Struct
from typing import Final

from tapio import vnet
from tapio.device import ARPHRD_ETHER, ARPHRD_LOOPBACK, Control, linux_alone
from tapio.packet import bpf
from tapio.wire import WireError

RECEIVE_BUFFER = 4 << 20  # bytes; Linux makes it twice that, which holds a hundred super-frames, its default three

SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP, PACKET_DROP_MEMBERSHIP, PACKET_STATISTICS = 1, 2, 6
PACKET_AUXDATA, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 8, 15, 23
PACKET_MR_PROMISC, PACKET_MR_ALLMULTI = 1, 2
SO_RCVBUFFORCE = 33
ETH_P_ALL = 3
AUXDATA = Struct("=IIIHHHH")  # status, length, captured, offsets of MAC and network header, VLAN TCI, VLAN TPID
STATUS_UNFINISHED, STATUS_VLAN = 0x8, 0x10  # TP_STATUS_CSUMNOTREADY, TP_STATUS_VLAN_VALID
STATUS_TPID, STATUS_VERIFIED = 0x40, 0x80  # TP_STATUS_VLAN_TPID_VALID, TP_STATUS_CSUM_VALID
ANCILLARY: Final = 16 + 24  # bytes; CMSG_SPACE of AUXDATA where a size_t has eight

_STATISTICS = Struct("=II")  # frames, dropped
_MEMBERSHIP = Struct("=iHH8x")  # interface, type, length and address
_GONE = frozenset((errno.ENODEV, errno.ENXIO, errno.ENETDOWN))


class Endpoint:
    """One on the device `interface` of the network namespace in which this is called; deaf until it is bound."""

    def __init__(self, interface: str) -> None:
        linux_alone("packet sockets", interface)
        self.name = _known(interface)
        self._index = 0  # of the device that it is bound to
        self.vnet_header = True  # in front of each frame, both ways
        with ExitStack() as undoing:
            self.control = undoing.enter_context(Control(self.name))
            self.kind, _ = self.control.hardware()
            if self.kind not in (ARPHRD_ETHER, ARPHRD_LOOPBACK):
                raise WireError(errno.EINVAL, f"{self.name} carries no Ethernet: tun:{self.name}, if it is a TUN")
            self.socket = undoing.enter_context(_socket(self.name))
            self._set_up()
            undoing.pop_all()

    def _set_up(self) -> None:
        made = self.socket
        made.setblocking(False)
        try:
            for option in (PACKET_AUXDATA, PACKET_IGNORE_OUTGOING):
                made.setsockopt(SOL_PACKET, option, 1)
        except OSError as error:
            code = error.errno or errno.EIO
            raise WireError(
                code, f"{self.name}: this kernel has no packet sockets as Linux 4.20 has them: try pcap:{self.name}"
            ) from None
        try:
            made.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        except OSError:  # some sandboxes
            self.vnet_header = False
        try:
            made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:  # it takes CAP_NET_ADMIN; this one goes as far as net.core.rmem_max
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    def bind(self) -> None:
        """To the device that has the name now, deaf. What came before is thrown away, and so is the error of a device
        that went down."""
        bpf.attach(self.socket, bpf.NOTHING)
        self.socket.bind((self.name, ETH_P_ALL))
        self._index = self.control.index()
        self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        while True:
            try:
                self.socket.recv(vnet.LENGTH)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.EINVAL:  # a kind of super-frame for which the header has no word
                    raise

    def hear(self, program: bpf.Program) -> None:
        """What `program` lets through, of that which the device lets in."""
        bpf.attach(self.socket, program)

    def open_device(self, promiscuous: bool) -> None:
        """Until this socket is gone, or the device, it lets in frames to every group, or to everybody."""
        membership = _MEMBERSHIP.pack(self._index, PACKET_MR_PROMISC if promiscuous else PACKET_MR_ALLMULTI, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_DROP_MEMBERSHIP, membership)  # the kernel counts how often
        self.socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)

    def drops(self) -> int:
        """Frames that came when the receive buffer was full, since this was asked last."""
        counted = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, _STATISTICS.size)
        return int(_STATISTICS.unpack(counted)[1])

    def survived(self, error: OSError) -> bool:
        """The device was down for a moment, and is what it was."""
        try:
            return error.errno == errno.ENETDOWN and self.control.is_up() and self.control.index() == self._index
        except OSError:
            return False

    def failure(self, error: OSError) -> WireError:
        name = self.name
        if error.errno not in _GONE:
            return WireError(error.errno or errno.EIO, f"{name} failed: {error.strerror}")
        try:
            if self.control.index() == self._index or not self._index:
                return WireError(errno.ENETDOWN, f"{name} is down: ip link set {name} up")
        except OSError:
            pass
        return WireError(errno.ENODEV, f"{name} is gone: deleted, renamed, or moved to another network namespace")

    def close(self) -> None:
        self.control.close()
        self.socket.close()


def _known(interface: str) -> str:
    """The name that the kernel has for the device."""
    try:
        return socket.if_indextoname(socket.if_nametoindex(interface))
    except (OSError, ValueError):
        names = [name for _, name in socket.if_nameindex()]
        near = difflib.get_close_matches(interface, names, 3) or names
        raise WireError(
            errno.ENODEV, f"there is no network device {interface or repr(interface)} here, but {', '.join(near)}"
        ) from None


def _socket(name: str) -> socket.socket:
    try:
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # 0: it hears nothing yet, of any device
    except PermissionError:
        raise WireError(
            errno.EPERM,
            f"{name}: a packet socket takes the right CAP_NET_RAW: run as root (sudo), or give it to Python:"
            f" sudo setcap cap_net_raw+ep {os.path.realpath(sys.executable)}",
        ) from None
    except OSError as error:
        code = error.errno or errno.EIO
        raise WireError(code, f"{name}: this system has no packet sockets ({os.strerror(code)})") from None
