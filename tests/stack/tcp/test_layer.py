"""Finding connections, ports and listeners; the states and their table."""

import errno

import pytest

from netif.wire import notation
from netif.wire.checksum import pseudo_header
from netif.wire.tcp import PROTOCOL, SYN, emit_complete
from stack.stack import Stack
from stack.tcp.config import TcpConfig
from stack.tcp.segment import Segment
from stack.tcp.states import CLOSED, LISTEN, TRANSITIONS, State

ANY = bytes(4)
HERE = b"\x0a\0\0\1"


# ports


def refused(code, call, *arguments):
    with pytest.raises(OSError) as caught:
        call(*arguments)
    return caught.value.errno == code


def test_an_address_is_bound_once(tcp):
    layer = tcp.stack.tcp
    layer.bind((HERE, 80))
    assert refused(errno.EADDRINUSE, layer.bind, (HERE, 80))
    assert refused(errno.EADDRINUSE, layer.bind, (ANY, 80))
    assert layer.bind((HERE, 81)) == (HERE, 81)
    assert layer.bind((b"\x7f\0\0\1", 80)) == (b"\x7f\0\0\1", 80)


def test_any_address_takes_them_all(tcp):
    tcp.stack.tcp.bind((None, 80))
    assert refused(errno.EADDRINUSE, tcp.stack.tcp.bind, (HERE, 80))


def test_who_reuses_may_share_but_only_one_listens(tcp):
    layer = tcp.stack.tcp
    local = layer.bind((ANY, 80), True)
    layer.bind((ANY, 80), True)
    assert refused(errno.EADDRINUSE, layer.bind, (ANY, 80), False)
    layer.listen(local)
    assert refused(errno.EADDRINUSE, layer.listen, local)


def test_a_foreign_address_cannot_be_bound(tcp):
    assert refused(errno.EADDRNOTAVAIL, tcp.stack.tcp.bind, (b"\x08\x08\x08\x08", 80))


def test_a_released_address_is_free(tcp):
    layer = tcp.stack.tcp
    layer.release(layer.bind((ANY, 80)))
    layer.listen((ANY, 80)).close()
    layer.listen((ANY, 80))


def test_port_zero_is_any_free_one(tcp):
    layer = tcp.stack.tcp
    ports = {layer.bind((ANY, 0))[1] for _ in range(20)}
    assert len(ports) == 20
    assert all(port >= 49152 for port in ports)


def test_lingering_connections_keep_the_port_from_who_does_not_reuse(tcp):
    tcp.established()
    tcp.listener.close()
    tcp.close()
    tcp.gets("F. 1:1(0) ack 2")  # TIME-WAIT
    layer = tcp.stack.tcp
    assert refused(errno.EADDRINUSE, layer.bind, (ANY, 80), False)
    layer.listen((ANY, 80), reuse=True).close()
    tcp.after(60)
    layer.bind((ANY, 80))


def test_a_connection_keeps_the_port_of_its_own_address_alone(tcp):
    tcp.established()
    tcp.listener.close()
    layer = tcp.stack.tcp
    assert refused(errno.EADDRINUSE, layer.bind, (HERE, 80))
    layer.bind((b"\x7f\0\0\1", 80))


def test_one_local_port_serves_many_peers_but_no_peer_twice(tcp):
    layer = tcp.stack.tcp
    layer.connect((HERE, 5000), (b"\x0a\0\0\2", 80))
    layer.connect((HERE, 5000), (b"\x0a\0\0\2", 81))
    assert refused(errno.EADDRNOTAVAIL, layer.connect, (HERE, 5000), (b"\x0a\0\0\2", 80))


def test_ports_run_out_with_an_error(tcp):
    ports = tcp.stack.tcp.ports
    assert refused(errno.EADDRNOTAVAIL, ports.ephemeral, lambda port: False)
    assert ports.ephemeral(lambda port: port == 65535) == 65535


def test_the_range_of_ports_is_a_setting(tcp):  # Linux' ip_local_port_range
    layer = Stack("narrow", runtime=tcp.clock, tcp=TcpConfig(local_ports=(5000, 5002))).tcp
    assert {layer.bind((None, 0))[1] for _ in range(3)} == {5000, 5001, 5002}
    assert refused(errno.EADDRNOTAVAIL, layer.bind, (None, 0))


@pytest.mark.parametrize("ports", [(0, 10), (5001, 5000), (5000, 65536)])
def test_a_range_of_ports_has_a_beginning_and_an_end(ports):
    with pytest.raises(ValueError, match="local_ports"):
        TcpConfig(local_ports=ports)


