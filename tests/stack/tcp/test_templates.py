"""Headers that are ready: for so many connections as `Limits.templates` says, and for those that are busy now."""

from stack.limits import Limits
from tests.stack.tcp.conversation import Conversation, stream

CROWD = range(40000, 40008)


def crowd(most):
    end = Conversation()
    end.begin(limits=Limits(templates=most))
    end.listens()
    ends = {}
    for port in CROWD:
        end.peer_port = port
        end.gets("S 0:0(0) <mss 1460>")
        end.gets(". 1:1(0) ack 1")
        ends[port] = end.accepts()
    return end, ends


def speaks(end, connection):
    """(by the fast path, by the plain one)"""
    tcp = end.stack.tcp
    tcp.fast_out = tcp.plain_out = 0
    connection.write(stream(connection.sender.snd_nxt - end.iss, 1))
    end.flush()
    return tcp.fast_out, tcp.plain_out


def test_who_comes_when_all_are_given_sends_by_the_plain_path():
    end, ends = crowd(4)
    went = [speaks(end, connection) for connection in ends.values()]
    assert went == [(1, 0)] * 4 + [(0, 1)] * 4
    assert end.stack.stats["templates_full"] > 0


def test_who_goes_on_speaking_gets_one_in_the_end():
    end, ends = crowd(1)
    last = ends[CROWD[-1]]
    end.peer_port = CROWD[-1]
    went = []
    for said in range(1, 20):
        went.append(speaks(end, last))
        end.gets(f". 1:1(0) ack {said + 1}")
    assert went[0] == (0, 1)
    assert went[-1] == (1, 0)
    assert speaks(end, ends[CROWD[0]]) == (0, 1)  # whose place it was


def test_who_is_gone_leaves_a_place():
    end, ends = crowd(4)
    for port in CROWD[:4]:
        ends[port].abort()
    end.flush()
    end.peer_port = CROWD[-1]
    end.gets("P. 1:2(1) ack 1")
    assert speaks(end, ends[CROWD[-1]]) == (1, 0)


def test_without_places_all_is_sent_by_the_plain_path():
    end, ends = crowd(0)
    assert [speaks(end, connection) for connection in ends.values()] == [(0, 1)] * 8
