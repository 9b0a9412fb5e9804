"""SO_REUSEPORT: several sockets at one address, each peer's at one of them (socket(7))."""

import socket
from contextlib import ExitStack

import pytest

PORT = (socket.SOL_SOCKET, socket.SO_REUSEPORT)
PATIENCE = 20


def sharing(stack, kind, count=3):
    made = [stack.socket(socket.AF_INET, kind) for _ in range(count)]
    for one in made:
        assert one.getsockopt(*PORT) == 0
        one.setsockopt(*PORT, 1)
        assert one.getsockopt(*PORT) == 1
        one.bind(("10.0.0.2", 7000))
        one.settimeout(PATIENCE)
    return made


def connect(hosts, stack, port):
    source = ("10.0.0.1", port)  # which decides where it goes
    return stack.enter_context(hosts.left.create_connection(("10.0.0.2", 7000), PATIENCE, source))


def accepted(listener):
    """Of what has come, without waiting."""
    listener.setblocking(False)
    taken = []
    while True:
        try:
            taken.append(listener.accept())
        except BlockingIOError:
            return taken


def test_connections_are_spread_over_listeners_and_none_is_lost(hosts):
    with ExitStack() as stack:
        listeners = [stack.enter_context(one) for one in sharing(hosts.right, socket.SOCK_STREAM)]
        for listener in listeners:
            listener.listen()
        clients = [connect(hosts, stack, 50000 + n) for n in range(40)]
        taken = [accepted(listener) for listener in listeners]
        for served in [served for some in taken for served, _ in some]:
            stack.enter_context(served)
        assert all(len(some) >= 4 for some in taken)
        assert sorted(peer for some in taken for _, peer in some) == sorted(c.getsockname() for c in clients)


def test_the_others_go_on_when_one_is_closed(hosts):
    with ExitStack() as stack:
        first, *others = sharing(hosts.right, socket.SOCK_STREAM)
        for listener in (first, *others):
            stack.enter_context(listener).listen()
        first.close()
        others.pop().close()
        for n in range(5):
            connect(hosts, stack, 50000 + n)
        assert len([stack.enter_context(served) for served, _ in accepted(others[0])]) == 5


def test_who_does_not_say_so_may_not_join(hosts):
    with ExitStack() as stack:
        for one in sharing(hosts.right, socket.SOCK_STREAM, 1):
            stack.enter_context(one).listen()
        late = stack.enter_context(hosts.right.socket())
        with pytest.raises(OSError, match="in use"):
            late.bind(("10.0.0.2", 7000))
        late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        late.bind(("10.0.0.2", 7000))
        with pytest.raises(OSError, match="in use"):
            late.listen()


def test_datagrams_of_one_sender_come_to_one_of_those_that_share(hosts):
    with ExitStack() as stack:
        receivers = [stack.enter_context(one) for one in sharing(hosts.right, socket.SOCK_DGRAM)]
        senders = [stack.enter_context(hosts.left.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(30)]
        for n, sender in enumerate(senders):
            sender.bind(("10.0.0.1", 50000 + n))
            sender.sendto(b"one", ("10.0.0.2", 7000))
            sender.sendto(b"two", ("10.0.0.2", 7000))
        got = []
        for receiver in receivers:
            receiver.setblocking(False)
            mine = []
            while True:
                try:
                    mine.append(receiver.recvfrom(100))
                except BlockingIOError:
                    break
            got.append(mine)
        assert all(len(mine) >= 6 for mine in got)
        assert sum(len(mine) for mine in got) == 60
        assert all(sum(peer == source for _, peer in mine) == 2 for mine in got for _, source in mine)
