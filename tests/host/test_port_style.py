"""Whole programs on a real TAP, started as a person would: a listing in each style, and the samples."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from tests.host.namespaces import wait_until

pytestmark = pytest.mark.host

ROOT = Path(__file__).resolve().parents[2]
KERNEL, OURS = "192.168.5.1", "192.168.5.100"

PORT_STYLE = """
    from netif import InherentConfig, DriverIfconfig, NetstackConfig, NetifConfig, Flags, IpInfo
    from netif import netif_init, netif_new, netif_attach, netif_destroy, netif_deinit, netif_get_ip_info
    from netif import netif_action_start, netif_action_connected
    from tapio import tapio_create, tapio_output
    from stack import ethif_init, ethif_input
    import stack.socket as socket

    netif_init()
    tap = tapio_create("tap0")
    cfg = NetifConfig(
        base=InherentConfig(if_key="TAP", flags=Flags.AUTOUP,
                            ip_info=IpInfo("192.168.5.100", "255.255.255.0", "192.168.5.1"), route_prio=100),
        driver=DriverIfconfig(handle=tap, transmit=tapio_output),
        stack=NetstackConfig(init_fn=ethif_init, input_fn=ethif_input))
    tap_netif = netif_new(cfg)
    netif_attach(tap_netif, tap)
    s = socket.socket(); s.connect(("192.168.5.1", 3333)); s.sendall(b"hello"); print(s.recv(100)); s.close()
    netif_destroy(tap_netif); netif_deinit()
"""

PYTHON_STYLE = """
    from netif import Netif, Stack, Tap

    with Stack() as host, Netif(Tap("tap0"), stack=host, ip="192.168.5.100/24", gateway="192.168.5.1"):
        with host.socket() as s:
            s.connect(("192.168.5.1", 3333)); s.sendall(b"hello"); print(s.recv(100))
"""


@pytest.fixture
def answering(ns):
    """A kernel-side server on 3333 that answers once, in capitals; what the client said before it closed."""
    said: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _peer = listener.accept()
        connection.settimeout(10)
        with connection:
            data = connection.recv(1000)
            connection.sendall(data.upper())
            said.append(data + connection.recv(1000))

    with ns.listen(KERNEL, 3333) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield said
        thread.join(10)


def program(ns, *arguments: str, **options) -> subprocess.Popen:
    return ns.start(
        sys.executable, *arguments, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


@pytest.mark.parametrize("listing", [PORT_STYLE, PYTHON_STYLE], ids=["port style", "Python style"])
def test_a_listing_talks_to_the_kernel(ns, answering, listing):
    process = program(ns, "-W", "error", "-c", textwrap.dedent(listing))
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("b'HELLO'\n", "", 0)
    wait_until(lambda: answering == [b"hello"], what="an orderly end of the connection")


def test_tcp_client_says_hello_to_the_kernel(ns, answering):
    process = program(ns, "-m", "netif", "tcp_client", "-i", "tap0", "--once", "--timeout", "10")
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, out + err
    assert len(answering) == 1


def test_tcp_server_serves_nc(ns):
    process = program(ns, "-m", "netif", "tcp_server", "-i", "tap:tap0", "--once", "--timeout", "10")
    wait_until(lambda: ns.exec("nc", "-z", "-w", "1", OURS, "3333", check=False).returncode == 0, 10, "the server")
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, out + err
    assert "Traceback" not in err


def test_ping_reaches_the_kernel(ns):
    process = program(ns, "-m", "netif", "ping", "-i", "tap0", "--once", KERNEL)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, out + err
    assert KERNEL in out


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_mid_transfer_ends_everything_in_order(ns, number, status):
    process = program(ns, "-m", "netif", "small_services", "-i", "tap0")
    wait_until(lambda: ns.exec("nc", "-z", "-w", "1", OURS, "19", check=False).returncode == 0, 10, "the services")
    with ns.connect((OURS, 19)) as s:
        s.recv(1 << 16)
        process.send_signal(number)
        with_end = True
        try:
            while s.recv(1 << 20):
                pass
        except ConnectionResetError:
            with_end = False  # the linger time was over first
    out, err = process.communicate(timeout=20)
    assert process.returncode == status, (with_end, out, err)
    assert "Traceback" not in err
