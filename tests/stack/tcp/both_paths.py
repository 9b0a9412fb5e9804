"""Two hosts that hear the same, one of which takes the plain path always: nothing else may tell them apart.

Whatever a conversation can do both do; then all that can be seen of them is compared: what they sent, byte for byte,
TcpInfo, what the application would read, drops and the next deadline. `mend` changes a frame on its way.
"""

import attrs

from netif.link import LinkCaps, Medium
from netif.wire import notation
from netif.wire.checksum import complete, partial_sum, pseudo_header
from stack.tcp import fast
from tests.stack.tcp.conversation import HOST, HOST_MAC, MASK24, PEER_MAC, Conversation, stream

STAMPED = {"timestamps": True, "sack": True, "window_scale": True}
OFFERS = "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7"


class Both:
    """Two hosts, and one peer who says the same to each."""

    def __init__(self, make=Conversation, **settings):
        self.ends = [make(), make()]
        self.fast, self.plain = self.ends
        self.stamped = settings.get("timestamps", False)
        offers = OFFERS if self.stamped else "mss 1460"
        for end, on in zip(self.ends, (True, False), strict=True):
            end.established(options_text=offers, fast_path=on, **settings)
        self.compare()
        self.took()

    def __getattr__(self, name):
        """What a conversation can do, both do."""

        def each(*arguments, **options):
            answers = [getattr(end, name)(*arguments, **options) for end in self.ends]
            self.compare()
            assert answers[0] == answers[1] or name in ("configure", "all_sent")
            return answers[0]

        return each

    def text(self, text):
        """With the timestamp that the peer would send, where there are any."""
        if not self.stamped or "<" in text:
            return text
        return f"{text} <nop,nop,TS val {int(self.fast.now * 10)} ecr 0>"

    def gets(self, text, *, mend=None, offload=None, flush=True, **options):
        """The peer's segment, after `mend` has changed the frame."""
        for end in self.ends:
            said = notation.parse_segment(self.text(text))
            frame = end.frame(said, stream(said.seq, said.length) if said.length else b"", **options)
            if mend is not None:
                frame = mend(bytearray(frame))
            end.interface.input(bytes(frame), offload)
            if flush:
                end.flush()
        self.compare()

    def took(self):
        """How many frames took the fast path since this was asked last."""
        count, self.fast.stack.tcp.fast_in = self.fast.stack.tcp.fast_in, 0
        return count

    def compare(self):
        sent = [[(one.frame, one.offload, one.at) for one in end.sent] for end in self.ends]
        assert sent[0] == sent[1]
        assert attrs.asdict(self.fast.connection.info()) == attrs.asdict(self.plain.connection.info())
        assert self.fast.drops == self.plain.drops
        if self.fast.connection.error is None:
            assert self.fast.connection.peek(1 << 30) == self.plain.connection.peek(1 << 30)
        assert self.fast.connection.deadline == self.plain.connection.deadline
        assert self.plain.stack.tcp.fast_in == 0
        for end in self.ends:
            assert fast.straight(end.connection) or not end.connection.is_straight


class _Door:
    """An interface of bare packets, told of frames."""

    def __init__(self, interface):
        self._interface = interface

    def __getattr__(self, name):
        return getattr(self._interface, name)

    def input(self, frame, offload):
        self._interface.input(frame[14:], offload)


class Bare(Conversation):
    """A conversation over a link of bare IP packets, such as a TUN."""

    def begin(self, **settings):
        super().begin(**settings)
        self.interface.detach()
        interface = self.stack.attach(self.link, Medium.POINT_TO_POINT)
        self.interface = _Door(interface)
        interface.link_up(LinkCaps(mac=b"", medium=Medium.POINT_TO_POINT, rx_checksum=True))
        interface.set_addresses(HOST, MASK24, bytes(4))
        self.flush()
        self.sent.clear()
        return self

    def _meet(self):
        """There is nobody to find."""

    def _collect(self, buffers, offload):
        if buffers[0][0] == 0x45:
            super()._collect((PEER_MAC + HOST_MAC + b"\x08\x00", *buffers), offload)


def ip(at, field):
    """Other bytes in the IP header, its checksum made right."""

    def mend(frame):
        frame[14 + at : 14 + at + len(field)] = field
        length = max((frame[14] & 15) * 4, 20)
        frame[24:26] = b"\0\0"
        frame[24:26] = complete(partial_sum(bytes(frame[14 : 14 + length]))).to_bytes(2, "big")
        return frame

    return mend


def raw(at, field):
    """Other bytes, and nothing made right."""

    def mend(frame):
        frame[at : at + len(field)] = field
        return frame

    return mend


def tcp(at, field):
    """Other bytes in the TCP segment, its checksum made right."""

    def mend(frame):
        frame[34 + at : 34 + at + len(field)] = field
        frame[50:52] = b"\0\0"
        pseudo = pseudo_header(bytes(frame[26:30]), bytes(frame[30:34]), 6, len(frame) - 34)
        frame[50:52] = complete(pseudo + partial_sum(bytes(frame[34:]))).to_bytes(2, "big")
        return frame

    return mend


def with_ip_options(frame):
    """Four NOPs behind the IP header."""
    frame[34:34] = b"\1\1\1\1"
    frame[16:18] = (len(frame) - 14).to_bytes(2, "big")
    return ip(0, b"\x46")(frame)
