"""What the kernel, as referee of every segment in every state (tests/host), showed to be better otherwise."""

from stack.tcp.states import CLOSE_WAIT, CLOSED, ESTABLISHED, SYN_SENT

SYN = "S 0:0(0) win 65535 <mss 1460>"


def test_an_ack_of_what_was_before_our_syn_was_never_due(tcp):  # RFC 5961 5.2: not even within one window
    tcp.established()
    tcp.gets("P. 1:11(10) ack 0")
    tcp.sends(". 1:1(0) ack 1")
    assert tcp.connection.readable() is False
    assert tcp.drops == {"tcp_ack_unsent": 1}
    assert tcp.state is ESTABLISHED


def test_a_syn_in_the_window_sends_a_passive_connection_back_to_listen(tcp):  # RFC 9293 3.10.7.4, fourth
    tcp.listens()
    tcp.gets(SYN)
    tcp.sends("S. 0:0(0) ack 1")
    tcp.gets("S 101:101(0) win 65535 <mss 1460>")
    tcp.sends_nothing()
    assert tcp.state is CLOSED
    assert tcp.listener.half_open == {}
    tcp.gets(SYN)
    tcp.sends("S. 0:0(0) ack 1")


def test_a_syn_ack_does_not_open_a_passive_connection(tcp):  # that is for who opened actively: figure 7
    tcp.listens()
    tcp.gets(SYN)
    tcp.sends("S. 0:0(0) ack 1")
    tcp.gets("S. 0:0(0) ack 1")
    tcp.sends(". 1:1(0) ack 1")
    assert not tcp.listener.queue


def test_a_syn_answered_from_an_older_connection_is_sent_again_at_once(tcp):  # RFC 9293 figure 9
    tcp.connects()
    tcp.sends("S 0:0(0)")
    tcp.gets(". 300:300(0) ack 100")
    tcp.sends("R 100:100(0)")
    assert tcp.state is SYN_SENT
    tcp.after(0.05)
    tcp.sends("S 0:0(0)")
    tcp.gets(". 300:300(0) ack 100")  # but once only: whoever goes on so must not make us go on so
    tcp.sends("R 100:100(0)")
    tcp.after(0.5)
    tcp.sends_nothing()


def test_text_after_the_fin_is_ignored_in_silence(tcp):  # RFC 9293 3.10.7.4, seventh
    tcp.established()
    tcp.gets("F. 1:1(0) ack 1")
    tcp.after(0.05)
    tcp.sends(". 1:1(0) ack 2")
    tcp.gets("P. 2:12(10) ack 1")
    tcp.after(0.05)
    tcp.sends_nothing()
    assert tcp.state is CLOSE_WAIT
    tcp.gets("F. 1:1(0) ack 1")
    tcp.sends(". 1:1(0) ack 2")


def test_a_fin_alone_does_not_wait_for_the_congestion_window(tcp_):
    tcp_.established(initial_window=2, options_text="mss 1000")
    tcp_.writes(2000)
    tcp_.sends(". 1:1001(1000) ack 1")
    tcp_.sends("P. 1001:2001(1000) ack 1")
    tcp_.shuts()
    tcp_.sends("F. 2001:2001(0) ack 1")


def test_but_it_does_for_the_window_of_the_peer(tcp_):
    tcp_.established(options_text="mss 1000", window=2000)
    tcp_.writes(2000)
    tcp_.all_sent()
    tcp_.shuts()
    tcp_.sends_nothing()
