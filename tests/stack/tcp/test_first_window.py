"""A SYN's window, which has no scale: what it cannot say is no reason to speak, unless the peer needs it."""


def opened(tcp_):
    """A passive open with a buffer far larger than a SYN can offer."""
    tcp_.established(window_scale=True, options_text="mss 1460,nop,wscale 7")
    return tcp_


def test_the_first_request_is_answered_in_one_frame(tcp_):
    opened(tcp_)
    tcp_.gets("P. 1:101(100) ack 1")
    assert len(tcp_.reads()) == 100
    tcp_.sends_nothing()
    tcp_.writes(50)
    tcp_.sends("P. 1:51(50) ack 101")
    tcp_.sends_nothing()


def test_nobody_has_read_anything_so_nothing_is_due(tcp_):
    opened(tcp_)
    tcp_.gets("P. 1:101(100) ack 1")
    tcp_.sends_nothing()
    tcp_.after(0.04)
    tcp_.sends(". 1:1(0) ack 101")
    tcp_.sends_nothing()


def test_where_one_segment_fills_it_the_next_need_not_wait(pair):
    """As over a loopback interface: half of the window is no segment, and one segment alone is acknowledged late."""
    wire = pair(delay=0.0001, mtu=65535)
    client, server = wire.connected()
    start = wire.clock.time
    text = bytes(400_000)
    assert client.write(text) == len(text)
    wire.flush()
    got = 0
    while got < len(text):
        got += len(server.read(1 << 20) or b"")
        wire.flush()
        assert got == len(text) or wire.step()
    assert wire.clock.time - start < 0.01
