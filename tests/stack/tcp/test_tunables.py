"""Each field of TcpConfig does what docs/tunables.md says, set for a stack and set for one socket: seen on the wire."""

import re
from pathlib import Path

import attrs
import pytest

from stack.socket.stream import Stream
from stack.tcp.config import WITH_SYN, TcpConfig
from stack.tcp.states import CLOSED, FIN_WAIT_2, TIME_WAIT
from tests.stack.tcp.conversation import PEER, Conversation

PAGE = (Path(__file__).parents[3] / "docs" / "tunables.md").read_text()
ROWS = {
    field: (settled, default)
    for field, settled, default in re.findall(r"^\| `(\w+)`( \*)? \| `([^`]+)` \|", PAGE, re.MULTILINE)
}
PLAIN = {"initial_sequence": 70_000, "window_scale": False, "timestamps": False, "sack": False, "congestion": "newreno"}
ALL = "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 2"


def test_the_page_has_every_field_with_its_default():
    fields = {field.name: field.default for field in attrs.fields(TcpConfig)}
    assert ROWS.keys() == fields.keys()
    for name, (_, default) in ROWS.items():
        assert eval(default) == fields[name], name


def test_the_page_says_what_the_syn_settles():
    assert {name for name, (settled, _) in ROWS.items() if settled} == WITH_SYN


class Host:
    """A conversation with a host whose setting is the stack's, or one socket's."""

    def __init__(self, way, **settings):
        self.made = way, settings
        settings = {**PLAIN, **settings}
        self.tcp = Conversation()
        if way == "stack":
            self.tcp.begin(tcp=TcpConfig(**settings))
        else:
            self.tcp.begin()
        self.stream = Stream(self.tcp.stack)
        if way == "socket":
            self.stream.configure(settings)
        self.tcp.iss = settings["initial_sequence"]

    def again(self):
        """Another like it."""
        return Host(self.made[0], **self.made[1])

    def listens(self):
        self.stream.bind(("", 80))
        self.stream.listen(10)
        self.tcp.listener = self.stream.listener
        return self.tcp

    def accepts(self, options_text="mss 1460", window=65535):
        tcp = self.listens()
        tcp.gets(f"S 0:0(0) win {window} <{options_text}>")
        self.synack = tcp.all_sent()[-1]
        stamp = self.synack.options.timestamp
        tcp.gets(f". 1:1(0) ack 1 win {window}" + (f" <nop,nop,TS val 2 ecr {stamp[0]}>" if stamp else ""))
        tcp.accepts()
        tcp.sent.clear()
        return tcp

    def connects(self):
        tcp = self.tcp
        self.stream.connect(("10.0.0.2", 80))
        tcp.flush()
        tcp.connection = self.stream.connection
        tcp.port, tcp.peer_port = self.stream.local_address()[1], 80
        return tcp

    def opens(self):
        tcp = self.connects()
        tcp.all_sent()
        tcp.gets("S. 0:0(0) ack 1 <mss 1460>")
        tcp.all_sent()
        return tcp


def synack(host, text=ALL):
    host.accepts(text)
    return host.synack


def first_flight(host):
    tcp = host.accepts()
    tcp.writes(40_000)
    return len(tcp.all_sent())


def sent_again(host):
    """The time of each copy of one segment, after the first."""
    tcp = host.accepts()
    tcp.writes(10)
    start = tcp.now
    tcp.all_sent()
    tcp.after(4000)
    return [round(one.at - start, 3) for one in tcp.all_sent() if one.length]


def syns(host):
    tcp = host.connects()
    start = tcp.now
    tcp.after(4000)
    return [round(one.at - start) for one in tcp.all_sent()]


def synacks(host):
    tcp = host.listens()
    tcp.gets("S 0:0(0) <mss 1460>")
    tcp.after(4000)
    return len(tcp.all_sent())


def ack_after(host):
    tcp = host.accepts()
    start = tcp.now
    tcp.gets("P. 1:11(10) ack 1")
    tcp.after(1)
    return round(tcp.all_sent()[0].at - start, 3)


def in_order(host):
    """Frames that took the fast path; the wire shows nothing of that."""
    host.accepts().gets("P. 1:11(10) ack 1")
    return host.tcp.stack.tcp.fast_in


