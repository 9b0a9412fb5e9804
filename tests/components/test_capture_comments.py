"""What a capture says of its frames: why one was lost or dropped, and how the connection stood."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from components.lan import Lan
from components.wires import read
from netif import Netif, Stack, VirtualRuntime, pair
from netif.wire.notation import format_frame
from tapio import drop, frames_of
from tapio.capture import Comments


def serve(host):
    with host.create_server(("", 7)) as listener, listener.accept()[0] as connection:
        while data := connection.recv(65536):
            connection.sendall(data)


def talk(host, server):
    with host.create_connection((server, 7)) as connection:
        connection.sendall(b"hello")
        return connection.recv(100)


def capture(path, **faults):
    with Lan(seed=7, pcapng=path, comments=True) as lan:
        a, b = lan.host("a", **faults), lan.host("b")
        b.spawn(lambda: serve(b))
        task = a.spawn(lambda: talk(a, b.ip))
        lan.run_until(task.done)
    return [(format_frame(frame.frame), frame.comment.splitlines()) for frame in frames_of(path)]


def test_each_segment_says_how_the_connection_stands_at_both_ends(tmp_path):
    """RFC 9293 3.3.1: SND.UNA and RCV.NXT, counted from the initial numbers."""
    frames = capture(tmp_path / "x.pcapng")
    segments = [comments for text, comments in frames if ".7: " in text or ".7 > " in text]
    assert segments[:4] == [
        ["a: SYN-SENT una 0", "b: SYN-RECEIVED una 0 nxt 1"],
        ["b: SYN-RECEIVED una 0 nxt 1", "a: ESTABLISHED una 1 nxt 1"],
        ["a: ESTABLISHED una 1 nxt 1", "b: ESTABLISHED una 1 nxt 1"],
        ["a: ESTABLISHED una 1 nxt 1", "b: ESTABLISHED una 1 nxt 6"],
    ]
    assert all(not comments for text, comments in frames if "who-has" in text)


def test_a_lost_frame_says_which_rule_it_met(tmp_path):
    frames = capture(tmp_path / "x.pcapng", script=drop("out 1st SYN"), delay="20ms")
    syn, again = (comments for text, comments in frames if ": S " in text)
    assert syn == ["a out: lost: by the script", "a: SYN-SENT una 0"]
    assert again[0] == "a out: delayed 20.000 ms"
    (answer,) = (comments for text, comments in frames if ": S. " in text)
    assert answer == ["b: SYN-RECEIVED una 0 nxt 1", "a in: delayed 20.000 ms", "a: ESTABLISHED una 1 nxt 1"]


def test_a_share_of_loss_is_named(tmp_path):
    frames = capture(tmp_path / "x.pcapng", tx={"loss": "30%"})
    assert "a out: lost: 30 % loss" in [line for _, comments in frames for line in comments]


def test_a_frame_says_why_the_stack_dropped_it(tmp_path):
    """A turned bit: RFC 9293 3.1, the checksum; or whatever else it has harmed."""
    frames = capture(tmp_path / "x.pcapng", tx={"corrupt": "40%"})
    lines = [comments for _, comments in frames if any("corrupted: one bit turned" in line for line in comments)]
    assert any("b dropped it: " in line for comments in lines for line in comments)


def test_what_was_said_is_in_order_and_tshark_reads_it(tmp_path):
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed here, and it is the judge")
    frames = capture(tmp_path / "x.pcapng", delay="5ms", duplicate="20%")
    fields = ["-T", "fields", "-e", "frame.comment", "-e", "frame.time_epoch"]
    argv = ["tshark", "-r", str(tmp_path / "x.pcapng"), *fields]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [comment for comment, _ in rows] == [",".join(comments) for _, comments in frames]
    times = [float(when) for _, when in rows]
    assert times == sorted(times)
    assert "malformed" not in done.stderr


def test_without_comments_the_capture_is_the_same_and_the_stack_untouched(tmp_path):
    capture(tmp_path / "x.pcapng", delay="20ms")
    with Lan(seed=7, pcapng=tmp_path / "y.pcapng") as lan:
        a, b = lan.host("a", delay="20ms"), lan.host("b")
        assert a.stack.trace is None
        b.spawn(lambda: serve(b))
        lan.run_until(a.spawn(lambda: talk(a, b.ip)).done)
    one, other = (list(frames_of(tmp_path / name)) for name in ("x.pcapng", "y.pcapng"))
    assert [(frame.time, frame.frame) for frame in one] == [(frame.time, frame.frame) for frame in other]


def test_a_sniff_by_name_says_it_too_and_shows_what_was_lost_on_its_way_in(tmp_path):
    near, far = pair()
    path = tmp_path / "x.pcapng"
    plan = read(f"sniff(impair(pair:, rx.loss=100%, match=icmp), file={path}, name=eth0, comments)")
    runtime = VirtualRuntime(seed=1)
    one, other = Stack("one", runtime=runtime), Stack("other", runtime=runtime)
    with Netif(plan.wrap(near), stack=one, ip="10.0.0.1/24"), Netif(far, stack=other, ip="10.0.0.2/24"):

        def ask():
            with other.socket(type=2) as socket:
                socket.sendto(b"?", ("10.0.0.1", 9))
                socket.sendto(b"?", ("10.0.0.1", 9))
            with one.socket(type=2) as socket:
                socket.sendto(b"?", ("10.0.0.2", 9))  # whose answer is an ICMP error, and lost

        runtime.spawn(ask)
        runtime.run_for(3)
    runtime.close()
    said = {format_frame(frame.frame): (frame.direction, frame.comment) for frame in frames_of(path)}
    assert ("in", "eth0 in: lost: 100 % loss") in said.values()
    assert [comment for text, (_, comment) in said.items() if text.startswith("10.0.0.2") and ": udp (1)" in text] == [
        "eth0 dropped it: udp_no_socket"
    ]


class Notes:
    """A sink that keeps what it gets."""

    def __init__(self):
        self.frames = []

    def opened(self, interface, medium):
        pass

    def flush(self):
        pass

    def frame(self, direction, when, buffers, offload, interface, comment=""):
        self.frames.append((buffers[0], comment))


def test_what_waits_is_bounded_and_goes_on_in_order():
    notes = Notes()
    comments = Comments(notes, window=10)
    for n in range(100):
        comments.will_be_noted("out", b"never noted %d" % n, "early")
        comments.frame("out", n * 1.0, (b"frame ", b"%d" % n), None, "a")
    assert [frame for frame, _ in notes.frames] == [b"frame %d" % n for n in range(90)]
    assert comments.find(b"frame 89") is None
    comments.find(b"frame 95").say("at last")
    for n in range(99):
        comments.find(b"frame 99").say(f"word {n}")
    comments.flush()
    assert notes.frames[95] == (b"frame 95", "at last")
    assert notes.frames[99][1].count("\n") == 15
