"""The fast path out sends what the plain path sends: two hosts that differ in `fast_path` alone say the same bytes.

`Both` compares frames, TcpInfo and deadlines after each step (see test_fast_path.py); here it is asked beside that how
many frames took which way.
"""

import pytest

from tests.stack.tcp.conversation import stream
from tests.stack.tcp.test_fast_path import STAMPED, Both
from tests.stack.tcp.two_hosts import Pair

WIRES = {
    "bare": {},
    "timestamps": STAMPED,
    "offload": {**STAMPED, "gso_max": 65535},
    "bare offload": {"gso_max": 65535},
}


def went(both):
    """(by the fast path, by the plain one) since this was asked last."""
    tcp = both.fast.stack.tcp
    counts = tcp.fast_out, tcp.plain_out
    tcp.fast_out = tcp.plain_out = 0
    assert both.plain.stack.tcp.fast_out == 0
    return counts


@pytest.fixture(params=WIRES.values(), ids=WIRES)
def both(request):
    made = Both(**request.param)
    went(made)
    return made


SIZES = (1, 2, 3, 201, 202, 203, 1000, 1447, 1448, 1449, 1460, 1461)  # around complete checksums and segments


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_goes_by_it(both, size):
    both.writes(size)
    frames = len(both.all_sent())
    assert went(both) == (frames, 0)
    assert frames


def test_a_burst_goes_by_it(both):
    said = 1
    for _ in range(12):
        both.writes(100_000)
        sent = both.all_sent()
        said += sum(segment.length for segment in sent)
        both.gets(f". 1:1(0) ack {said}")
        said += sum(segment.length for segment in both.all_sent())
        both.gets(f". 1:1(0) ack {said}")
    assert said > 400_000
    assert went(both)[1] == 0


def test_no_burst_is_longer_than_256_kilobytes_and_a_segment():
    both = Both(**STAMPED, gso_max=65535, initial_window=1000, window=65535)
    went(both)
    both.writes(1 << 20)
    first = sum(segment.length for segment in both.all_sent())
    assert 1 << 18 <= first < (1 << 18) + 65536
    assert both.fast.connection.deadline == both.fast.now  # the rest follows in the next turn
    both.after(0)
    assert both.all_sent()
    assert went(both)[1] == 0


def test_acknowledgments_go_by_it(both):
    both.gets(". 1:101(100) ack 1")
    both.gets(". 101:201(100) ack 1")
    assert len(both.all_sent()) == 1
    both.gets(". 201:301(100) ack 1")
    both.sends_nothing()
    both.after(0.1)  # delayed
    assert len(both.all_sent()) == 1
    assert went(both) == (2, 0)


def test_window_updates_go_by_it(both):
    for at in range(1, 65_000, 1000):
        both.gets(f". {at}:{at + 1000}(1000) ack 1")
    both.all_sent()
    went(both)
    both.reads()
    frames = len(both.all_sent())
    assert went(both) == (frames, 0)


def test_an_answer_carries_the_acknowledgment(both):
    for at in range(1, 40, 10):
        both.gets(f"P. {at}:{at + 10}(10) ack {at}")
        both.reads()
        both.writes(10)
    assert len(both.all_sent()) == 4
    assert went(both) == (4, 0)


@pytest.mark.parametrize("settings", [{"nodelay": True}, {"cork": True}, {}])
def test_small_segments_wait_as_they_should(settings):  # RFC 9293 3.7.4
    both = Both(**STAMPED, **settings)
    went(both)
    for size in (10, 20, 1500, 30, 3000, 1):
        both.writes(size)
    both.all_sent()
    both.gets(". 1:1(0) ack 11")
    both.after(0.3)
    both.gets(". 1:1(0) ack 1500")
    assert went(both)[0]


@pytest.mark.parametrize("window", [0, 1, 100, 1000, 1448, 5000])
def test_small_windows_are_used_as_they_should(both, window):  # RFC 9293 3.8.6.2.1, 3.8.6.1
    both.writes(20_000)
    both.gets(f". 1:1(0) ack 1 win {window >> 7 if both.stamped else window}")
    both.gets(f". 1:1(0) ack 1449 win {window >> 7 if both.stamped else window}")
    both.after(5)
    both.gets(". 1:1(0) ack 1449")
    both.after(1)


def test_of_a_shrunk_window_the_edge_is_acknowledged_from():
    both = Both(initial_window=100)
    both.writes(20_000)
    both.gets(". 1:1(0) ack 1 win 100")
    both.gets(". 1:101(100) ack 1 win 100")
    both.gets(". 101:201(100) ack 1 win 100")
    assert both.fast.sent[-1].seq == 101


def test_what_is_lost_is_sent_again_by_the_plain_path_and_then_it_goes_on(both):
    both.writes(5000)
    both.after(1.2)
    assert both.fast.connection.info().total_retrans
    both.all_sent()
    both.gets(". 1:1(0) ack 5001")
    both.writes(10)
    both.gets(". 1:1(0) ack 5011")
    both.gets(". 1:1(0) ack 5011 win 60000")
    went(both)
    both.writes(10)
    assert went(both) == (1, 0)


def test_a_full_driver_holds_it_back(both):
    for end in both.ends:
        end.link.full = True
    both.writes(10)
    both.writes(10_000)
    assert both.fast.interface.blocked
    for end in both.ends:
        end.link.full = False
        end.interface.writable()
        end.flush()
    both.compare()
    assert sum(segment.length for segment in both.all_sent()) > 8000