def small_segments(host):
    tcp = host.accepts()
    for _ in range(3):
        tcp.writes(10)
    return len(tcp.all_sent())


def corked(host):
    tcp = host.accepts()
    tcp.writes(1500)
    return [one.length for one in tcp.all_sent()]


def probes(host):
    """When a silent peer is asked."""
    tcp = host.accepts()
    start = tcp.now
    tcp.after(30_000)
    return [round(one.at - start, 1) for one in tcp.all_sent()]


def accepted(host):
    tcp = host.accepts()
    return tcp.connection.write(bytes(8 << 20))


def window(host):
    return synack(host, "mss 1460").window


def wakes(host):
    tcp = host.accepts()
    tcp.gets("P. 1:51(50) ack 1")
    return tcp.connection.readable()


def idle_burst(host):
    tcp = host.accepts()
    for _ in range(3):
        tcp.writes(29_200)
        for one in tcp.all_sent():
            tcp.gets(f". 1:1(0) ack {one.seq + one.length}")
        tcp.all_sent()
    tcp.after(100)
    tcp.writes(60_000)
    return len(tcp.all_sent())


def fin_wait_2(host):
    tcp = host.accepts()
    tcp.close()
    tcp.gets(". 1:1(0) ack 2")
    assert tcp.state is FIN_WAIT_2
    tcp.after(5)
    return tcp.state


def time_wait(host):
    tcp = host.accepts()
    tcp.shuts()
    tcp.gets("F. 1:1(0) ack 2")
    assert tcp.state is TIME_WAIT
    tcp.after(5)
    return tcp.state


def reset_in_time_wait(host):
    tcp = host.accepts()
    tcp.shuts()
    tcp.gets("F. 1:1(0) ack 2")
    tcp.gets("R 2:2(0)")
    return tcp.state


def lingering(host):
    tcp = host.accepts()
    tcp.writes(10)
    tcp.all_sent()
    tcp.close()
    return bool(tcp.all_sent()[-1].flags & 4)


def gives_up(host):
    tcp = host.accepts()
    tcp.writes(10)
    for second in range(4000):
        tcp.after(1)
        if tcp.state is CLOSED:
            return second
    return None


def header(at):
    def show(host):
        return synack(host).frame[at]

    return show


def cookie(host):
    """Whether anything is kept of a SYN."""
    tcp = host.listens()
    tcp.gets("S 0:0(0) <mss 1460>")
    return len(tcp.stack.tcp.connections)


def ecn_offered(host):
    return host.connects().all_sent()[-1].flags & 0xC0


def ecn_agreed(host):
    tcp = host.listens()
    tcp.gets("SEW 0:0(0) <mss 1460>")
    return bool(tcp.all_sent()[-1].flags & 0x40)


def local_port(host):
    host.connects()
    return host.stream.local_address()[1]


def port_again(host):
    """Whether a port of a TIME-WAIT is taken again."""
    tcp = host.opens()
    tcp.shuts()
    tcp.gets("F. 1:1(0) ack 2")
    tcp.after(2)
    try:
        tcp.stack.tcp.connect((None, tcp.port), (PEER, 80), tcp.connection.config)
    except OSError:
        return False
    return True


def initial_sequence(host):
    return synack(host).wire_seq


def black_hole(host):
    """Whether smaller segments are tried where large ones vanish."""
    tcp = host.accepts()
    tcp.writes(1460)
    tcp.after(20)
    return min(one.length for one in tcp.all_sent()) < 1460


def recovers(host):
    tcp = host.accepts()
    tcp.writes(14_600)
    tcp.all_sent()
    for _ in range(3):
        tcp.gets(". 1:1(0) ack 1")
    return tcp.connection.info().congestion


