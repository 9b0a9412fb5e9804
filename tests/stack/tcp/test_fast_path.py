"""The fast path in takes what is in order, and does with it what the plain path does: two hosts hear the same."""

import random

import pytest

from netif.link import PARTIAL, VALID, Offload
from netif.wire import ethernet, notation
from netif.wire import ip as ip_wire
from netif.wire import tcp as tcp_wire
from netif.wire.checksum import pseudo_header
from stack.raw import RawEndpoint
from stack.tcp.states import CLOSE_WAIT
from tests.stack.tcp.both_paths import STAMPED, Bare, Both
from tests.stack.tcp.conversation import HOST, HOST_MAC, PEER, PEER_MAC, Conversation, stream
from tests.stack.tcp.two_hosts import Pair


@pytest.fixture(params=[{}, STAMPED], ids=["bare", "timestamps"])
def both(request):
    return Both(**request.param)


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


@pytest.mark.parametrize(
    ("stamp", "takes"),
    [
        ("val 1 ecr 0", False),  # older than what has been heard
        ("val 2147493648 ecr 0", False),  # half the circle ahead: older too
        ("val 2147493647 ecr 0", True),
        ("val 10000 ecr 0", True),
        ("val 10000 ecr 4294967295", True),
    ],
)
def test_an_old_timestamp_does_not_pass(stamp, takes):  # RFC 7323 5.3 R1
    both = Both(**STAMPED)
    both.gets("P. 1:11(10) ack 1 <nop,nop,TS val 10000 ecr 0>")
    both.took()
    both.writes(10)
    both.gets(f"P. 11:21(10) ack 1 <nop,nop,TS {stamp}>")
    assert both.took() == takes
    both.gets(f". 11:11(0) ack 11 <nop,nop,TS {stamp}>")


@pytest.mark.parametrize(
    "options", ["", "TS val 20000 ecr 0,nop,nop", "nop,nop,sack 1:5", "nop,nop,TS val 20000 ecr 0,nop,nop,sack 1:5"]
)
def test_options_of_another_shape_are_plain(both, options):
    both.writes(10)
    text = f"P. 1:11(10) ack 1 <{options}>" if options else "P. 1:11(10) ack 1"
    for end in both.ends:
        said = notation.parse_segment(text)
        end.interface.input(end.frame(said, stream(1, 10)), None)
        end.flush()
    both.compare()
    assert both.took() == (not options and not both.stamped)


def test_an_empty_segment_with_push_is_an_ack(both):
    both.writes(10)
    both.gets("P. 1:1(0) ack 11")
    assert both.took() == 1


@pytest.mark.parametrize("settings", [{}, {"timestamps": True, "sack": True}], ids=["bare", "timestamps"])
def test_the_window_is_kept(settings):
    both = Both(**settings)
    room = both.fast.connection.receiver.edge - both.fast.connection.receiver.rcv_nxt
    for at in range(1, room - 1460, 1460):
        both.gets(f". {at}:{at + 1460}(1460) ack 1")
    assert both.took() > 40
    last = at + 1460
    both.gets(f". {last}:{room + 10}({room + 10 - last}) ack 1")  # more than there is room for
    assert both.took() == 0
    both.gets(f". {room + 1}:{room + 2}(1) ack 1")
    both.gets(f". {room + 1}:{room + 1}(0) ack 1")
    assert both.reads() == stream(1, room)


def test_a_segment_that_fills_the_window_takes_it():
    both = Both(receive_buffer=20_000)
    room = both.fast.connection.receiver.edge - both.fast.connection.receiver.rcv_nxt
    both.gets(f". 1:{room + 1}({room}) ack 1", offload=Offload(VALID, gso_size=1460))
    assert both.took() == 1


