"""The fast path in takes what is in order, and does to it what the plain path does: two hosts hear the same frames.

`both` is two conversations that differ in `fast_path` alone. Each frame goes to both; then all that can be seen of them
is compared: what they sent, byte for byte, TcpInfo, what the application reads, drops and the next deadline.
"""

import attrs
import pytest

from netif.wire import notation
from stack.tcp import fast
from stack.tcp.states import CLOSE_WAIT
from tests.stack.tcp.conversation import Conversation, stream
from tests.stack.tcp.two_hosts import Pair

STAMPED = {"timestamps": True, "sack": True, "window_scale": True}
OFFERS = "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7"


class Both:
    """Two hosts, and one peer who says the same to each."""

    def __init__(self, **settings):
        self.ends = [Conversation(), Conversation()]
        self.fast, self.plain = self.ends
        self.stamped = bool(settings.get("timestamps"))
        for end, on in zip(self.ends, (True, False), strict=True):
            end.established(options_text=OFFERS if settings else "mss 1460", fast_path=on, **settings)
        self.compare()

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


@pytest.fixture(params=[{}, STAMPED], ids=["bare", "timestamps"])
def both(request):
    made = Both(**request.param)
    made.took()
    return made


def test_text_in_order_takes_it(both):
    both.gets("P. 1:101(100) ack 1")
    both.gets(". 101:1501(1400) ack 1")
    assert both.took() == 2
    assert both.reads() == stream(1, 1500)


def test_an_ack_of_new_data_takes_it(both):
    both.writes(3000)
    both.gets(". 1:1(0) ack 1449")
    both.gets(". 1:1(0) ack 3001")
    assert both.took() == 2


def test_text_that_acknowledges_takes_it(both):
    both.writes(10)
    both.gets("P. 1:11(10) ack 11")
    assert both.took() == 1


def test_a_window_update_takes_it(both):
    both.gets(". 1:1(0) ack 1 win 1000")
    assert both.took() == 1
    assert both.fast.connection.sender.snd_wnd in (1000, 1000 << 7)


OTHERWISE = {  # what the plain path has to look at
    "a hole": ". 101:201(100) ack 1",
    "what has come before": ". 0:1(1) ack 1",
    "a FIN": "F. 1:11(10) ack 1",
    "a RST": "R. 1:1(0) ack 1",
    "a SYN": "S 1:1(0)",
    "no ACK": "P 1:11(10)",
    "an ACK of what was never sent": ". 1:1(0) ack 1000",
    "an ACK from the past": ". 1:11(10) ack 4294967295",
    "urgent data": "PU. 1:11(10) ack 1 urg 5",
    "ECE": "E. 1:11(10) ack 1",
    "CWR": "W. 1:11(10) ack 1",
    "a stranger's options": ". 1:11(10) ack 1 <nop,nop,sack 1:2>",
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_what_is_not_in_order_is_left_to_the_plain_path(both, what):
    both.gets(OTHERWISE[what])
    assert both.took() == 0


def test_the_flag_comes_back_with_the_end_of_what_was_special(both):
    both.gets(". 101:201(100) ack 1")
    both.gets(". 201:301(100) ack 1")
    assert both.took() == 0
    both.gets(". 1:101(100) ack 1")  # fills the hole
    both.gets(". 301:401(100) ack 1")
    assert both.took() == 1


def test_a_closed_direction_is_plain(both):
    both.gets("F. 1:1(0) ack 1")
    assert both.fast.state is CLOSE_WAIT
    both.writes(100)
    both.gets(". 2:2(0) ack 101")
    assert both.took() == 0


def test_who_looks_on_sees_everything(both):
    seen = []
    both.fast.stack.trace = lambda event, owner, detail: seen.append(event)
    both.gets("P. 1:11(10) ack 1")
    assert "receive" in seen
    both.fast.stack.trace = None
    both.fast.connection.on_event = both.plain.connection.on_event = lambda event: seen.append(event.kind)
    both.writes(10)
    both.gets(". 11:11(0) ack 11")
    assert "acked" in seen
    assert both.took() == 0


def test_it_is_switched_off_and_on_while_open(both):
    both.fast.connection.configure(fast_path=False)
    both.plain.connection.configure(fast_path=False)
    both.flush()
    both.gets("P. 1:11(10) ack 1")
    assert both.took() == 0
    both.fast.connection.configure(fast_path=True)
    both.plain.connection.configure(nodelay=False)
    both.flush()
    both.gets("P. 11:21(10) ack 1")
    assert both.took() == 1


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("gso_max", [None, 65535])
def test_bulk_takes_it_unless_it_is_switched_off(on, gso_max):
    pair = Pair(gso_max=gso_max)
    client, server = pair.connected(fast_path=on)
    text = stream(1, 2 << 20)
    sent, got = 0, []
    while sent < len(text) or sum(map(len, got)) < len(text):
        sent += client.write(text[sent:])
        pair.flush()
        pair.step()
        while part := server.read(1 << 20):
            got.append(part)
    assert b"".join(got) == text
    took = pair.a.tcp.fast_in + pair.b.tcp.fast_in
    share = took / (took + pair.a.tcp.plain_in + pair.b.tcp.plain_in)
    assert share >= 0.9 if on else share == 0