SHOWN = [  # field, value, how it shows, what shows
    ("receive_buffer", 20_000, window, 20_000),
    ("receive_buffer_initial", 30_000, window, 30_000),
    ("receive_buffer_max", 40_000, window, 40_000),
    ("send_buffer", 20_000, accepted, 20_000),
    ("send_buffer_initial", 50_000, accepted, 50_000),
    ("send_buffer_max", 60_000, accepted, 60_000),
    ("window_clamp", 10_000, window, 10_000),
    ("window_clamp", None, window, 65_535),
    ("window_scale", True, lambda host: synack(host).options.window_scale, 7),
    ("window_scale", False, lambda host: synack(host).options.window_scale, None),
    ("rcvlowat", 51, wakes, False),
    ("rcvlowat", 50, wakes, True),
    ("notsent_lowat", 5000, accepted, 5000),
    ("nodelay", True, small_segments, 3),
    ("nodelay", False, small_segments, 1),
    ("cork", True, corked, [1460]),
    ("cork", False, corked, [1460, 40]),
    ("delayed_ack", 0.25, ack_after, 0.25),
    ("delayed_ack", 0.01, ack_after, 0.01),
    ("quickack", 3, ack_after, 0.0),
    ("initial_window", 3, first_flight, 3),
    ("initial_window", 20, first_flight, 20),
    ("congestion", "newreno", recovers, "newreno"),
    ("congestion", "cubic", recovers, "cubic"),
    ("idle_restart", True, idle_burst, 10),
    ("idle_restart", False, idle_burst, 42),
    ("ecn", "on", ecn_offered, 0xC0),
    ("ecn", "accept", ecn_offered, 0),
    ("ecn", "accept", ecn_agreed, True),
    ("ecn", "off", ecn_agreed, False),
    ("mss", 1000, lambda host: synack(host).options.mss, 1000),
    ("mtu_probing", "black-hole", black_hole, True),
    ("mtu_probing", "off", black_hole, False),
    ("ttl", 7, header(22), 7),
    ("tos", 0x10, header(15), 0x10),
    ("sack", True, lambda host: synack(host).options.sack_permitted, True),
    ("sack", False, lambda host: synack(host).options.sack_permitted, False),
    ("timestamps", True, lambda host: synack(host).options.timestamp is not None, True),
    ("timestamps", False, lambda host: synack(host).options.timestamp is not None, False),
    ("min_rto", 2.0, lambda host: sent_again(host)[0], 2.0),
    ("initial_rto", 5.0, lambda host: syns(host)[1], 5),
    ("max_rto", 3.0, lambda host: round(sent_again(host)[-1] - sent_again(host.again())[-2], 3), 3.0),
    ("retries", 4, lambda host: len(sent_again(host)), 4),
    ("user_timeout", 30.0, gives_up, 29),
    ("user_timeout_option", True, lambda host: synack(host).options.user_timeout, 300),
    ("user_timeout_option", False, lambda host: synack(host).options.user_timeout, None),
    ("syn_retries", 2, syns, [0, 1, 3]),
    ("synack_retries", 1, synacks, 2),
    ("syn_cookies", "always", cookie, 0),
    ("syn_cookies", "never", cookie, 1),
    ("reuse_time_wait", "never", port_again, False),
    ("rfc1337", True, reset_in_time_wait, TIME_WAIT),
    ("rfc1337", False, reset_in_time_wait, CLOSED),
    ("msl", 2.0, time_wait, CLOSED),
    ("msl", 30.0, time_wait, TIME_WAIT),
    ("fin_wait_2", 4.0, fin_wait_2, CLOSED),
    ("fin_wait_2", 6.0, fin_wait_2, FIN_WAIT_2),
    ("linger", 0.0, lingering, True),
    ("linger", None, lingering, False),
    ("fast_path", True, in_order, 1),
    ("fast_path", False, in_order, 0),
    ("local_ports", (5000, 5000), local_port, 5000),
    ("initial_sequence", 12_345, initial_sequence, 12_345),
    ("keepalive", True, lambda host: probes(host)[:2], [7200.0, 7275.0]),
    ("keepalive", False, probes, []),
]


def asked(host):
    return probes(host)[:2]


def loss_probe(host):
    """When the last of two segments is sent again."""
    tcp = host.accepts(ALL)
    tcp.writes(2000)
    start = tcp.now
    tcp.all_sent()
    tcp.after(0.5)
    return tcp.all_sent()[0].at - start < 0.1


def after_a_time_out(host):
    """What follows the first ACK: something new, or what else seems lost."""
    tcp = host.accepts()
    tcp.writes(40_000)
    tcp.all_sent()
    tcp.after(0.3)
    tcp.all_sent()
    tcp.gets(". 1:1(0) ack 1461")
    return tcp.all_sent()[0].seq


