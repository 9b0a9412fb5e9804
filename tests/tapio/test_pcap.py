"""What libpcap does not say of a frame, and how it is found out; what a Pcap needs before it is made."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys

import pytest

from netif.link import PARTIAL, VALID, Offload
from netif.wire import checksum, ethernet, udp
from netif.wire.segment import cut, finish
from tapio.pcap.checksums import PILE, STATIONS, Checksums
from tapio.pcap.echoes import LIFETIME, MOST, Echoes
from tapio.pcap.handle import expression_for

PAYLOAD = bytes(range(250)) * 4


@pytest.fixture
def judge():
    """judge(trust=None): of an interface whose MTU is 1500."""
    return lambda trust=None: Checksums("v0", trust)


@pytest.fixture
def left_undone(frames):
    """A TCP segment as a local peer sends it: its checksum field holds the pseudo-header sum."""
    buffers, _ = frames.tcp(PAYLOAD)
    return b"".join(buffers)


@pytest.fixture
def complete(frames):
    return finish(*frames.tcp(PAYLOAD))


def tagged(frame):
    """With an 802.1Q tag."""
    return frame[:12] + b"\x81\0\0\x0a" + frame[12:]


def spoilt(frame, at=-1):
    changed = bytearray(frame)
    changed[at] ^= 0x10
    return bytes(changed)


class TestChecksums:
    def test_what_a_local_peer_left_undone_is_recognised(self, judge, left_undone):
        checksums = judge()
        assert checksums.judge(left_undone) == (True, Offload(PARTIAL, 34, 16))
        assert (checksums.partial, checksums.bad) == (1, 0)

    def test_a_complete_one_is_verified_here_and_not_again(self, judge, complete, frames):
        for frame in (complete, frames.udp(b"datagram")):
            assert judge().judge(frame) == (True, Offload(VALID))

    def test_a_wrong_one_is_left_to_the_stack_and_counted(self, judge, complete):
        checksums = judge()
        assert checksums.judge(spoilt(complete)) == (True, None)
        assert checksums.bad == 1

    def test_distrust_takes_nothing_for_undone(self, judge, left_undone, complete):
        checksums = judge(False)
        assert checksums.judge(left_undone) == (True, None)
        assert checksums.judge(complete) == (True, Offload(VALID))
        assert (checksums.partial, checksums.bad) == (0, 1)

    def test_trust_verifies_nothing(self, judge, left_undone, complete):
        checksums = judge(True)
        assert checksums.judge(spoilt(complete)) == (True, Offload(VALID))
        assert checksums.judge(left_undone) == (True, Offload(PARTIAL, 34, 16))  # who passes it on has to finish it
        assert checksums.bad == 0

    def test_a_complete_one_that_looks_undone_by_chance_is_finished_to_itself(self, judge, frames):
        buffers, offload = frames.tcp(PAYLOAD + b"\0\0")
        undone = b"".join(buffers)
        pseudo = int.from_bytes(undone[50:52], "big")
        rest = checksum.partial_sum(undone[34:])  # with the field: pseudo; it has to be what completes to pseudo
        frame = undone[:-2] + (-(rest + pseudo) % 65535).to_bytes(2, "big")
        assert checksum.verify(frame, 34, len(frame), pseudo)
        assert judge().judge(frame) == (True, offload)
        assert finish((frame,), offload) == frame

    def test_a_super_frame_is_of_segments_as_our_mss_has_them(self, judge, frames):
        buffers, offload = frames.tcp(bytes(40_000), gso=1460)
        usable, said = judge().judge(b"".join(buffers))
        assert (usable, said) == (True, offload)
        assert max(map(len, cut((b"".join(buffers),), said))) == 1514

    def test_a_smaller_mtu_of_ours_makes_smaller_segments(self, judge, frames):
        checksums = judge()
        checksums.our_mtu = 1000
        buffers, _ = frames.tcp(bytes(40_000))
        assert checksums.judge(b"".join(buffers)) == (True, Offload(PARTIAL, 34, 16, 960))
        assert checksums.judge(b"".join(frames.tcp(PAYLOAD)[0])) == (True, Offload(PARTIAL, 34, 16, 960))

    def test_gathered_datagrams_cannot_be_told_apart_and_are_lost(self, judge, frames, caplog):
        checksums = judge()
        whole = frames.udp(bytes(14_000))
        gathered = (
            whole[:40] + udp.emit(whole[26:30], whole[30:34], 1000, 7, bytes(14_000), partial=True)[6:] + whole[42:]
        )
        for _ in range(3):
            assert checksums.judge(gathered) == (False, None)
        assert (checksums.uncut, checksums.partial) == (3, 0)
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "tx-udp-segmentation" in caplog.text
        assert checksums.judge(whole) == (True, Offload(VALID))  # what bears a checksum of its own is one

    def test_a_vlan_tag_moves_it_all_by_four_bytes(self, judge, left_undone, complete):
        assert judge().judge(tagged(left_undone)) == (True, Offload(PARTIAL, 38, 16))
        assert judge().judge(tagged(complete)) == (True, Offload(VALID))

    def test_ipv6_is_judged_too(self, judge):
        scapy = pytest.importorskip("scapy.layers.inet6")
        from scapy.layers.inet import UDP
        from scapy.layers.l2 import Ether

        packet = Ether(dst="02:00:00:00:00:01") / scapy.IPv6(src="fe80::1", dst="fe80::2") / UDP() / PAYLOAD
        frame = bytes(packet)
        assert judge().judge(frame) == (True, Offload(VALID))
        pseudo = checksum.pseudo_header(frame[22:38], frame[38:54], 17, 8 + len(PAYLOAD))
        undone = frame[:60] + pseudo.to_bytes(2, "big") + frame[62:]
        assert judge().judge(undone) == (True, Offload(PARTIAL, 54, 6))

    def test_udp_without_checksum_fragments_and_others_are_none_of_its_business(self, judge, frames):
        datagram = frames.udp(PAYLOAD)
        silent = datagram[:40] + b"\0\0" + datagram[42:]
        fragment = datagram[:20] + b"\x20\0" + datagram[22:]
        icmp = datagram[:23] + b"\1" + datagram[24:]
        checksums = judge()
        for frame in (silent, fragment, icmp, frames.plain(), tagged(frames.plain()), b"", bytes(14), bytes(60)):
            assert checksums.judge(frame) == (True, None)
        assert (checksums.partial, checksums.bad) == (0, 0)

    def test_no_frame_is_too_strange(self, judge, left_undone, complete, frames, seed):
        dice, checksums = random.Random(seed), judge()
        kinds = [left_undone, complete, tagged(complete), frames.udp(PAYLOAD), b"".join(frames.tcp(bytes(3000))[0])]
        for _ in range(3000):
            frame = bytearray(dice.choice(kinds)[: dice.randrange(1600)])
            for _ in range(dice.randrange(4)):
                if frame:
                    frame[dice.randrange(min(len(frame), 60))] = dice.randrange(256)
            checksums.judge(bytes(frame))

    def test_a_pile_of_bad_ones_from_one_station_names_the_switch_once(self, judge, complete, caplog):
        checksums = judge()
        for _ in range(3 * PILE):
            checksums.judge(spoilt(complete))
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "trust_checksums=yes" in caplog.text
        assert "02:00:00:00:00:01" in caplog.text
        assert "\n" not in record.getMessage()

    def test_bad_ones_among_good_ones_are_a_bad_line_and_no_pile(self, judge, complete, caplog):
        checksums = judge()
        for _ in range(3 * PILE):
            checksums.judge(spoilt(complete))
            checksums.judge(complete)
        assert not caplog.records
        assert checksums.bad == 3 * PILE

    def test_so_many_stations_are_counted_and_no_more(self, judge, complete, caplog):
        checksums = judge()
        for _ in range(PILE):
            for number in range(STATIONS + 1):
                checksums.judge(spoilt(complete[:6] + number.to_bytes(6, "big") + complete[12:]))
        assert not caplog.records


class TestEchoes:
    def test_each_of_ours_comes_back_once(self):
        echoes = Echoes()
        echoes.sent(b"frame", 0.0)
        echoes.sent(b"frame", 0.0)
        assert [echoes.is_echo(b"frame", 0.1) for _ in range(3)] == [True, True, False]  # the third is somebody else's

    def test_what_we_have_not_sent_is_no_echo(self):
        echoes = Echoes()
        echoes.sent(b"frame", 0.0)
        assert not echoes.is_echo(b"other", 0.0)
        assert echoes.is_echo(b"frame", 0.0)

    def test_what_did_not_come_back_in_time_is_forgotten(self):
        echoes = Echoes()
        echoes.sent(b"frame", 0.0)
        assert not echoes.is_echo(b"frame", LIFETIME + 0.1)

    def test_no_more_are_remembered_than_the_bound(self):
        echoes = Echoes()
        for number in range(MOST + 1):
            echoes.sent(number.to_bytes(4, "big"), 0.0)
        assert not echoes.is_echo((0).to_bytes(4, "big"), 0.0)
        assert all(echoes.is_echo(number.to_bytes(4, "big"), 0.0) for number in range(1, MOST + 1))


class TestFilter:
    def test_ours_are_those_to_us_and_to_groups_that_the_user_wants(self):
        mac = ethernet.parse_mac("02:00:00:00:00:01")
        assert expression_for(mac, "") == "ether dst 02:00:00:00:00:01 or ether multicast"
        assert expression_for(mac, "tcp or arp") == (
            "(ether dst 02:00:00:00:00:01 or ether multicast) and (tcp or arp)"
        )

    def test_a_trunk_has_no_address_of_its_own(self):
        assert expression_for(b"", "") == ""
        assert expression_for(b"", "tcp") == "tcp"


def in_a_fresh_interpreter(program):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_imported_where_nothing_is_linux_and_libpcap_is_loaded_for_a_pcap_alone():
    program = """
import os, select, socket, sys
sys.platform = "darwin"
sys.modules["fcntl"] = None
for module, name in ((socket, "AF_PACKET"), (os, "eventfd"), (select, "epoll")):
    if hasattr(module, name):
        delattr(module, name)
from tapio import Pcap
from netif import ThreadedRuntime
ThreadedRuntime().close()
print(Pcap.__name__, "cypcap" in sys.modules)
"""
    assert in_a_fresh_interpreter(program) == "Pcap False"


def test_without_its_extra_a_pcap_says_in_one_line_how_to_have_it():
    program = """
import sys
sys.modules["cypcap"] = None
from tapio import Pcap
try:
    Pcap("v0")
except OSError as error:
    print(error)
"""
    assert in_a_fresh_interpreter(program) == "libpcap's binding is not installed: pip install 'netif[pcap]'"
