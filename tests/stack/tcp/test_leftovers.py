"""What a connection leaves behind once it is closed, or as good as closed: no memory, no timer, no probe."""

import pytest

from stack.tcp.states import CLOSED, TIME_WAIT


@pytest.fixture
def waiting(tcp_):
    """In TIME-WAIT, with bytes that the application has not read."""
    tcp_.established(window_scale=True, msl=5.0, options_text="mss 1460,nop,wscale 7")
    tcp_.shuts()
    tcp_.gets(". 1:1(0) ack 2")
    for at in range(1, 30_001, 1000):
        tcp_.gets(f". {at}:{at + 1000}(1000) ack 2")
    tcp_.gets("F. 30001:30001(0) ack 2")
    assert tcp_.state is TIME_WAIT
    return tcp_


@pytest.mark.parametrize("read", [False, True])
def test_after_time_wait_no_memory_is_counted(waiting, read):
    if read:
        assert len(waiting.reads()) == 30_000
    waiting.after(11)
    waiting.close()
    assert waiting.state is CLOSED
    assert waiting.stack.memory.held == 0


def test_whoever_closes_in_time_wait_gives_its_memory_back(waiting):
    assert waiting.stack.tcp.held > 0
    waiting.close()
    assert waiting.stack.tcp.held == 0
    waiting.after(11)
    assert waiting.state is CLOSED
    assert waiting.stack.tcp.held == 0


def test_time_wait_is_not_kept_alive(waiting):  # the application may set SO_KEEPALIVE when it likes
    waiting.all_sent()
    waiting.connection.configure(keepalive=True, keepalive_idle=1.0, keepalive_interval=1.0, keepalive_count=2)
    waiting.flush()
    waiting.after(8)
    waiting.sends_nothing()
    assert waiting.state is TIME_WAIT
    waiting.after(3)
    assert waiting.state is CLOSED


@pytest.mark.parametrize("farewell", ["R 1:1(0)", "F. 1:1(0) ack 1"])
def test_a_timer_far_ahead_keeps_no_closed_connection(tcp_, farewell):
    """One connection that lives, and hundreds that came and went: each had a keep-alive timer two hours ahead."""
    tcp_.begin(keepalive=True, msl=0.1)
    tcp_.listens()
    for port in range(40000, 40300):
        tcp_.peer_port = port
        tcp_.gets("S 0:0(0) win 65535 <mss 1460>")
        tcp_.gets(". 1:1(0) ack 1")
        tcp_.accepts()
        tcp_.after(2)
        if port > 40000:
            tcp_.gets(farewell)
            tcp_.close()
            tcp_.gets(". 2:2(0) ack 2")
    tcp_.after(10)
    assert len(tcp_.stack.tcp.connections) == 1
    assert tcp_.stack.timers.size() < 100