def test_connections_give_their_ports_back(tcp):
    tcp.connects()
    tcp.gets("R. 0:0(0) ack 1")
    assert not tcp.stack.tcp.ports.held
    assert not tcp.stack.tcp.ports.reserved


# who gets what


def test_a_bound_listener_goes_before_one_for_any_address(tcp):
    anywhere = tcp.stack.tcp.listen((ANY, 80), reuse=True)
    tcp.stack.tcp.ports.reserved.clear()
    here = tcp.stack.tcp.listen((HERE, 80), reuse=True)
    assert tcp.stack.tcp.listener_at((HERE, 80), tcp.interface) is here
    assert tcp.stack.tcp.listener_at((b"\x7f\0\0\1", 80), tcp.interface) is anywhere


def test_the_whole_address_decides(tcp):
    tcp.established()
    tcp.peer_port += 1
    tcp.gets("P. 1:6(5) ack 1")
    tcp.sends("R 1:1(0)")
    assert tcp.connection.read(5) is None


def test_addresses_of_16_bytes_are_told_apart(tcp):
    class Entry:
        def __init__(self):
            self.got = []

        def segment_arrives(self, *said):
            self.got.append(said)

    layer = tcp.stack.tcp
    here, there = (b"\xfe\x80" + bytes(13) + bytes((last,)) for last in (1, 2))
    layer.listen((None, 80))
    listener = layer.listeners[bytes(16), 80] = Entry()
    connection = layer.connections[here, 80, there, 40000] = Entry()
    for port in (40000, 40001):
        segment = emit_complete(port, 80, 1, 0, SYN, 100, pseudo=pseudo_header(there, here, PROTOCOL, 0))
        layer.receive(tcp.interface, there, here, segment, 0, len(segment), None)
    assert len(connection.got) == 1
    ((local, remote, _),) = listener.got
    assert (local, remote) == ((here, 80), (there, 40001))


# states


def test_every_state_is_in_the_table():
    assert set(TRANSITIONS) == set(State)
    assert all(target in State for targets in TRANSITIONS.values() for target in targets)


def test_every_state_is_reached_from_the_beginning_and_ends_closed():
    def reach(start):
        seen, todo = set(), [start]
        while todo:
            state = todo.pop()
            if state not in seen:
                seen.add(state)
                todo.extend(TRANSITIONS[state])
        return seen

    assert reach(LISTEN) | reach(CLOSED) == set(State)
    assert all(CLOSED in reach(state) for state in State)


def test_an_illegal_change_is_a_mistake_of_ours(tcp):
    tcp.established()
    with pytest.raises(AssertionError, match="ESTABLISHED may not become SYN-SENT"):
        tcp.connection.become(State.SYN_SENT)


def test_changes_of_state_are_traced(tcp):
    seen = []
    tcp.stack.trace = lambda event, owner, detail: seen.append((event, str(detail)))
    tcp.established()
    tcp.close()
    states = [detail for event, detail in seen if event == "state"]
    assert states == ["LISTEN -> SYN-RECEIVED", "SYN-RECEIVED -> ESTABLISHED", "ESTABLISHED -> FIN-WAIT-1"]


def test_segments_are_traced_in_the_one_notation(tcp):
    seen = []
    tcp.established()
    tcp.stack.trace = lambda event, owner, detail: seen.append(f"{event} {detail}")
    tcp.gets("P. 1:6(5) ack 1")
    tcp.writes(3)
    assert seen == [
        "receive P. 5000001:5000006(5) ack 70001 win 65535",
        "send P. 70001:70004(3) ack 5000006 win 65530",
    ]


def test_a_segment_reads_as_in_the_notation():
    said = notation.parse_segment("P. 1:6(5) ack 7 win 512 <nop,nop,TS val 1 ecr 2>")
    segment = Segment(1, 7, said.flags, 512, said.options, b"hello", 5, 0)
    assert str(segment) == "P. 1:6(5) ack 7 win 512 <nop,nop,TS val 1 ecr 2>"


def test_a_connection_reads_well(tcp):
    tcp.established()
    assert repr(tcp.connection) == "<Connection 10.0.0.1:80 <- 10.0.0.2:40000 ESTABLISHED>"
    tcp.connects()
    assert repr(tcp.connection) == "<Connection 10.0.0.1:49999 -> 10.0.0.2:80 SYN-SENT>"
    assert repr(tcp.listener) == "<Listener 0.0.0.0:80 LISTEN>"


def test_settings_say_what_they_should_be():
    for wrong in ({"receive_buffer": 0}, {"delayed_ack": 0.5}, {"mss": 10}, {"min_rto": 0}, {"keepalive_count": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            TcpConfig(**wrong)
