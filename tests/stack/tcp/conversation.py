"""A TCP test is a conversation with one host, in the project's notation: the test plays the peer, segment by segment.

Numbers are relative: 0 is each side's SYN, 1 its first byte. Whatever the host sends is checked on its way (IP and TCP
checksum, addresses, payload), then compared with what the test expects of it; what the text leaves out is not compared.
Time is virtual.
"""

from __future__ import annotations

import random

from netif.account import Account
from netif.link import PARTIAL, LinkCaps
from netif.wire import arp, ethernet, icmp, ip, notation, options, tcp
from netif.wire.checksum import pseudo_header, verify
from netif.wire.segment import finish
from stack.stack import Stack
from stack.tcp.config import TcpConfig
from stack.tcp.states import CLOSED

HOST, PEER = b"\x0a\0\0\1", b"\x0a\0\0\2"
HOST_MAC, PEER_MAC = b"\x02\0\0\0\0\1", b"\x02\0\0\0\0\2"
MASK24 = b"\xff\xff\xff\0"
START = 1000.0  # seconds on the clock when a test begins
FIXED = {"receive_buffer": 1 << 20, "send_buffer": 1 << 20}  # bytes; None for both: tuned
CYCLE = bytes(random.Random(1).randbytes(65521))


def stream(start: int, length: int) -> bytes:
    """What either side says from its `start`th byte on, the first being 1."""
    at = (start - 1) % len(CYCLE)
    text = CYCLE[at : at + length]
    while len(text) < length:
        text += CYCLE[: length - len(text)]
    return text


class Waiter:
    def __init__(self):
        self.woken = False

    def wake(self):
        self.woken = True


class Clock:
    """As much of a Runtime as a stack asks for."""

    strict = True
    shared = False

    def __init__(self, seed):
        self.time = START
        self.memory = Account()
        self.seed = seed

    def now(self):
        return self.time

    def dice(self, name):
        return random.Random(f"{self.seed} {name}")

    def add_stack(self, stack):
        pass

    def remove_stack(self, stack):
        pass

    def touch(self, stack):
        pass


class Link:
    """As much of a Netif as an interface asks for: what is sent goes to `out`."""

    if_key = "ETH"
    route_prio = 0
    driver = None

    def __init__(self, mac, mtu, out):
        self.mac = mac
        self.mtu = mtu
        self.out = out
        self.full = False

    def transmit(self, buffers, offload):
        if self.full:
            return False
        self.out(buffers, offload)
        return True

    def mac_filter(self, mac, add):
        pass

    def hears_all(self, everything):
        pass

    def hears(self, what, key, add):
        pass


def host(clock, name, address, mac, out, *, mtu=1500, gso_max=None, limits=None, tcp=None):
    """(stack, interface, link): a host with one Ethernet interface, whose frames go to `out`."""
    made = Stack(name, runtime=clock, limits=limits, tcp=tcp)
    link = Link(mac, mtu, out)
    interface = made.attach(link)
    interface.link_up(
        LinkCaps(mac=mac, mtu=mtu, gso_max=gso_max or mtu, tx_checksum=gso_max is not None, rx_checksum=True)
    )
    interface.set_addresses(address, MASK24, bytes(4))
    return made, interface, link


class Sent:
    """One segment that the host sent."""

    def __init__(self, frame, offload, here, there):
        l4 = 34
        self.frame = frame
        self.at = None
        self.src, self.dst = frame[26:30], frame[30:34]
        self.tos = frame[15]
        sport, dport, seq, ack, header_len, self.flags, self.window, self.urgent = tcp.parse(frame, l4, len(frame))
        self.ports = (sport, dport)
        self.wire_seq, self.wire_ack = seq, ack
        self.seq = seq - here & 0xFFFFFFFF if seq or not self.flags & tcp.RST else 0
        self.ack = ack - there & 0xFFFFFFFF if self.flags & tcp.ACK else None
        self.option_bytes = frame[l4 + 20 : l4 + header_len]
        self.options = options.parse(frame, l4 + 20, l4 + header_len)
        self.payload = frame[l4 + header_len :]
        self.length = len(self.payload)
        self.offload = offload

    def __str__(self):
        said = self.flags, self.seq, self.length, self.ack or 0, self.window, self.option_bytes
        return notation.format_segment(*said, urgent=self.urgent)


