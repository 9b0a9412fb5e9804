"""The commands as a person starts them: in processes of their own, without root, over the wires that need none."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys

import pytest

from components.cli import COMMANDS
from tests.components.commands import environment


def test_the_help_names_every_command_and_loads_none(command):
    helped = command("--help")
    assert helped.status == 0
    for name in COMMANDS:
        assert f"  {name} " in helped.out
    program = (
        "import sys; from components.cli import main; main(['--help']); print({'stack', 'asyncio'} & {*sys.modules})"
    )
    alone = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, text=True)
    assert alone.stdout.splitlines()[-1] == "set()", alone


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("demo", "host")])
def test_each_command_helps_with_the_wires_and_is_a_module_too(command, name):
    helped = command(name, "--help")
    assert helped.status == 0
    if name == "router":  # of several wires
        assert "docs/wires.md" in helped.out
    else:
        assert "-i unix:/tmp/lan --ip 10.0.0.1/24" in helped.out
        assert "NETIF_WIRE" in helped.out
    alone = command("--help", module=f"components.{name}")
    assert (alone.status, alone.out) == (0, helped.out)


def test_without_a_command_the_help_comes_with_an_error_status(command):
    asked = command()
    assert asked.status == 2
    assert "usage: netif COMMAND" in asked.out


def test_a_command_that_is_not_there_is_told_with_the_nearest(command):
    command("tcp_sever").complains("there is no command 'tcp_sever'; did you mean tcp_server?")


def test_the_demo_shows_a_trace_writes_a_capture_and_says_what_next(command, tmp_path):
    path = tmp_path / "demo.pcapng"
    shown = command("demo", "--pcapng", str(path))
    assert shown.status == 0, shown
    assert shown.err == ""
    assert "> 10.0.0.1.7: S 0:0(0)" in shown.out or "> 10.0.0.1.7: S" in shown.out
    assert "alice heard: HELLO 1 FROM ALICE" in shown.out
    assert "bob heard: HELLO 1 FROM BOB" in shown.out
    assert "-i unix:/tmp/lan" in shown.out.partition("What to try next")[2]
    assert path.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_the_demo_is_the_same_at_every_run_but_for_how_long_it_took(command, tmp_path):
    def once(name):
        shown = command("demo", "--pcapng", str(tmp_path / name))
        return [line for line in shown.out.splitlines() if "of ours" not in line and name not in line]

    assert once("one.pcapng") == once("two.pcapng")
    assert (tmp_path / "one.pcapng").read_bytes() == (tmp_path / "two.pcapng").read_bytes()


def test_ping_without_a_word_pings_the_other_host_of_a_pair(command):
    pinged = command("ping", "-c", "2", "--interval", "0.05")
    assert pinged.status == 0, pinged
    assert "64 bytes from 192.168.5.1: icmp_seq=2 ttl=64 time=" in pinged.out
    assert "2 packets transmitted, 2 received, 0% packet loss" in pinged.out


def test_ping_of_nobody_ends_with_status_1(command):
    pinged = command("ping", "192.168.5.77", "--timeout", "0.2")
    pinged.complains("192.168.5.77 has not answered", status=1)
    assert "100% packet loss" in pinged.out


def test_the_other_host_of_a_pair_gives_an_address_on_request(command):
    pinged = command("ping", "--once", "--dhcp", "-v", "--hostname", "kitchen-light")
    assert pinged.status == 0, pinged
    assert re.search(r"connect: READY, IP: 192\.168\.5\.\d+\n", pinged.out)
    assert "64 bytes from 192.168.5.1: icmp_seq=1 ttl=64 time=" in pinged.out
    assert "DHCP: REQUESTING -> BOUND" in pinged.err
    assert "kitchen-light" in pinged.err


def test_a_client_without_a_word_talks_to_a_server_in_the_same_process(command):
    talked = command("tcp_client", "--once", "--message", "a word")
    assert talked.status == 0, talked
    assert re.search(r"I \(\d+\) tcp_client: Successfully connected\n", talked.out)
    assert "Received 6 bytes from 192.168.5.1: a word" in talked.out


def test_a_server_without_a_word_has_a_client_in_the_same_process(command):
    served = command("tcp_server", "--once")
    assert served.status == 0, served
    assert "Socket accepted ip address: 192.168.5.1:" in served.out
    assert "Connection closed by 192.168.5.1:" in served.out


@pytest.mark.parametrize("name", ["udp_client", "udp_server"])
def test_the_udp_samples_without_a_word_talk_within_this_process(command, name):
    talked = command(name, "--once")
    assert talked.status == 0, talked
    assert re.search(r"udp_client: Message sent\n", talked.out)
    assert re.search(r"udp_server: Received 19 bytes from 192\.168\.5\.\d+:\d+: Message from netif ?\n", talked.out)


def test_a_page_without_a_word_more_is_that_of_the_other_host_of_a_pair(command, tmp_path):
    fetched = command("http_get")
    assert fetched.status == 0, fetched
    assert fetched.out.startswith("<!DOCTYPE html>")
    saved = command("http_get", "http://192.168.5.1/big/300000", "-o", str(tmp_path / "big"))
    assert saved.status == 0, saved
    assert re.search(r"http_get: 300000 bytes of http://192.168.5.1/big/300000 are in ", saved.out)
    assert (tmp_path / "big").stat().st_size == 300_000
    command("http_get", "192.168.5.1/nix").complains("http://192.168.5.1/nix: the server says 404 Not Found", status=1)


def test_the_http_server_without_a_word_is_visited_within_this_process(command):
    served = command("http_server", "--once", "-v")
    assert served.status == 0, served
    assert re.search(r"http_server: http://192.168.5.100:80/ and /big/N\n", served.out)
    assert re.search(r"http_server: GET /: 200, \d+ bytes\n", served.out)


def test_the_small_services_without_a_word_have_a_client_in_the_same_process(command):
    served = command("small_services", "--once")
    assert served.status == 0, served
    assert "echo 7, discard 9, chargen 19 over TCP and UDP on 192.168.5.100" in served.out


def test_loss_and_delay_and_a_seed_apply_to_any_command(command):
    words = ("ping", "-c", "20", "--interval", "0.02", "--loss", "30%", "--delay", "1ms", "--seed", "3")
    one, other = command(*words), command(*words)
    assert "20 packets transmitted" in one.out
    lost = re.search(r"(\d+)% packet loss", one.out)
    assert 5 <= int(lost[1]) <= 90
    assert lost[0] in other.out


def test_every_frame_is_told_with_vv_and_written_with_pcapng(command, tmp_path):
    path = tmp_path / "ping.pcapng"
    pinged = command("ping", "--once", "-vv", "--pcapng", str(path))
    assert pinged.status == 0, pinged
    assert "ICMP" in pinged.err.upper()
    assert "who-has 192.168.5.1 tell 192.168.5.100" in pinged.err
    assert path.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_the_environment_chooses_as_the_flags_do(command):
    pinged = command("ping", "--once", NETIF_IP="10.7.0.2/16", NETIF_GW="10.7.0.9")
    assert "64 bytes from 10.7.0.9" in pinged.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ping", "--ip", "nonsense/24"), "--ip: 'nonsense' is not an IPv4 address"),
        (("ping", "--mtu", "1"), "--mtu: 1 is out of range"),
        (("ping", "-i", "nosuchdev0"), "-i nosuchdev0: there is no device nosuchdev0"),
        (("ping", "-i", "tapp:tap0"), "there is no wire tapp:, did you mean tap:"),
        (("ping", "-i", "tapp\x1b[2J:tap0"), "there is no wire tapp\\x1b[2J:"),
        (("ping", "-i", "unix:/tmp/lan"), "--ip is missing: on unix: every host says its own"),
        (("ping", "-i", "unix:", "--ip", "10.0.0.1/24"), "-i unix: wants a path"),
        (("ping", "-i", "unix:/no/such/place", "--ip", "10.0.0.1/24"), "/no/such/place: "),
        (("ping", "-i", "unix:/tmp/x" + "y" * 200, "--ip", "10.0.0.1/24"), "/tmp/xyyy"),
        (("ping", "--gw", "10.0.0.1"), "--gw: 10.0.0.1 is not in 192.168.5.0/24"),
        (("ping", "--pcapng", "/no/such/place/f"), "--pcapng /no/such/place/f: No such file or directory"),
        (("ping", "not.an.address"), "not.an.address: Name or service not known"),
        (("ping", ""), "which HOST"),
        (("ping", "-c", "0"), "-c at least 1"),
        (("ping", "-c", "many"), "argument -c: invalid int value: 'many'"),
        (("tcp_client", "192.168.5.1", "99999"), "99999 is no port: write 1 to 65535"),
        (("tcp_server", "http"), "http is no port"),
        (("udp_client", "192.168.5.1", "0"), "0 is no port: write 1 to 65535"),
        (("udp_server", "99999999999999999999"), "99999999999999999999 is no port"),
        (("http_server", "--port", "0"), "0 is no port: write 1 to 65535"),
        (("http_get", "https://192.168.5.1/"), "https://192.168.5.1/: there is only http: here"),
        (("http_get", "-o", "/no/such/place/f"), "-o /no/such/place/f: No such file or directory"),
        (("tcp_server", "--sideways"), "unrecognized arguments: --sideways"),
        (("demo", "--loss", "lots"), "argument --loss: lots is no share of the frames"),
        (("demo", "--pcapng", "/no/such/place/f"), "--pcapng /no/such/place/f: No such file or directory"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_status_2(command, words, says):
    command(*words).complains(re.escape(says))


def test_a_server_that_nobody_visits_gives_up_with_status_1(command, tmp_path):
    words = ("-i", f"unix:{tmp_path}/lan", "--ip", "10.0.0.1/24", "--timeout", "0.3")
    command("tcp_server", *words).complains("no client has come to port 3333 within 0.3 s", status=1)
    command("tcp_client", "10.0.0.9", *words).complains("no connection to 10.0.0.9:3333 within 0.3 s", status=1)


def test_on_a_socket_without_a_gateway_the_host_has_to_be_said(command, tmp_path):
    told = command("tcp_client", "-i", f"unix:{tmp_path}/lan", "--ip", "10.0.0.1/24")
    told.complains("which HOST")


def test_two_processes_talk_over_a_unix_socket(start, command, tmp_path):
    wire = ("-i", f"unix:{tmp_path}/lan")
    server = start("tcp_server", "--once", *wire, "--ip", "10.0.0.1/24")
    server.until("Socket listening")
    client = command("tcp_client", "--once", "10.0.0.1", *wire, "--ip", "10.0.0.2/24", "--message", "from afar")
    assert client.status == 0, client
    assert "Received 9 bytes from 10.0.0.1: from afar" in client.out
    status, out, err = server.finish()
    assert (status, err) == (0, "")
    assert "Socket accepted ip address: 10.0.0.2:" in out
    assert "Connection closed by 10.0.0.2:" in out
    assert not (tmp_path / "lan").exists()


def test_the_first_process_is_the_switch_for_all_later_ones(start, command, tmp_path):
    wire = ("-i", f"unix:{tmp_path}/lan")
    services = start("small_services", *wire, "--ip", "10.0.0.1/24")
    services.until("echo 7")
    server = start("tcp_server", *wire, "--ip", "10.0.0.2/24")
    server.until("Socket listening")
    client = command("tcp_client", "--once", "10.0.0.2", *wire, "--ip", "10.0.0.3/24", "--timeout", "10")
    assert client.status == 0, client
    pinged = command("ping", "--once", "10.0.0.2", *wire, "--ip", "10.0.0.4/24")
    assert pinged.status == 0, pinged


def test_when_the_switch_dies_another_takes_its_place(start, command, tmp_path):
    wire = ("-i", f"unix:{tmp_path}/lan")
    switch = start("tcp_server", *wire, "--ip", "10.0.0.1/24")
    switch.until("Socket listening")
    server = start("tcp_server", *wire, "--ip", "10.0.0.2/24")
    server.until("Socket listening")
    switch.signal(signal.SIGKILL)
    client = command("tcp_client", "--once", "10.0.0.2", *wire, "--ip", "10.0.0.3/24", "--timeout", "10")
    assert client.status == 0, client


def test_the_client_waits_for_a_server_that_comes_later(start, tmp_path):
    wire = ("-i", f"unix:{tmp_path}/lan")
    client = start("tcp_client", "--once", "10.0.0.1", *wire, "--ip", "10.0.0.2/24")
    client.until("connecting to 10.0.0.1:3333")
    server = start("tcp_server", "--once", *wire, "--ip", "10.0.0.1/24")
    status, out, err = client.finish(30.0)
    assert (status, err) == (0, "")
    assert "Successfully connected" in out
    assert server.finish()[0] == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tcp_server", "Received"),
        ("tcp_client", "Received"),
        ("udp_server", "Received"),
        ("udp_client", "Received"),
        ("small_services", "echo 7"),
        ("http_server", "/big/N"),
        ("ping", "64 bytes"),
    ],
)
def test_a_signal_ends_a_command_in_order(start, name, said, number, status):
    running = start(name)
    running.until(said)
    running.signal(number)
    ended, _out, err = running.finish()
    assert (ended, err) == (status, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_mid_transfer_ends_the_connection_in_order(start, tmp_path, number):
    """The peer sees FIN, not silence: its own read ends at once."""
    wire = ("-i", f"unix:{tmp_path}/lan")
    server = start("tcp_server", *wire, "--ip", "10.0.0.1/24")
    server.until("Socket listening")
    client = start("tcp_client", "10.0.0.1", *wire, "--ip", "10.0.0.2/24", "--interval", "0.05")
    client.until("Received")
    client.signal(number)
    assert client.finish()[0] == 128 + number
    server.until("Connection closed by 10.0.0.2:")


def test_a_command_in_the_background_of_a_shell_still_ends_by_sigterm(start):
    """Such a shell has SIGINT ignored."""
    running = start("ping", before=("sh", "-c", 'trap "" INT; exec "$@"', "sh"))
    running.until("64 bytes")
    running.signal(signal.SIGTERM)
    ended, _out, err = running.finish()
    assert (ended, err) == (143, "")


def test_output_into_a_closed_pipe_is_no_traceback(start):
    running = start("ping", "--interval", "0.01")
    running.until("64 bytes")
    status, _out, err = running.close_stdout()
    assert status in (1, 141)
    assert "Traceback" not in err


@pytest.fixture
def crowded(tmp_path):
    """A directory that holds somebody's own `stack` and `components`."""
    (tmp_path / "stack.py").write_text("raise SystemExit('the wrong stack')")
    (tmp_path / "components").mkdir()
    (tmp_path / "components" / "__init__.py").write_text("raise SystemExit('the wrong components')")
    return tmp_path


def test_somebody_elses_modules_in_the_directory_do_no_harm(command, crowded):
    talked = command("tcp_client", "--once", python=("-P",), cwd=crowded)
    assert talked.status == 0, talked


def test_somebody_elses_modules_in_the_way_are_named(command, crowded):
    told = command("tcp_client", "--once", cwd=crowded)
    assert told.status != 0
    assert str(crowded / "stack.py") in told.err
    assert "Traceback" not in told.err


def test_a_wire_that_is_taken_by_something_else_is_told(command, tmp_path):
    path = tmp_path / "notes"
    path.write_text("not a socket")
    told = command("ping", "10.0.0.1", "-i", f"unix:{path}", "--ip", "10.0.0.2/24")
    told.complains(re.escape(f"{path}: "))
    assert path.read_text() == "not a socket"


def test_a_socket_whose_owner_died_is_taken_over(command, tmp_path):
    path = str(tmp_path / "lan")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    pinged = command("ping", "--once", "10.0.0.9", "-i", f"unix:{path}", "--ip", "10.0.0.1/24", "--timeout", "0.2")
    pinged.complains("10.0.0.9 has not answered", status=1)
