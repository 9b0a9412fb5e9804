"""TCP Fast Open (RFC 7413): cookies asked for and given, data on the SYN, and every way back to plain TCP."""

import pytest

from netif.wire.tcp import RST, SYN
from stack.limits import Limits
from stack.tcp.config import TcpConfig
from stack.tcp.fastopen import PERIOD
from stack.tcp.states import CLOSED, ESTABLISHED, FIN_WAIT_1, SYN_RECEIVED, SYN_SENT
from tests.stack.tcp.conversation import PEER

ASK = "opt-34 0x"
ON = {"fast_open": True, "fast_open_queue": 5}


def shown(cookie):
    return "opt-34 0x" + cookie.hex()


# the server


@pytest.fixture
def server(tcp_):
    tcp_.begin(**ON)
    tcp_.listens()
    return tcp_


def cookie_of(tcp):
    """What the host gives this peer."""
    tcp.peer_port += 1000
    tcp.gets(f"S 0:0(0) <mss 1460,{ASK}>")
    cookie = tcp.all_sent()[-1].options.fast_open
    tcp.gets("R 1:1(0)")
    tcp.peer_port -= 1000
    assert len(cookie) == 8
    return cookie


def test_the_options_of_a_syn_fit(tcp_):
    tcp_.begin(user_timeout_option=True, timestamps=True, window_scale=True, sack=True, **ON)
    tcp_.stack.tcp.fast_open.remember(PEER, bytes(16), 1460)
    tcp_.checked = False
    syn = connects(tcp_, b"hello")
    assert (syn.length, syn.options.fast_open) == (5, bytes(16))
    assert len(syn.option_bytes) == 40


def test_who_asks_is_given_a_cookie(server):  # 4.1.2
    server.gets(f"S 0:0(0) <mss 1460,{ASK}>")
    synack = server.sends("S. 0:0(0) ack 1")
    assert len(synack.options.fast_open) == 8
    server.gets(". 1:1(0) ack 1")
    assert server.accepts().state is ESTABLISHED


def test_data_with_a_cookie_is_read_before_the_handshake_ends(server):  # 4.2.2
    cookie = cookie_of(server)
    server.gets(f"S 0:5(5) <mss 1460,{shown(cookie)}>", payload=b"hello")
    server.sends("S. 0:0(0) ack 6")
    connection = server.accepts()
    assert server.state is SYN_RECEIVED
    assert connection.read(10) == b"hello"
    assert connection.write(b"\xf5") == 1
    server.gets(". 6:6(0) ack 1")
    assert server.state is ESTABLISHED
    server.sends("P. 1:2(1) ack 6")
    assert server.stack.tcp.half_open == 0
    assert server.listener.pending.count == 0
    assert server.stack.stats["fast_open_accepted"] == 1


def test_it_is_queued_once(server):
    cookie = cookie_of(server)
    server.gets(f"S 0:5(5) <mss 1460,{shown(cookie)}>", payload=b"hello")
    server.gets(". 6:6(0) ack 1")
    assert len(server.listener.queue) == 1
    assert server.accepts().read(10) == b"hello"
    assert server.accepts() is None


def test_a_wrong_cookie_is_a_plain_syn_and_brings_a_right_one(server):  # 4.2.2
    right = cookie_of(server)
    server.gets(f"S 0:5(5) <mss 1460,{shown(bytes(8))}>", payload=b"hello")
    synack = server.sends("S. 0:0(0) ack 1")
    assert synack.options.fast_open == right
    assert not server.listener.queue
    assert server.stack.stats["fast_open_refused"] == 1


def test_a_cookie_is_its_clients_alone(server):
    cookie = cookie_of(server)
    fast_open = server.stack.tcp.fast_open
    assert not fast_open.valid(cookie, b"\x0a\0\0\3", b"\x0a\0\0\1", server.now)
    assert fast_open.valid(cookie, PEER, b"\x0a\0\0\1", server.now)


def test_a_cookie_wears_out(server):  # 4.1.2: the key changes
    cookie = cookie_of(server)
    server.after(PERIOD)
    server.gets(f"S 0:5(5) <mss 1460,{shown(cookie)}>", payload=b"hello")
    server.sends("S. 0:0(0) ack 6")
    server.gets("R 6:6(0)")
    server.after(PERIOD)
    server.gets(f"S 0:5(5) <mss 1460,{shown(cookie)}>", payload=b"hello")
    server.sends("S. 0:0(0) ack 1")


