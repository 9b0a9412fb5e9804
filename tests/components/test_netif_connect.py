"""netif_connect: one call, and the default stack is on a network. Over a Unix socket, against a host of the test's."""

from __future__ import annotations

import pytest

import stack.socket as socket
from components.command import Complaint
from components.netif_connect import chosen, netif_connect, netif_disconnect
from netif import Netif, NetifError, Stack, ThreadedRuntime, esp
from netif.errors import InvalidArg
from tapio import UnixWire


@pytest.fixture
def path(tmp_path):
    yield str(tmp_path / "lan")
    esp.netif_deinit()


@pytest.fixture
def other(path):
    """A host at 10.0.0.2 that answers on port 7; it is the switch."""
    runtime = ThreadedRuntime(strict=True)
    host = Stack("other", runtime=runtime)
    Netif(UnixWire(path), stack=host, ip="10.0.0.2/24")

    def echo():
        with host.create_server(("", 7)) as listener:
            while True:
                connection, _peer = listener.accept()
                with connection:
                    while data := connection.recv(100):
                        connection.sendall(data)

    task = host.runtime.spawn(echo)
    yield host
    host.close()
    runtime.close()
    assert task.done()


def talk():
    with socket.create_connection(("10.0.0.2", 7), timeout=5) as s:
        s.sendall(b"hello")
        return s.recv(100)


def test_one_call_and_sockets_have_a_network(path, other):
    made = netif_connect(f"unix:{path}", ip="10.0.0.1/24", hostname="kitchen-light", dns="10.0.0.2")
    assert talk() == b"hello"
    assert (made.if_key, made.route_prio, made.hostname) == ("TAP", 100, "kitchen-light")
    assert made.dns == (socket.inet_aton("10.0.0.2"),)
    assert esp.netif_get_handle_from_ifkey("TAP") is made
    netif_disconnect()
    assert esp.netif_get_nr_of_ifs() == 0
    with pytest.raises(OSError, match="unreachable"):
        talk()


def test_it_is_found_at_the_door_and_among_the_port_style_names():
    import netif

    assert netif.netif_connect is esp.netif_connect is netif_connect
    assert netif.netif_disconnect is esp.netif_disconnect is netif_disconnect


def test_it_can_be_had_again(path, other):
    for _ in range(3):
        netif_connect(f"unix:{path}", ip="10.0.0.1/24")
        assert talk() == b"hello"
        netif_disconnect()
        netif_disconnect()


def test_deinit_ends_it_too(path, other):
    netif_connect(f"unix:{path}", ip="10.0.0.1/24")
    esp.netif_deinit()
    assert esp.netif_get_nr_of_ifs() == 0
    netif_connect(f"unix:{path}", ip="10.0.0.1/24")
    assert talk() == b"hello"


@pytest.mark.parametrize(
    ("words", "options", "says"),
    [
        ("pair:", {}, "pair: has nobody at its other end here; name a wire, such as tap0"),
        ("unix:", {"ip": "10.0.0.1/24"}, "unix: wants a path"),
        ("tapp:x", {}, "there is no wire tapp:, did you mean tap:"),
        ("unix:x", {"ip": "10.0.0.1"}, "ip: '10.0.0.1' has no prefix length: write it as in 10.0.0.1/24"),
        ("unix:x", {"ip": "10.0.0.1/24", "gateway": "10.0.1.1"}, "gateway: 10.0.1.1 is not in 10.0.0.0/24"),
        ("unix:x", {"ip": "10.0.0.1/24", "dhcp": True}, "dhcp and ip exclude each other"),
        ("unix:x", {"ip": "10.0.0.1/24", "mtu": 20}, "mtu: 20 is out of range"),
        ("unix:x", {"dhcp": False}, "ip is missing"),
    ],
)
def test_a_mistake_is_an_error_that_names_the_argument(words, options, says):
    with pytest.raises(InvalidArg, match=f"^netif_connect: .*{says}") as told:
        netif_connect(words, **options)
    assert isinstance(told.value, NetifError)
    assert "\n" not in str(told.value)


def test_a_program_gives_up_its_rights_itself(path):
    with pytest.raises(Complaint, match="NETIF_USER is for commands"):
        chosen({"wire": f"unix:{path}", "ip": "10.0.0.1/24"}, None, {"NETIF_USER": "nobody"})


def test_a_wire_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no/such/place"):
        netif_connect(f"unix:{tmp_path}/no/such/place", ip="10.0.0.1/24")
    assert esp.netif_get_nr_of_ifs() == 0
