"""Several threads in accept: one is woken for each connection, and none is lost when it goes without."""

PATIENCE = 20


class Noted:
    """A Waiter that only notes that it was woken."""

    def __init__(self):
        self.woken = False

    def wake(self):
        self.woken = True


def under_gate(stack, act):
    stack.runtime.enter()
    try:
        return act()
    finally:
        stack.runtime.leave()


def test_one_connection_wakes_one_of_those_who_accept_the_last_that_came(hosts):
    first, last = Noted(), Noted()
    listener = under_gate(hosts.right, lambda: hosts.right.tcp.listen((None, 7100)))
    under_gate(hosts.right, lambda: (listener.wait_readable(first), listener.wait_readable(last)))
    with hosts.left.create_connection(("10.0.0.2", 7100), timeout=PATIENCE):
        assert last.woken
        assert not first.woken
        under_gate(hosts.right, lambda: listener.accept().abort())
    under_gate(hosts.right, listener.close)
    assert first.woken


def test_whoever_was_woken_and_goes_without_it_leaves_the_connection_to_the_next(hosts):
    first, last = Noted(), Noted()
    listener = under_gate(hosts.right, lambda: hosts.right.tcp.listen((None, 7100)))
    under_gate(hosts.right, lambda: (listener.wait_readable(first), listener.wait_readable(last)))
    with hosts.left.create_connection(("10.0.0.2", 7100), timeout=PATIENCE):
        under_gate(hosts.right, lambda: listener.forget(last))
        assert first.woken
    under_gate(hosts.right, listener.close)


def test_each_of_many_clients_finds_a_thread_that_accepts(hosts):
    with hosts.right.create_server(("", 7100)) as listener:

        def serve():
            served = 0
            while True:
                connection, _ = listener.accept()
                with connection:
                    data = connection.recv(100)
                    if data == b"end":
                        return served
                    connection.sendall(data)
                    served += 1

        servers = [hosts.run(serve) for _ in range(4)]
        for n in range(100):
            with hosts.left.create_connection(("10.0.0.2", 7100), timeout=PATIENCE) as client:
                client.sendall(b"%d" % n)
                assert client.recv(100) == b"%d" % n
        for _ in servers:
            with hosts.left.create_connection(("10.0.0.2", 7100), timeout=PATIENCE) as client:
                client.sendall(b"end")
                assert client.recv(1) == b""
        assert sum(server.result(PATIENCE) for server in servers) == 100