@pytest.mark.parametrize("settings", [{}, {"fast_open": True}, {"fast_open_queue": 5}])
def test_it_is_off_unless_asked_for(tcp_, settings):
    tcp_.begin(**settings)
    tcp_.listens()
    tcp_.gets(f"S 0:5(5) <mss 1460,{ASK}>", payload=b"hello")
    assert tcp_.sends("S. 0:0(0) ack 1").options.fast_open is None


@pytest.mark.parametrize("option", ["opt-34 0x01", "opt-34 0x0102", "opt-34 0x" + "00" * 18])
def test_a_cookie_of_a_wrong_length_is_no_option(server, option):  # 4.1.1
    server.gets(f"S 0:0(0) <mss 1460,{option}>")
    assert server.sends("S. 0:0(0) ack 1").options.fast_open is None


def test_so_many_may_be_unconfirmed_and_the_rest_are_plain(tcp_):  # 5.1, PendingFastOpenRequests
    tcp_.begin(fast_open=True, fast_open_queue=2)
    tcp_.listens()
    cookie = cookie_of(tcp_)
    for port in range(41000, 41004):
        tcp_.peer_port = port
        tcp_.gets(f"S 0:5(5) <mss 1460,{shown(cookie)}>", payload=b"hello")
    assert [one.ack for one in tcp_.all_sent()] == [6, 6, 1, 1]
    assert tcp_.stack.stats["fast_open_full"] == 2
    tcp_.peer_port = 41000
    tcp_.gets(". 6:6(0) ack 1")
    tcp_.peer_port = 41005
    tcp_.gets(f"S 0:5(5) <mss 1460,{shown(cookie)}>", payload=b"hello")
    tcp_.sends("S. 0:0(0) ack 6")


def test_one_that_ended_in_a_reset_counts_for_a_minute(tcp_):  # 5.1
    tcp_.begin(fast_open=True, fast_open_queue=1)
    tcp_.listens()
    cookie = cookie_of(tcp_)
    syn = f"S 0:5(5) <mss 1460,{shown(cookie)}>"
    tcp_.gets(syn, payload=b"hello")
    tcp_.sends("S. 0:0(0) ack 6")
    tcp_.gets("R 6:6(0)")
    with pytest.raises(ConnectionResetError):
        raise tcp_.accepts().error
    tcp_.gets(syn, payload=b"hello")
    tcp_.sends("S. 0:0(0) ack 1")
    tcp_.gets("R 1:1(0)")
    tcp_.after(61)
    tcp_.gets(syn, payload=b"hello")
    tcp_.sends("S. 0:0(0) ack 6")


def test_a_syn_that_comes_again_is_answered_again(server):
    cookie = cookie_of(server)
    for _ in range(2):
        server.gets(f"S 0:5(5) <mss 1460,{shown(cookie)}>", payload=b"hello")
        server.sends("S. 0:0(0) ack 6")
    assert len(server.listener.queue) == 1


def test_whose_ack_never_comes_is_given_up(server):
    cookie = cookie_of(server)
    server.gets(f"S 0:5(5) <mss 1460,{shown(cookie)}>", payload=b"hello")
    connection = server.accepts()
    server.after(200)
    assert connection.state is CLOSED
    assert isinstance(connection.error, TimeoutError)
    assert server.stack.tcp.half_open == server.listener.pending.count == 0


def test_it_may_be_closed_before_it_is_confirmed(server):
    cookie = cookie_of(server)
    server.gets(f"S 0:5(5) <mss 1460,{shown(cookie)}>", payload=b"hello")
    connection = server.accepts()
    assert connection.read(10) == b"hello"
    connection.close()
    server.sent.clear()
    server.gets(". 6:6(0) ack 1")
    assert server.state is FIN_WAIT_1
    server.sends("F. 1:1(0) ack 6")


def test_a_listener_that_closes_ends_it(server):
    cookie = cookie_of(server)
    server.gets(f"S 0:5(5) <mss 1460,{shown(cookie)}>", payload=b"hello")
    server.listener.close()
    server.flush()
    assert not server.stack.tcp.connections
    assert server.stack.tcp.half_open == 0


# the client


def connects(tcp, data):
    """`connects`, with data; the SYN that goes."""
    tcp.port, tcp.peer_port = 49999, 80
    local = tcp.stack.tcp.bind((None, tcp.port))
    tcp.connection = tcp.stack.tcp.connect(local, (PEER, 80), tcp.config, early=data)
    tcp.flush()
    return tcp.sent.pop(0)


