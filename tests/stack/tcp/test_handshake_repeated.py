"""A handshake of which something came twice, or crossed: what may be learnt from it, and what not."""

from stack.tcp.states import ESTABLISHED


def test_an_answer_given_twice_measures_nothing(tcp):  # RFC 6298 3 (Karn)
    tcp.listens()
    tcp.gets("S 0:0(0) win 65535 <mss 1460>")
    tcp.after(0.9)
    tcp.gets("S 0:0(0) win 65535 <mss 1460>")
    tcp.after(0.001)
    tcp.gets(". 1:1(0) ack 1")  # of the first or the second
    assert tcp.accepts().info().srtt is None
    assert tcp.connection.info().rto == 1.0


def test_with_timestamps_it_does(tcp_):  # RFC 7323 4.1
    tcp_.begin(timestamps=True)
    tcp_.listens()
    tcp_.gets("S 0:0(0) win 65535 <mss 1460,nop,nop,TS val 100 ecr 0>")
    tcp_.after(0.9)
    tcp_.gets("S 0:0(0) win 65535 <mss 1460,nop,nop,TS val 1000 ecr 0>")
    second = tcp_.all_sent()[-1].options.timestamp
    tcp_.after(0.05)
    tcp_.gets(f". 1:1(0) ack 1 <nop,nop,TS val 1050 ecr {second[0]}>")
    assert 0.04 < tcp_.accepts().info().srtt < 0.06


def test_the_newest_syn_is_echoed(tcp_):  # RFC 7323 4.3: the peer measures by it
    tcp_.begin(timestamps=True)
    tcp_.listens()
    tcp_.gets("S 0:0(0) win 65535 <mss 1460,nop,nop,TS val 100 ecr 0>")
    assert tcp_.all_sent()[-1].options.timestamp[1] == 100
    tcp_.gets("S 0:0(0) win 65535 <mss 1460,nop,nop,TS val 1100 ecr 0>")
    assert tcp_.all_sent()[-1].options.timestamp[1] == 1100


def test_the_window_on_a_crossing_syn_ack_is_not_scaled(tcp_):  # RFC 7323 2.2, RFC 9293 figure 7
    tcp_.begin(window_scale=True)
    tcp_.connects()
    tcp_.gets("S 0:0(0) win 1000 <mss 1460,nop,wscale 7>")
    tcp_.gets("S. 0:0(0) ack 1 win 1000 <mss 1460,nop,wscale 7>")
    assert tcp_.connection.state is ESTABLISHED
    assert tcp_.connection.info().snd_wnd <= 1000
    tcp_.gets(". 1:1(0) ack 1 win 1000")
    assert tcp_.connection.info().snd_wnd == 128_000
