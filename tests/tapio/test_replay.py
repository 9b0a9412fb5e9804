"""A capture played to a stack, and a stack held against a capture."""

from __future__ import annotations

import math
import struct
import tracemalloc
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.lan import Lan
from netif import Netif, Stack, VirtualRuntime
from netif.link import PARTIAL, LinkCaps, Medium
from netif.wire import checksum, ip, tcp
from tapio import CaptureError, PcapngWriter, Replay, frames_of
from tapio.capture import dialogue
from tests.tapio.conftest import OURS, THEIRS
from tests.tapio.ports import FakePort, FakeRuntime
from tests.tapio.test_capture_reader import classic, enhanced, interface, option, section

MESSAGE = bytes(range(256)) * 20


@pytest.fixture
def played(make_port, want, runtime):
    """`played(file, **options)`: the replay, and its port."""

    drivers = []

    def played(file, mac=OURS, **options):
        driver, port = Replay(file, **options), make_port()
        drivers.append(driver)
        driver.open(want(mac), port)
        return driver, port

    yield played
    for driver in drivers:
        driver.close()


@pytest.fixture
def written(tmp_path):
    """`written(*(direction, time, frame))`: a file of those, with interface "a"."""

    def written(*frames):
        path = tmp_path / "a.pcapng"
        with PcapngWriter(path) as writer:
            for direction, when, frame in frames:
                writer.frame(direction, when, (frame,), None, "a")
        return path

    return written


def ethernet(payload=b"hello", src=THEIRS, dst=OURS):
    return dst + src + b"\x88\xb5" + payload


