"""The commands on a TAP that make_tap_netif made, with this machine's kernel as the other host."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.host
MAKE = "components.host.tap"


@pytest.fixture
def tap(command, namespace):
    """A prefix that runs a command in a namespace with `tap0`, 192.168.5.1 at the kernel's end."""
    made = command("--netns", namespace, module=MAKE)
    assert made.status == 0, made
    return ("ip", "netns", "exec", namespace)


def kernel(tap, program, **how):
    """A Python program on the kernel's sockets at the other end."""
    line = [*tap, sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.run(line, capture_output=True, text=True, timeout=30, **how)


def test_ping_without_a_word_more_asks_the_kernel(command, tap):
    pinged = command("ping", "-i", "tap0", "-c", "3", "--interval", "0.05", before=tap)
    assert pinged.status == 0, pinged
    assert "64 bytes from 192.168.5.1: icmp_seq=3 ttl=64 time=" in pinged.out


def test_the_kernel_finds_the_server(start, tap):
    server = start("tcp_server", "--once", "-i", "tap:tap0", before=tap)
    server.until("Socket listening")
    asked = kernel(
        tap,
        """
        import socket
        with socket.create_connection(("192.168.5.100", 3333)) as s:
            s.sendall(b"Data to ESP")
            print(s.recv(100))
        """,
    )
    assert asked.stdout == "b'Data to ESP'\n", asked.stderr
    status, out, err = server.finish()
    assert (status, err) == (0, "")
    assert re.search(r"Socket accepted ip address: 192\.168\.5\.1:\d+\n", out)
    assert re.search(r"Received 11 bytes from 192\.168\.5\.1:\d+: Data to ESP\n", out)


def test_the_client_finds_the_kernels_server(start, tap):
    client = start("tcp_client", "--once", "-i", "tap0", "--message", "hello kernel", before=tap)
    client.until("connecting to 192.168.5.1:3333")
    served = kernel(
        tap,
        """
        import socket
        with socket.create_server(("192.168.5.1", 3333)) as listener:
            s, _ = listener.accept()
            with s:
                data = s.recv(100)
                s.sendall(b"OK: " + data)
                print(data, s.recv(100))
        """,
    )
    assert served.stdout == "b'hello kernel' b''\n", served.stderr
    status, out, err = client.finish()
    assert (status, err) == (0, "")
    assert "Received 16 bytes from 192.168.5.1: OK: hello kernel" in out


def test_the_small_services_answer_the_kernel_and_end_in_order_under_load(start, tap):
    services = start("small_services", "-i", "tap0", before=tap)
    services.until("echo 7")
    asked = kernel(
        tap,
        """
        import socket
        with socket.create_connection(("192.168.5.100", 7)) as s:
            s.sendall(b"hello"); print(s.recv(100))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"hello", ("192.168.5.100", 7)); print(s.recv(100))
        """,
    )
    assert asked.stdout == "b'hello'\nb'hello'\n", asked.stderr
    reading = """
        import socket
        total = 0
        with socket.create_connection(("192.168.5.100", 19)) as s:
            print("reading", flush=True)
            try:
                while data := s.recv(1 << 20):
                    total += len(data)
                print("FIN")
            except ConnectionResetError:
                print("RST")
        print(total > 1 << 20)
    """
    line = [*tap, sys.executable, "-c", textwrap.dedent(reading)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "reading\n"
        with pytest.raises(subprocess.TimeoutExpired):
            reader.wait(0.5)  # mid-transfer
        services.signal(signal.SIGTERM)
        status, _out, err = services.finish(5.0)
        assert (status, err) == (143, "")
        assert reader.stdout.read() in ("FIN\nTrue\n", "RST\nTrue\n")


def test_a_device_that_is_not_there_is_made_only_when_asked(command, tap):
    command("ping", "-i", "tap7", before=tap).complains("there is no device tap7; make one with `make_tap_netif tap7`")
    command("ping", "-i", "tap:tap7", before=tap).complains("tap7.*make_tap_netif tap7")
    pinged = command("ping", "192.168.5.9", "-i", "tap:tap7,create", "--timeout", "0.2", before=tap)
    pinged.complains("192.168.5.9 has not answered", status=1)


@pytest.mark.parametrize(
    ("make", "name", "says", "bare"),
    [
        ("tuntap add dev tun7 mode tun", "tun7", "TUN", "tun7 is down: ip link set tun7 up"),
        ("link add veth7 type veth peer name veth8", "veth7", "veth", "veth7 is down: ip link set veth7 up"),
        ("link add br7 type bridge", "br7", "bridge", "br7 is down: ip link set br7 up"),
    ],
)
def test_a_device_of_another_kind_is_named(command, tap, make, name, says, bare):
    subprocess.run(["ip", "-n", tap[3], *make.split()], check=True)
    command("ping", "-i", name, before=tap).complains(bare)
    command("ping", "-i", f"tap:{name}", before=tap).complains(rf"{name}.*{says}")


def test_a_busy_device_is_told(command, start, tap):
    server = start("tcp_server", "-i", "tap0", before=tap)
    server.until("Socket listening")
    command("ping", "-i", "tap0", before=tap).complains("tap0 is in use by another program")


def test_a_device_that_goes_away_takes_the_command_along(start, tap):
    server = start("tcp_server", "-i", "tap0", before=tap)
    server.until("Socket listening")
    subprocess.run(["ip", "-n", tap[3], "link", "delete", "tap0"], check=True)
    status, _out, err = server.finish(5.0)
    assert status == 1
    assert re.fullmatch(r"netif: tap0 is gone: [^\n]+\n", err)


def test_a_device_that_is_down_is_told(command, tap):
    subprocess.run(["ip", "-n", tap[3], "link", "set", "tap0", "down"], check=True)
    command("ping", "-i", "tap0", before=tap).complains("tap0 is down: ip link set tap0 up")


def test_an_mtu_beyond_the_devices_is_told(command, tap):
    pinged = command("ping", "--once", "-i", "tap0", "--mtu", "9000", before=tap)
    pinged.complains("--mtu: 9000 is more than tap0 takes: 1500")


def test_the_kernels_own_mac_is_refused(command, tap):
    line = ["ip", "-n", tap[3], "-br", "link", "show", "tap0"]
    shown = subprocess.run(line, capture_output=True, text=True, check=True)
    mac = re.search(r"[0-9a-f:]{17}", shown.stdout)[0]
    command("ping", "-i", "tap0", "--mac", mac, before=tap).complains("the kernel's own MAC")


def test_somebody_elses_device_is_refused_with_a_remedy(command, tap):
    command("tap1", "--user", "1234", "--netns", tap[3], module=MAKE)
    nobody = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--")
    told = command("ping", "-i", "tap1", before=(*tap, *nobody, "sh", "-c", 'exec "$@"', "sh"))
    told.complains("tap1.*make_tap_netif")


def test_an_address_of_ones_own_wins_over_the_defaults(command, tap):
    pinged = command("ping", "192.168.5.1", "--once", "-i", "tap0", "--ip", "192.168.5.7/24", before=tap)
    assert pinged.status == 0, pinged


def test_nothing_is_left_of_a_device_that_was_made_for_the_while(command, tap):
    command("ping", "192.168.5.9", "-i", "tap:tap7,create", "--timeout", "0.1", before=tap)
    listed = subprocess.run(["ip", "-n", tap[3], "link", "show"], capture_output=True, text=True, check=True)
    assert "tap7" not in listed.stdout


def test_plain_frames_when_offload_is_switched_off(command, tap):
    pinged = command("ping", "--once", "-i", "tap:tap0,plain", before=tap)
    assert pinged.status == 0, pinged