@pytest.mark.parametrize("offload", [Offload(VALID, gso_size=1000), Offload(PARTIAL, 34, 16, 1000)])
@pytest.mark.parametrize("length", [1, 1000, 1001, 40_000])
def test_a_super_frame_counts_as_its_segments(both, offload, length):
    both.gets(f". 1:{length + 1}({length}) ack 1", offload=offload)
    assert both.took() == 1
    assert both.fast.connection.info().data_segs_in == -(-length // 1000)


def test_duplicates_are_counted_where_there_is_no_sack():  # RFC 5681 2
    both = Both()
    both.writes(20_000)
    for _ in range(4):
        both.gets(". 1:1(0) ack 1")
    both.gets(". 1:1(0) ack 1461")
    assert both.took() == 0
    assert both.fast.connection.fast_retransmits == 1


class Marked(Conversation):
    """The peer asks for ECN."""

    def gets(self, text, **options):
        super().gets(text.replace("S 0:0", "SEW 0:0"), **options)


@pytest.mark.parametrize("codepoint", [0, 2, 3])
def test_a_connection_with_ecn_is_plain(codepoint):
    both = Both(Marked, ecn="on")
    both.gets("P. 1:101(100) ack 1", tos=codepoint)
    assert both.took() == 0


def test_an_address_that_is_withdrawn_hears_nothing(both):
    for end in both.ends:
        end.interface.withdraw()
    both.writes(10)
    both.gets("P. 1:101(100) ack 1")
    assert both.took() == 0
    assert both.reads() is None
    for end in both.ends:
        end.interface.set_addresses(HOST, b"\xff\xff\xff\0", bytes(4))
        end.sent.clear()
    both.gets("P. 1:101(100) ack 1")  # looks whether the address is its own
    both.gets("P. 101:201(100) ack 1")
    assert both.took() >= 1
    assert both.reads() == stream(1, 200)


def test_a_peer_whose_address_becomes_ours_is_heard_no_more(both):
    for end in both.ends:
        end.interface.add_address(PEER, b"\xff\xff\xff\0")
        end.sent.clear()
    both.gets("P. 1:101(100) ack 1")
    assert both.fast.drops["ip_source"] == 1
    assert both.took() == 0


@pytest.mark.parametrize("address", [b"\x7f\0\0\1", HOST])
def test_what_a_host_says_to_itself_cannot_be_said_from_outside(address):  # RFC 1122 3.2.1.3 (g)
    for on in (True, False):
        tcp = Conversation().begin(fast_path=on, initial_sequence=None)
        listener = tcp.stack.tcp.listen((None, 7), 10, tcp.config)
        client = tcp.stack.tcp.connect(None, (address, 7), tcp.config)
        tcp.flush()
        server = listener.accept()
        client.write(b"hello")
        tcp.flush()
        assert server.read(10) == b"hello"
        said = client.sender
        ports = client.local[1], 7
        header = tcp_wire.emit_complete(
            *ports,
            said.snd_nxt & 0xFFFFFFFF,
            server.sender.snd_nxt & 0xFFFFFFFF,
            tcp_wire.ACK,
            1000,
            b"",
            (b"evil",),
            pseudo=pseudo_header(address, address, 6, 0),
        )
        packet = ip_wire.emit(address, address, 6, len(header) + 4, ident=1)
        tcp.interface.input(ethernet.emit(HOST_MAC, PEER_MAC, ethernet.IP) + packet + header + b"evil", None)
        tcp.flush()
        assert server.read(10) is None
        assert tcp.stack.tcp.fast_in == 0
        assert tcp.drops == {"ip_source": 1}


def test_a_raw_socket_gets_its_copy(both):
    heard = []
    for end in both.ends:
        endpoint = RawEndpoint(end.stack, 6)
        heard.append(endpoint)
    both.gets("P. 1:101(100) ack 1")
    assert both.took() == 0
    packets = [endpoint.receive()[0] for endpoint in heard]
    assert packets[0] == packets[1]
    for endpoint in heard:
        endpoint.close()
    both.gets("P. 101:201(100) ack 1")
    assert both.took() == 1


def test_a_hook_sees_every_frame_first(both):
    seen = []
    for end in both.ends:
        end.stack.forward = lambda interface, frame, offload: bool(seen.append(frame))
    both.gets("P. 1:101(100) ack 1")
    assert len(seen) == 2
    assert both.took() == 0


def test_numbers_wrap_on_it():
    both = Both(initial_sequence=(1 << 32) - 150, peer_iss=(1 << 32) - 250)
    for at in range(0, 1000, 100):
        both.writes(100)
        both.gets(f"P. {at + 1}:{at + 101}(100) ack {at + 101}")
    assert both.took() >= 9
    assert both.reads() == stream(1, 1000)


def test_a_probe_of_a_keep_alive_is_answered_alike():
    both = Both(keepalive=True, keepalive_idle=100.0, keepalive_interval=10.0)
    both.after(125)
    both.gets(". 1:1(0) ack 1")
    assert both.fast.connection.probes == 0
    assert both.took() == 0
    both.after(95)
    both.gets("P. 1:11(10) ack 1")
    assert both.took() == 1
    both.after(200)


def test_who_has_closed_is_plain(both):
    both.gets("P. 1:11(10) ack 1")
    both.reads()
    both.took()
    for end in both.ends:
        end.connection.shutdown_read()
    both.gets("P. 11:21(10) ack 1")
    both.shuts()
    both.gets("P. 21:31(10) ack 1")
    assert both.took() <= 1


@pytest.mark.parametrize("offload", [None, Offload(VALID)])
@pytest.mark.parametrize("settings", [{}, STAMPED], ids=["bare", "timestamps"])
def test_a_link_of_bare_packets_has_it_too(settings, offload):
    both = Both(Bare, **settings)
    both.writes(100)
    both.gets("P. 1:101(100) ack 101", offload=offload)
    both.gets(". 101:101(0) ack 101")
    assert both.took() == 2
    assert both.reads() == stream(1, 100)


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


class Peer:
    """Says what comes to its mind, most of it in order."""

    def __init__(self, both, seed):
        self.both, self.dice = both, random.Random(seed)
        self.said = 1  # its next byte

    def acknowledges(self):
        sender, iss = self.both.fast.connection.sender, self.both.fast.iss
        una, nxt = sender.snd_una - iss, sender.snd_nxt - iss
        return self.dice.choice([una, nxt, self.dice.randint(una, nxt), self.dice.randint(una - 5, nxt + 5)])

    def segment(self):
        dice = self.dice
        length = dice.choice([0, 0, 1, 100, 1448])
        at = self.said + dice.choice([0] * 12 + [-10, 1, 1448, 70_000])
        if at == self.said:
            self.said += length
        at = max(at, 0)
        window = dice.choice([""] * 4 + [" win 1000", " win 0", " win 40000"])
        text = f"{dice.choice(['.', 'P.'])} {at}:{at + length}({length}) ack {max(self.acknowledges(), 0)}{window}"
        offload = dice.choice([None, Offload(VALID), Offload(VALID, gso_size=600)])
        self.both.gets(text, offload=offload, flush=dice.random() < 0.7)

    def step(self):
        both, dice = self.both, self.dice
        what = dice.random()
        if what < 0.7:
            self.segment()
        elif what < 0.85:
            both.writes(dice.choice([1, 1000, 20_000]))
        elif what < 0.95:
            both.reads(dice.choice([1, 5000, 1 << 20]))
        else:
            both.after(dice.choice([0.001, 0.05, 1.0]))


@pytest.mark.parametrize("settings", [{}, STAMPED, {"timestamps": True}], ids=["bare", "sack", "timestamps"])
def test_whatever_a_peer_says_both_hear_the_same(settings):
    took = 0
    for seed in range(30):
        both = Both(initial_sequence=(1 << 32) - 5000, peer_iss=(1 << 32) - 3000, **settings)
        peer = Peer(both, seed)
        for _ in range(40):
            peer.step()
        took += both.took()
    assert took > 100