def test_a_driver_that_fills_up_in_a_burst_ends_it():
    both = Both(**STAMPED, initial_window=100)
    for end in both.ends:

        def out(buffers, offload, end=end, collect=end.link.out):
            end.link.full = True  # from the next one on
            collect(buffers, offload)

        end.link.out = out
    both.writes(10_000)
    assert len(both.all_sent()) == 1
    assert both.fast.interface.blocked
    assert both.fast.connection.sender.snd_nxt == both.plain.connection.sender.snd_nxt
    for _ in range(3):
        for end in both.ends:
            end.link.full = False
            end.interface.writable()
            end.flush()
        both.compare()


def test_a_peer_that_says_nothing_is_asked(both):  # RFC 9293 3.8.4
    both.fast.connection.configure(keepalive=True, keepalive_idle=2, keepalive_interval=1)
    both.plain.connection.configure(keepalive=True, keepalive_idle=2, keepalive_interval=1)
    both.flush()
    for end in both.ends:
        end.clock.time += 2.5  # the timer has not been asked when something else is to be sent
        end.writes(10)
    both.compare()
    both.gets(". 1:1(0) ack 11")
    both.after(3)
    both.compare()


def test_the_first_are_acknowledged_each_at_once_where_that_is_asked_for():
    both = Both(**STAMPED, quickack=3)
    for at in range(1, 60, 10):
        both.gets(f"P. {at}:{at + 10}(10) ack 1")
    assert len(both.all_sent()) >= 3


def test_a_window_that_nobody_used_for_long_shrinks():  # RFC 5681 4.1
    both = Both(**STAMPED)
    said = 1
    for _ in range(8):
        both.writes(30_000)
        while sent := sum(segment.length for segment in both.all_sent()):
            said += sent
            both.gets(f". 1:1(0) ack {said}")
        both.after(0.15)  # never a time-out without anything sent
    grown = both.fast.connection.congestion.cwnd
    both.after(5)
    both.writes(10)
    assert both.fast.connection.congestion.cwnd < grown


def test_settings_of_the_socket_count_at_once(both):
    both.writes(10)
    both.gets(". 1:1(0) ack 11")
    for end in both.ends:
        end.connection.configure(tos=0x48, ttl=9)
    both.flush()
    went(both)
    both.all_sent()
    both.writes(500)
    frame = both.all_sent()[-1].frame
    assert (frame[15], frame[22]) == (0x48, 9)
    assert went(both) == (1, 0)


def test_a_narrower_path_counts_at_once(both):  # RFC 1191
    both.writes(5000)
    both.all_sent()
    both.quotes(3, 4, rest=1000, length=1500)
    both.all_sent()
    both.gets(". 1:1(0) ack 5001")
    both.gets(". 1:1(0) ack 5001 win 60000")
    went(both)
    both.writes(3000)
    sent = both.all_sent()
    assert went(both) == (len(sent), 0)
    mss = both.fast.connection.sender.mss
    assert mss in (960, 948)
    assert all(segment.length <= mss or segment.offload.gso_size == mss for segment in sent)


def test_sequence_numbers_wrap():
    both = Both(**STAMPED, initial_sequence=0xFFFF_FF00, peer_iss=0xFFFF_FF80, gso_max=65535)
    went(both)
    said = heard = 1
    for _ in range(4):
        both.gets(f"P. {heard}:{heard + 100}(100) ack {said}")
        heard += 100
        both.writes(120)
        said += 120
    assert went(both) == (4, 0)


def test_who_looks_on_sees_what_is_sent(both):
    seen = []
    for end in both.ends:
        end.stack.trace = lambda event, owner, detail: seen.append(event)
        end.writes(10)
    assert seen.count("send") == 2
    assert went(both) == (0, 1)


def test_one_that_is_switched_off_sends_nothing_by_it():
    pair = Pair(gso_max=65535)
    client, server = pair.connected(fast_path=False)
    client.write(bytes(100_000))
    while server.receiver.queued < 100_000:
        pair.flush()
        pair.step()
    assert pair.a.tcp.fast_out == pair.b.tcp.fast_out == 0


def pumped(pair, client, server, text):
    sent, got = 0, b""
    while len(got) < len(text):
        sent += client.write(text[sent:])
        pair.flush()
        assert pair.step()
        got += server.read(1 << 20) or b""
    return got


@pytest.mark.parametrize("gso_max", [None, 65535])
def test_bulk_takes_it(gso_max):
    pair = Pair(gso_max=gso_max)
    client, server = pair.connected()
    text = stream(1, 2 << 20)
    assert pumped(pair, client, server, text) == text
    for tcp in (pair.a.tcp, pair.b.tcp):
        assert tcp.fast_out >= 0.9 * (tcp.fast_out + tcp.plain_out)


def test_a_neighbour_with_another_mac_gets_the_next_frame():
    pair = Pair()
    client, server = pair.connected()
    assert pumped(pair, client, server, b"before") == b"before"
    _, interface, _ = pair.ends[1]
    moved = b"\x02\0\0\0\0\x77"
    interface.set_mac(moved)  # which it announces
    pair.flush()
    while pair.wire:
        pair.step()
    del pair.log[:]
    assert pumped(pair, client, server, b"after") == b"after"
    assert {frame[:6] for _, to, frame in pair.log if to == 1} == {moved}


def test_a_neighbour_that_is_lost_is_looked_for():
    """The link goes and comes back: nothing is sent to the address that it had, before it is asked for again."""
    pair = Pair()
    client, server = pair.connected()
    assert pumped(pair, client, server, b"before") == b"before"
    _, interface, _ = pair.ends[0]
    interface.relinked()
    del pair.log[:]
    assert pumped(pair, client, server, b"after") == b"after"
    assert next(frame for _, to, frame in pair.log if to == 1)[12:14] == b"\x08\x06"