class TestPlaying:
    def test_frames_come_at_the_times_of_then_counted_from_the_opening(self, played, written, runtime):
        runtime.time = 50.0
        file = written(("in", 7.0, b"one"), ("out", 7.1, b"ours"), ("in", 7.5, b"two"))
        driver, port = played(file)
        assert driver.receive() == (b"one", None)
        assert driver.receive() is None
        assert port.deadline == pytest.approx(50.5)
        runtime.time = 50.5
        driver.advance(50.5)
        assert driver.receive() == (b"two", None)
        assert driver.receive() is None
        assert driver.ended
        assert driver.played == 2

    def test_at_another_speed(self, played, written):
        file = written(("in", 0.0, b"one"), ("in", 5.0, b"two"))
        driver, port = played(file, speed=10)
        driver.receive()
        assert driver.receive() is None
        assert port.deadline == pytest.approx(0.5)
        for speed in ("fast", math.inf):
            driver, port = played(file, speed=speed)
            assert [driver.receive()[0], driver.receive()[0]] == [b"one", b"two"]

    def test_by_our_mac_where_the_file_says_no_direction(self, played, tmp_path):
        path = tmp_path / "a.pcap"
        frames = [ethernet(b"theirs"), ethernet(b"ours", src=OURS, dst=THEIRS)]
        path.write_bytes(classic(frames=[(0, 0, frame) for frame in frames]))
        driver, _ = played(path)
        assert driver.receive() == (frames[0], None)
        assert driver.receive() is None
        driver, _ = played(path, mac=b"", speed=2)
        assert [driver.receive()[0] for _ in frames] == frames

    def test_or_by_the_mac_or_the_interface_that_is_said(self, played, tmp_path):
        path = tmp_path / "a.pcapng"
        with PcapngWriter(path) as writer:
            writer.frame("out", 0, (ethernet(b"of b"),), None, "b")
            writer.frame("out", 0, (ethernet(b"of a", src=OURS),), None, "a")
            writer.frame("in", 0, (ethernet(b"b hears"),), None, "b")
        driver, _ = played(path, interface="a")
        assert driver.receive()[0][14:] == b"of b"
        assert driver.receive() is None
        driver = Replay(path, mac="02:00:00:00:00:01")
        assert driver.medium is Medium.ETHERNET
        driver.close()

    def test_bare_packets_are_another_medium(self, played, tmp_path, make_port, want):
        path = tmp_path / "a.pcapng"
        path.write_bytes(section() + interface(link_type=101) + enhanced(said=option("<", 2, struct.pack("<I", 1))))
        driver = Replay(path)
        assert driver.medium is Medium.POINT_TO_POINT
        assert driver.open(want(), make_port()).medium is Medium.POINT_TO_POINT
        assert driver.receive() == (b"hello", None)
        driver.close()

    def test_what_was_not_captured_whole_is_left_out(self, played, tmp_path):
        path = tmp_path / "a.pcap"
        path.write_bytes(classic(frames=()) + struct.pack("<IIII", 0, 0, 4, 99) + b"part")
        driver, _ = played(path)
        assert driver.receive() is None
        assert (driver.skipped, driver.ended) == (1, True)

    def test_the_end_may_be_a_failure(self, played, written):
        driver, port = played(written(("in", 0, b"one")), at_end="fail")
        assert driver.receive() == (b"one", None)
        assert driver.receive() is None
        assert ["end of capture" in str(error) for error in port.failures] == [True]
        assert driver.receive() is None
        assert len(port.failures) == 1

    def test_what_comes_before_damage_is_played(self, played, written):
        file = written(*(("in", 0, b"frame %d" % n) for n in range(3)))
        file.write_bytes(file.read_bytes()[:-9])
        driver, port = played(file)
        assert [driver.receive()[0], driver.receive()[0], driver.receive()] == [b"frame 0", b"frame 1", None]
        (error,) = port.failures
        assert f"{file}: at byte " in str(error)
        assert "the file ends within a block" in str(error)

    def test_it_plays_again_when_it_is_opened_again(self, played, written, make_port, want):
        driver, _ = played(written(("in", 0, b"one")))
        for _ in range(2):
            assert driver.receive() == (b"one", None)
            driver.close()
            driver.close()
            assert driver.receive() is None
            driver.open(want(), make_port())

    def test_partial_checksums_are_recognised_when_asked_for(self, played, written, frames):
        buffers, _ = frames.tcp(bytes(3000), src=THEIRS, dst=OURS)
        file = written(("in", 0, b"".join(buffers)), ("in", 0, b"".join(frames.tcp(b"whole")[0])))
        driver, _ = played(file)
        assert driver.receive()[1] is None
        driver, _ = played(file, partial=True)
        said = driver.receive()[1]
        assert (said.checksum, said.start, said.offset, said.gso_size) == (PARTIAL, 34, 16, 1460)
        assert driver.receive()[1] is None

    @pytest.mark.parametrize(
        ("options", "says"),
        [({"speed": 0}, "speed 0"), ({"speed": math.nan}, "speed nan"), ({"at_end": "explode"}, "at_end 'explode'")],
    )
    def test_options_that_make_no_sense_are_told(self, written, options, says):
        with pytest.raises(ValueError, match=says):
            Replay(written(("in", 0, b"one")), **options)

    def test_what_is_no_capture_is_told_by_the_constructor(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            Replay(tmp_path / "nowhere")
        (tmp_path / "x").write_bytes(b"GIF89a")
        with pytest.raises(CaptureError, match="x: at byte 0: this is no capture"):
            Replay(tmp_path / "x")
        (tmp_path / "x").write_bytes(section() + interface(link_type=105) + enhanced())
        with pytest.raises(CaptureError, match="link type 105 is neither Ethernet"):
            Replay(tmp_path / "x")

    def test_a_long_file_is_played_within_its_window(self, played, tmp_path):
        path = tmp_path / "long.pcap"
        with open(path, "wb") as file:
            file.write(classic(frames=()))
            for _ in range(200):
                file.write((struct.pack("<IIII", 1, 0, 1400, 1400) + ethernet(bytes(1386))) * 20)
        tracemalloc.start()
        driver, _ = played(path, verify=True)
        assert sum(driver.receive() is not None for _ in range(4100)) == 4000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert driver.ended
        assert peak < 1 << 20


def talk(host, source=None):
    with host.create_connection(("10.0.0.2", 7), source_address=source) as connection:
        connection.sendall(MESSAGE)
        connection.shutdown(1)
        got = b""
        while data := connection.recv(4096):
            got += data
    return got


def serve(host):
    with host.create_server(("", 7)) as listener, listener.accept()[0] as connection:
        while data := connection.recv(4096):
            connection.sendall(data)


def source_port(path):
    """Of the first TCP segment in a capture."""
    return next(int.from_bytes(one.frame[34:36], "big") for one in frames_of(path) if one.frame[23] == ip.TCP)


@pytest.fixture
def recorded(tmp_path):
    """`recorded(offload=False)`: a capture of a talking to b on a Lan."""

    def recorded(delay=0, **options):
        path = tmp_path / "talk.pcapng"
        with Lan(seed=7, pcapng=path) as lan:
            a, b = lan.host("a", delay=delay, **options), lan.host("b", **options)
            b.spawn(lambda: serve(b))
            task = a.spawn(lambda: talk(a))
            lan.run_until(task.done)
            assert task.result() == MESSAGE
            lan.run_for(3)
        return path

    return recorded


def against(path, seed=7, app=talk, **options):
    """The same host on the replay of `path`: (what its application got, the replay)."""
    runtime = VirtualRuntime(seed=seed)
    stack = Stack("a", runtime=runtime)
    replay = Replay(path, verify=True, interface="a", **options)
    with Netif(replay, stack=stack, ip="10.0.0.1/24", mac="02:00:0a:00:00:01"):
        task = runtime.spawn(lambda: app(stack))
        runtime.run_until(lambda: replay.ended, 300)
        runtime.run_for(1)
        got = task.result() if task.done() else None
    runtime.close()
    return got, replay


class TestVerifying:
    def test_the_same_host_does_the_same_again(self, recorded):
        got, replay = against(recorded(delay=0.01, offload=False))
        assert got == MESSAGE
        assert replay.mismatches == []
        assert "0 mismatches; played to its end" in replay.report()
        assert len(list(replay.report().splitlines())) == 1

    def test_with_super_frames_and_partial_checksums_too(self, recorded):
        got, replay = against(recorded(), partial=True)
        assert got == MESSAGE
        assert replay.mismatches == []

    def test_byte_for_byte_where_everything_is_the_same(self, recorded):
        got, replay = against(recorded(offload=False), strict=True, tolerance=0.001)
        assert got == MESSAGE
        assert replay.mismatches == []
        _, replay = against(recorded(delay=0.01, offload=False), strict=True)  # the far side's frames come sooner
        assert "TS val" in replay.mismatches[0]

    def test_another_host_has_other_numbers_which_are_mapped(self, recorded):
        """RFC 9293 3.4.1: our initial number; RFC 7323 5.1: our clock. The far side acknowledges today's."""
        path = recorded(offload=False)
        got, replay = against(path, seed=8)
        assert got == MESSAGE
        assert replay.mismatches == []
        _, replay = against(path, seed=8, app=lambda host: None, strict=True, patience=1)
        assert replay.mismatches

    def test_what_differs_is_named(self, recorded, tmp_path):
        path = recorded(offload=False)
        changed = path.read_bytes().replace(MESSAGE[:100], b"!" + MESSAGE[1:100], 1)
        path.write_bytes(changed)
        got, replay = against(path)
        assert got == MESSAGE
        (line,) = replay.mismatches
        assert line.startswith("frame ")
        assert ": expected 10.0.0.1." in line
        assert "P. 1:5121" in line or ". 1:1449(1448) ack 1" in line
        assert "(byte 66 is 0x00, and was 0x21)" in line
        assert line in replay.report()

    def test_what_is_not_sent_is_waited_for_and_then_named(self, recorded):
        _, replay = against(recorded(offload=False), app=lambda host: None, patience=1)
        assert replay.ended
        assert any("S 0:0(0) win" in line and line.endswith("got nothing") for line in replay.mismatches)

    def test_what_was_not_expected_is_named(self, recorded):
        def ask(host):
            with host.socket(type=2) as extra:
                extra.bind(("", 9))
                extra.sendto(b"?", ("10.0.0.2", 53))
            return talk(host, source=("", sport))

        path = recorded(offload=False)
        sport = source_port(path)
        got, replay = against(path, app=ask)
        assert got == MESSAGE
        (line,) = replay.mismatches
        assert line == "at 0.000000: expected nothing; got 10.0.0.1.9 > 10.0.0.2.53: udp (1)"

    def test_what_comes_at_another_time_is_named_where_a_tolerance_is(self, recorded):
        def dawdle(host):
            host.runtime.sleep(0.5)
            return talk(host)

        path = recorded(offload=False)
        assert against(path, app=dawdle)[1].mismatches == []
        _, replay = against(path, app=dawdle, tolerance=0.1)
        (line,) = replay.mismatches
        assert "0.500000 s too late: who-has 10.0.0.2 tell 10.0.0.1" in line

    def test_lines_are_kept_up_to_a_bound(self, written, played):
        driver, _ = played(written(*(("out", 0, ethernet(b"%d" % n)) for n in range(300))), verify=True, patience=0)
        assert driver.receive() is None
        while not driver.ended:
            assert driver.receive() is None
        assert len(driver.mismatches) == dialogue.MISMATCHES
        assert "300 mismatches" in driver.report()

    def test_a_far_frame_speaks_of_todays_numbers_and_its_checksum_is_as_right_as_it_was(self, frames):
        """RFC 2018 3: SACK edges are ours; RFC 1624 3: a checksum, updated."""
        talk = dialogue.Dialogue(14, strict=False)
        sack = bytes((1, 1, 5, 10)) + struct.pack("!II", 2000, 3000)
        talk.accept(segment(10, flags=2, seq=1000), segment(10, flags=2, seq=0xFFFFFFF0))
        far = segment(7, src=THEIRS, ack=1500, said=sack)
        for harm in (0, 1):
            frame = far[:50] + bytes((far[50] ^ harm,)) + far[51:]
            changed = talk.rewritten(frame, partial=False)
            assert struct.unpack("!I", changed[42:46])[0] == 1500 - 1000 - 16
            assert struct.unpack("!II", changed[58:66]) == (984, 1984)
            pseudo = checksum.pseudo_header(changed[26:30], changed[30:34], 6, len(changed) - 34)
            assert checksum.verify(changed, 34, len(changed), pseudo) is not bool(harm)


def segment(payload, src=OURS, flags=16, seq=1, ack=1, said=b""):
    """Of 10.0.0.1:1000 (ours) and 10.0.0.2:7, with that many bytes of payload."""
    ends = [(ip.parse_address("10.0.0.1"), 1000), (ip.parse_address("10.0.0.2"), 7)]
    (here, sport), (there, dport) = ends if src == OURS else ends[::-1]
    data = bytes(payload)
    pseudo = checksum.pseudo_header(here, there, 6, 0)
    header = tcp.emit_complete(sport, dport, seq, ack, flags, 512, said, (data,), pseudo=pseudo)
    return bytes(12) + b"\x08\0" + ip.emit(here, there, 6, len(header) + payload, ident=7) + header + data


@given(st.data())
def test_whatever_a_file_says_and_a_stack_sends_nothing_else_is_raised(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz.pcapng"
    headers = st.sampled_from(
        [segment(9, seq=5), segment(9, src=THEIRS, said=bytes((8, 10)) + bytes(10)), b"", OURS * 9]
    )
    changes = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=4)

    def damaged(frame, changes):
        harmed = bytearray(frame)
        for at, value in changes:
            harmed[at % max(1, len(harmed)) : at % max(1, len(harmed)) + 1] = bytes((value,))
        return bytes(harmed)

    some = st.lists(st.builds(damaged, headers, changes), max_size=6)
    link_type = data.draw(st.sampled_from([1, 101]))
    recorded = [(data.draw(st.sampled_from(["in", "out"])), frame) for frame in data.draw(some)]
    verify, sent = data.draw(st.booleans()), data.draw(some)
    with PcapngWriter(path, link_type=link_type) as writer:
        for n, (direction, frame) in enumerate(recorded):
            writer.frame(direction, n / 8, (frame,), None, "a")
    port = FakePort(FakeRuntime())
    with closing(Replay(path, verify=verify, partial=link_type == 1 and bool(recorded), patience=0.5)) as driver:
        driver.open(LinkCaps(mac=OURS), port)
        for frame in sent:
            driver.transmit((frame,), None)
            driver.receive()
            port.runtime.time += 0.2
        for _ in range(20):
            port.runtime.time += 1
            driver.receive()
        assert driver.ended
        assert "\n" not in "".join(driver.mismatches)
