"""Windows that are closed, or filled to the edge, in both directions at once: each side's ACKs must still be heard."""

from stack.tcp.states import CLOSED, ESTABLISHED


def probed(tcp_):
    """The peer's window is closed, and a byte beyond it has asked whether it still is."""
    tcp_.established()
    tcp_.gets(". 1:1(0) ack 1 win 0")
    tcp_.writes(3000)
    tcp_.after(0.3)
    tcp_.sends(". 1:2(1) ack 1")
    return tcp_


def test_after_a_probe_acknowledgments_stay_where_the_peer_looks_at_them(tcp_):  # RFC 9293 3.10.7.4, first
    probed(tcp_)
    tcp_.gets(". 1:1461(1460) ack 1 win 0")
    tcp_.gets(". 1461:2921(1460) ack 1 win 0")
    tcp_.sends(". 1:1(0) ack 2921")


def test_after_a_probe_a_reset_is_exact(tcp_):  # RFC 5961 3.2
    probed(tcp_)
    tcp_.aborts()
    tcp_.sends("R. 1:1(0) ack 1")


def test_in_a_window_that_has_shrunk_acknowledgments_stay_within(tcp_):
    tcp_.established(window=5000)
    tcp_.writes(4000)
    tcp_.all_sent()
    tcp_.gets(". 1:1461(1460) ack 1 win 1000")
    tcp_.gets(". 1461:2921(1460) ack 1 win 1000")
    tcp_.sends(". 1001:1001(0) ack 2921")


def test_what_scaling_rounds_off_is_no_shrinking(tcp_):  # RFC 7323 2.4
    tcp_.established(window_scale=True, options_text="mss 1460,nop,wscale 4", window=1000, syn_window=16000)
    tcp_.writes(15_999)
    while tcp_.connection.info().unsent:
        tcp_.gets(f". 1:1(0) ack {1 + tcp_.connection.info().unacknowledged} win 1000")
    sent = tcp_.written
    tcp_.all_sent()
    left = tcp_.connection.info().unacknowledged
    tcp_.gets(f"P. 1:1461(1460) ack {1 + sent - left} win {(left - 1) >> 4}")
    tcp_.gets(f"P. 1461:2921(1460) ack {1 + sent - left} win {(left - 1) >> 4}")
    tcp_.sends(f". {1 + sent}:{1 + sent}(0) ack 2921")


def test_an_acknowledgment_at_the_edge_counts(tcp_):
    """A peer that has filled our window has no other number for it; a hole keeps the window from moving."""
    tcp_.established(receive_buffer=3000)
    tcp_.writes(10)
    tcp_.gets(". 1001:3001(2000) ack 1")
    tcp_.all_sent()
    tcp_.gets(". 3001:3001(0) ack 11")
    assert tcp_.connection.info().unacknowledged == 0
    tcp_.sends_nothing()


def test_one_beyond_the_edge_does_not(tcp_):
    tcp_.established(receive_buffer=3000)
    tcp_.writes(10)
    tcp_.all_sent()
    tcp_.gets(". 3002:3002(0) ack 11")
    assert tcp_.connection.info().unacknowledged == 10
    tcp_.sends(". 11:11(0) ack 1")


def test_two_that_do_not_read_keep_each_other_alive(pair):  # RFC 9293 MUST-37
    wire = pair()
    ends = wire.connected(receive_buffer=600, send_buffer=2000, retries=4, timestamps=False)
    for end in ends:
        assert end.write(bytes(2000)) == 2000
    wire.flush()
    until = wire.clock.time + 600
    while wire.clock.time < until:
        assert wire.step()
    assert [end.state for end in ends] == [ESTABLISHED, ESTABLISHED]
    assert not wire.a.stats.drops().get("tcp_unacceptable")


def test_when_one_of_two_begins_to_read_the_other_hears_of_it_at_once(pair):
    wire = pair()
    client, server = wire.connected(receive_buffer=600, send_buffer=2000)
    for end in (client, server):
        end.write(bytes(2000))
    wire.flush()
    until = wire.clock.time + 300
    while wire.clock.time < until:
        assert wire.step()
    start = wire.clock.time
    got = 0
    while got < 2000:
        got += len(client.read(2000) or b"")
        wire.flush()
        assert wire.step()
    assert wire.clock.time - start < 1
    client.abort()
    server.abort()
    wire.flush()
    assert [client.state, server.state] == [CLOSED, CLOSED]