@pytest.fixture
def client(tcp_):
    """One that was given the cookie of eight fives."""
    tcp_.begin(fast_open=True)
    tcp_.checked = False
    syn = connects(tcp_, b"hello")
    assert (syn.flags, syn.length, syn.options.fast_open) == (SYN, 0, b"")
    tcp_.gets(f"S. 0:0(0) ack 1 <mss 1400,{shown(b'55555555')}>")
    tcp_.aborts()
    tcp_.sent.clear()
    tcp_.after(1)
    return tcp_


def test_with_a_cookie_data_goes_with_the_syn(client):  # 4.2.1
    syn = connects(client, b"hello")
    assert (syn.flags, syn.payload, syn.options.fast_open) == (SYN, b"hello", b"55555555")
    assert client.state is SYN_SENT
    client.gets("S. 0:0(0) ack 6 <mss 1400>")
    client.sends(". 6:6(0) ack 1")
    assert client.state is ESTABLISHED
    assert client.connection.sender.buffered == 0
    client.connection.write(b"more")
    client.flush()
    assert client.sends("P. 6:10(4) ack 1").payload == b"more"


def test_no_more_goes_than_the_server_takes(client):  # 4.1.3: the segment size is remembered too
    syn = connects(client, bytes(5000))
    assert syn.length == 1400 - 40
    assert client.connection.sender.buffered == 1360


@pytest.mark.parametrize(("ack", "rest"), [(1, b"hello"), (3, b"llo")])
def test_what_the_server_did_not_take_is_sent_again(client, ack, rest):  # 4.2.1
    connects(client, b"hello")
    client.gets(f"S. 0:0(0) ack {ack} <mss 1400>")
    again = client.all_sent()
    assert again[0].payload == rest
    assert again[0].seq == ack
    client.gets(". 1:1(0) ack 6")
    assert client.connection.sender.buffered == 0


def test_an_acknowledgment_of_more_than_was_sent_is_none(client):
    connects(client, b"hello")
    client.gets("S. 0:0(0) ack 7")
    assert client.all_sent()[0].flags == RST
    assert client.state is SYN_SENT


def test_a_syn_that_is_lost_is_sent_again_bare(client):  # 4.2.1, 7.1
    connects(client, b"hello")
    client.after(1)
    again = client.sent.pop(0)
    assert (again.flags, again.length, again.options.fast_open) == (SYN, 0, None)
    client.gets("S. 0:0(0) ack 1 <mss 1400>")
    assert client.all_sent()[0].payload == b"hello"
    client.aborts()
    client.after(1)
    client.sent.clear()
    assert connects(client, b"hello").options.fast_open == b""  # what was in the way may be there again


def test_the_data_may_arrive_though_its_answer_was_lost(client):
    connects(client, b"hello")
    client.after(1)
    client.sent.clear()
    client.gets("S. 0:0(0) ack 6 <mss 1400>")
    client.sends(". 6:6(0) ack 1")


def test_a_newer_cookie_takes_the_place_of_the_old(client):
    connects(client, b"hello")
    client.gets(f"S. 0:0(0) ack 1 <mss 1400,{shown(b'66666666')}>")
    client.aborts()
    client.after(1)
    client.sent.clear()
    assert connects(client, b"x").options.fast_open == b"66666666"


def test_a_refusal_is_a_refusal(client):
    connects(client, b"hello")
    client.gets("R. 0:0(0) ack 6")
    assert client.state is CLOSED
    assert isinstance(client.connection.error, ConnectionRefusedError)


def test_cookies_of_few_servers_are_remembered(tcp_):
    tcp_.begin(limits=Limits(fast_open_cookies=2), fast_open=True)
    known = tcp_.stack.tcp.fast_open
    for last in range(4):
        known.remember(bytes((10, 0, 0, last)), b"55555555", 1460)
    assert [known.recall(bytes((10, 0, 0, last))) is None for last in range(4)] == [True, True, False, False]
    assert tcp_.stack.stats["fast_open_forgotten"] == 2


def test_two_hosts_save_a_round_trip(pair):
    both = pair(1)
    settings = TcpConfig(fast_open=True, fast_open_queue=5)
    listener = both.b.tcp.listen((None, 7), 5, settings)
    for turn in range(2):
        begun = both.clock.time
        client = both.a.tcp.connect(None, (PEER, 7), settings, early=b"question")
        both.flush()
        while not (listener.queue and listener.queue[0].receiver.queued):
            if client.connected() and not client.sender.buffered and not turn:
                client.write(b"question")
                both.flush()
            assert both.step()
        server = listener.accept()
        assert server.read(100) == b"question"
        took = both.clock.time - begun
        assert round(took / both.delay) >= 1
        if turn:
            assert took == pytest.approx(both.delay)
        client.abort()
        both.flush()
        for _ in range(4):
            both.step()