class Conversation:
    """One host, and the test in the part of its peer."""

    def __init__(self):
        self.clock = None

    def begin(self, *, mtu=1500, gso_max=None, limits=None, seed=0, peer_iss=5_000_000, tcp=None, **settings):
        """A host whose connections have these settings. Unless told otherwise as plain as can be."""
        plain = {"window_scale": False, "timestamps": False, "sack": False, "congestion": "newreno"}
        settings = {"initial_sequence": 70_000, **plain, **FIXED, **settings}
        self.config = TcpConfig(**settings)
        self.clock = Clock(seed)
        self.sent = []
        self.asked = False  # who has the peer's address
        self.stack, self.interface, self.link = host(
            self.clock, "host", HOST, HOST_MAC, self._collect, mtu=mtu, gso_max=gso_max, limits=limits, tcp=tcp
        )
        self.peer_iss = peer_iss
        self.iss = self.config.initial_sequence
        self.port, self.peer_port = 80, 40000
        self.connection = None
        self.listener = None
        self.written = 0
        self.checked = True
        self._meet()
        return self

    def _meet(self):
        """Both know each other's MAC before anything is said."""
        request = ethernet.emit(HOST_MAC, PEER_MAC, ethernet.ARP)
        self.interface.input(request + arp.emit(arp.REQUEST, PEER_MAC, PEER, bytes(6), HOST), None)
        self.flush()
        self.sent.clear()

    def _introduce(self):
        """The peer says who has its address, asked or not."""
        answer = ethernet.emit(HOST_MAC, PEER_MAC, ethernet.ARP)
        self.interface.input(answer + arp.emit(arp.REPLY, PEER_MAC, PEER, HOST_MAC, HOST), None)

    def _collect(self, buffers, offload):
        frame = b"".join(buffers)
        assert all(type(buffer) is bytes or buffer.readonly for buffer in buffers)
        if frame[12:14] == b"\x08\x06":
            self.asked |= frame[38:42] == PEER
            return
        assert frame[:12] == PEER_MAC + HOST_MAC
        assert verify(frame, 14, 34), "IP checksum"
        if frame[23] != tcp.PROTOCOL:
            return
        if offload is not None and offload.checksum == PARTIAL:
            assert offload.start == 34
            assert offload.offset == tcp.CHECKSUM_OFFSET
            assert len(frame) > 256
            frame = finish((frame,), offload)
        if offload is None or not offload.gso_size:
            assert len(frame) - 14 <= self.interface.mtu
        pseudo = pseudo_header(frame[26:30], frame[30:34], tcp.PROTOCOL, len(frame) - 34)
        assert verify(frame, 34, len(frame), pseudo), "TCP checksum"
        segment = Sent(frame, offload, self.iss or 0, self.peer_iss)
        if segment.flags & tcp.SYN and self.iss is None:
            self.iss = segment.wire_seq
            segment.seq = 0
        if segment.length and self.checked:
            assert segment.payload == stream(segment.seq, segment.length), "payload"
        segment.at = self.now
        self.sent.append(segment)

    @property
    def now(self):
        return self.clock.time

    @property
    def state(self):
        """Of the connection, or of the TIME-WAIT that is left of it."""
        key = (HOST, self.port, PEER, self.peer_port)
        entry = self.stack.tcp.connections.get(key)
        if entry is not None:
            return entry.state
        return CLOSED if self.connection is None or self.connection.orphan else self.connection.state

    # what the application does

    def listens(self, backlog=128):
        self.listener = self.stack.tcp.listen((None, self.port), backlog, self.config)
        return self.listener

    def connects(self):
        self.port, self.peer_port = 49999, 80
        local = self.stack.tcp.bind((None, self.port))
        self.connection = self.stack.tcp.connect(local, (PEER, self.peer_port), self.config)
        self.flush()
        return self.connection

    def accepts(self):
        self.connection = self.listener.accept()
        return self.connection

    def writes(self, count):
        """`count` bytes of the stream; as many as are accepted."""
        accepted = self.connection.write(stream(self.written + 1, count))
        self.written += accepted
        self.flush()
        return accepted

    def reads(self, count=1 << 30):
        data = self.connection.read(count)
        self.flush()
        return data

    def shuts(self):
        self.connection.shutdown_write()
        self.flush()

    def close(self, linger=None):
        self.connection.close(linger)
        self.flush()

    def aborts(self):
        self.connection.abort()
        self.flush()

    def flush(self):
        self.stack.flush(self.now)
        while self.asked:
            self.asked = False
            self._introduce()
            self.stack.flush(self.now)

    # the wire

    def gets(self, text, *, payload=None, window=None, corrupt=False, flush=True, tos=0):
        """The peer's segment arrives."""
        said = notation.parse_segment(text)
        if payload is None:
            payload = stream(said.seq, said.length) if said.length else b""
        assert len(payload) == said.length
        frame = self.frame(said, payload, corrupt, tos)
        self.interface.input(frame, None)
        if flush:
            self.flush()

    def frame(self, said, payload, corrupt=False, tos=0, dst=HOST):
        seq = self.peer_iss + said.seq & 0xFFFFFFFF
        ack = (self.iss or 0) + said.ack & 0xFFFFFFFF if said.ack is not None else 0
        window = 65535 if said.window is None else said.window
        header = tcp.emit_complete(
            self.peer_port,
            self.port,
            seq,
            ack,
            said.flags,
            window,
            said.option_bytes,
            (payload,),
            pseudo=pseudo_header(PEER, dst, tcp.PROTOCOL, 0),
            urgent=said.urgent,
        )
        if corrupt:
            header = header[:16] + bytes((header[16] ^ 0x55,)) + header[17:]
        packet = ip.emit(PEER, dst, tcp.PROTOCOL, len(header) + len(payload), ident=1, tos=tos)
        return ethernet.emit(HOST_MAC, PEER_MAC, ethernet.IP) + packet + header + payload

    def sends(self, text):
        """The next segment that the host sent is this one."""
        assert self.sent, f"nothing was sent, expected {text}"
        segment = self.sent.pop(0)
        said = notation.parse_segment(text)
        different = (
            segment.flags != said.flags
            or segment.seq != said.seq & 0xFFFFFFFF
            or segment.length != said.length
            or segment.urgent != said.urgent
            or (said.ack is not None and segment.ack != said.ack)
            or (said.window is not None and segment.window != said.window)
            or (said.option_bytes and segment.option_bytes != said.option_bytes)
        )
        assert not different, f"sent {segment}\nexpected {text}"
        return segment

    def sends_nothing(self):
        assert not self.sent, "sent " + ", ".join(map(str, self.sent))

    def all_sent(self):
        sent, self.sent = self.sent, []
        return sent

    def after(self, seconds):
        """Time passes; what becomes due on the way happens in its time."""
        end = self.now + seconds
        while (due := self.stack.next_deadline()) is not None and due <= end:
            self.clock.time = max(self.now, due)
            self.stack.advance(self.now)
            self.flush()
        self.clock.time = end
        self.stack.advance(end)
        self.flush()

    def quotes(self, kind, code, *, seq=1, rest=0, length=40):
        """An ICMP error about a segment of ours, `length` bytes with its IP header, arrives."""
        header = tcp.HEADER.pack(self.port, self.peer_port, self.iss + seq & 0xFFFFFFFF, 0, 0x5000, 0, 0, 0)
        quoted = ip.emit(HOST, PEER, tcp.PROTOCOL, length - 20, ident=1) + header[:8]
        message = icmp.emit(kind, code, rest, quoted)
        packet = ip.emit(PEER, HOST, ip.ICMP, len(message), ident=1) + message
        self.interface.input(ethernet.emit(HOST_MAC, PEER_MAC, ethernet.IP) + packet, None)
        self.flush()

    # where most conversations begin

    def established(self, *, options_text="mss 1460", window=65535, syn_window=None, **settings):
        """Opened by the peer and accepted; the handshake is not looked at."""
        if self.clock is None or settings:
            self.begin(**settings)
        self.listens()
        self.gets(f"S 0:0(0) win {window if syn_window is None else syn_window} <{options_text}>")
        synack = self.all_sent()[-1]
        stamp = synack.options.timestamp
        said = f" <nop,nop,TS val 2 ecr {stamp[0]}>" if stamp else ""
        self.gets(f". 1:1(0) ack 1 win {window}{said}")
        self.accepts()
        self.sent.clear()
        return self.connection

    @property
    def drops(self):
        return self.stack.stats.drops()