def urgent(host):
    """What is read of a segment whose last octet is urgent."""
    tcp = host.accepts()
    tcp.gets("P.U 1:4(3) ack 1 urg 3", payload=b"abc")
    return tcp.reads() + (tcp.reads() or b"")  # a read stops at the mark


def orphaned(host):
    """How often a closed socket's last data is sent again."""
    tcp = host.accepts()
    tcp.writes(10)
    tcp.close()
    tcp.all_sent()
    tcp.after(1000)
    return len(tcp.all_sent())


def adopted(host):
    """The user timeout, once the peer has advised five seconds."""
    tcp = host.accepts("mss 1460,opt-28 0x0005")
    return tcp.connection.config.user_timeout


def granted(host):
    """How long a cookie is that a SYN is given which asks for one."""
    tcp = host.listens()
    tcp.gets("S 0:0(0) <mss 1460,opt-34 0x>")
    cookie = tcp.all_sent()[-1].options.fast_open
    return cookie and len(cookie)


def waits_for_data(host):
    """Nothing is sent by connecting to whom has given a cookie."""
    host.tcp.stack.tcp.fast_open.remember(PEER, bytes(8), 1460)
    host.stream.connect(("10.0.0.2", 80))
    host.tcp.flush()
    return not host.tcp.sent


TOGETHER = [  # settings, how they show, what shows
    ({"keepalive": True, "keepalive_idle": 100.0}, asked, [100.0, 175.0]),
    ({"keepalive": True, "keepalive_interval": 10.0}, asked, [7200.0, 7210.0]),
    ({"keepalive": True, "keepalive_count": 1}, asked, [7200.0, 7275.0]),
    ({"sack": True, "loss_probes": True}, loss_probe, True),
    ({"sack": True, "loss_probes": False}, loss_probe, False),
    ({"orphan_retries": 3}, orphaned, 3),
    ({"oob_inline": True}, urgent, b"abc"),
    ({"oob_inline": False}, urgent, b"ab"),
    ({"user_timeout_option": True, "user_timeout_bounds": (400.0, 500.0)}, adopted, 400.0),
    ({"user_timeout_option": True, "user_timeout_bounds": (100.0, 500.0)}, adopted, 300.0),
    ({"fast_open": True, "fast_open_queue": 1}, granted, 8),
    ({"fast_open": True, "fast_open_queue": 0}, granted, None),
    ({"fast_open": False, "fast_open_queue": 1}, granted, None),
    ({"fast_open": True, "fast_open_connect": True}, waits_for_data, True),
    ({"fast_open": True, "fast_open_connect": False}, waits_for_data, False),
    ({"frto": True}, after_a_time_out, 14_601),
    ({"frto": False}, after_a_time_out, 1461),
]


@pytest.mark.parametrize("way", ["stack", "socket"])
@pytest.mark.parametrize(("field", "value", "show", "shown"), SHOWN, ids=[f"{row[0]}={row[1]}" for row in SHOWN])
def test_a_field_shows_on_the_wire(way, field, value, show, shown):
    assert show(Host(way, **{field: value})) == shown


@pytest.mark.parametrize("way", ["stack", "socket"])
@pytest.mark.parametrize(("settings", "show", "shown"), TOGETHER, ids=[str(row[0]) for row in TOGETHER])
def test_fields_show_together(way, settings, show, shown):
    assert show(Host(way, **settings)) == shown


def test_every_field_is_shown():
    assert {row[0] for row in SHOWN} | {name for settings, *_ in TOGETHER for name in settings} == ROWS.keys()


def test_segments_are_smaller_from_when_the_socket_says_so(tcp):
    tcp.established()
    tcp.connection.configure(mss=536)
    tcp.writes(1072)
    assert [segment.length for segment in tcp.all_sent()] == [536, 536]


def test_a_congestion_control_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="congestion is 'cubic', 'newreno', 'reno' or a class, not 'bbr'"):
        TcpConfig(congestion="bbr")


def test_the_stacks_events_are_those_of_connections_that_come_to_a_listener_of_before(tcp):
    events = []
    tcp.begin()
    tcp.listens()
    tcp.stack.tcp_events = events.append
    tcp.gets("S 0:0(0) win 65535 <mss 1460>")
    tcp.gets(". 1:1(0) ack 1 win 65535")
    assert [event.state for event in events if event.kind == "state"] == ["SYN-RECEIVED", "ESTABLISHED"]
