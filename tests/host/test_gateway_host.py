"""A kernel client and a kernel server across a Lan, in a namespace: mosquitto, and addresses beyond loopback."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.host.namespaces import namespace, require, wait_until

pytestmark = pytest.mark.host

BROKERS = """
    import subprocess
    from components.lan import Lan
    from stack.tcp.config import TcpConfig

    quick = TcpConfig(initial_rto=0.1, min_rto=0.05, max_rto=0.4)
    with Lan(seed=1, clock="real", dhcp=True) as lan:  # with this seed the lease loses one message, for three seconds
        lan.host("gateway", ip="10.0.0.254", tcp=quick)
        broker = lan.reach("127.0.0.1:1883", as_="broker", loss="30%", only="ip", delay="2ms", tcp=quick)
        with lan.publish(broker, 1883) as door:
            at = ["-h", door.address[0], "-p", str(door.port), "-q", "1"]
            for n in range(3):
                words = ["-t", "readings/%d" % n, "-r", "-m", "%d " % n + "x" * 3000]
                subprocess.run(["mosquitto_pub", *at, *words], check=True, timeout=40)
            words = ["-t", "readings/+", "-C", "3", "-W", "40"]
            heard = subprocess.run(["mosquitto_sub", *at, *words], check=True, capture_output=True, text=True)
            print(sorted(line[0] for line in heard.stdout.splitlines() if len(line) == 3002), lan.now() > 3)
"""

ELSEWHERE = """
    from components.lan import Lan

    def get(host):
        with host.create_connection(("192.0.2.1", 8000), 10) as s:
            s.sendall(b"GET /page HTTP/1.0\\r\\n\\r\\n")
            with s.makefile("rb") as answer:
                return answer.read().rpartition(b"\\r\\n")[2]

    with Lan(clock="real") as lan:
        lan.internet(to="192.0.2.0/24")
        client = lan.host("client")
        print(get(client).decode())
        try:
            client.create_connection(("198.51.100.1", 8000), 10)
        except ConnectionRefusedError:
            print("refused")
        try:
            client.create_connection(("192.0.2.2", 8000), 10)
        except ConnectionRefusedError:
            print("no route")
"""


@pytest.fixture
def inside():
    with namespace() as made:
        yield made


def listening(ns, port: int) -> bool:
    return f":{port} " in ns.exec("ss", "-Htln").stdout


def play(ns, scene: str) -> str:
    done = ns.exec(sys.executable, "-c", textwrap.dedent(scene), timeout=60.0)
    return done.stdout


def test_a_client_and_a_broker_of_the_kernels_talk_across_the_lan(inside, tmp_path):
    for program in ("mosquitto", "mosquitto_pub"):
        require(program)
    settings = tmp_path / "mosquitto.conf"
    settings.write_text("listener 1883 127.0.0.1\nallow_anonymous true\n")
    inside.start("mosquitto", "-c", str(settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: listening(inside, 1883), what="mosquitto's start")
    assert play(inside, BROKERS).strip() == "['0', '1', '2'] True"


def test_only_where_it_is_allowed_the_lan_leads_out(inside, tmp_path):
    inside.ip("address", "add", "192.0.2.1/32", "dev", "lo")
    (tmp_path / "page").write_text("a page")
    inside.start(sys.executable, "-m", "http.server", "8000", "--directory", str(tmp_path), stderr=subprocess.DEVNULL)
    wait_until(lambda: listening(inside, 8000), what="http.server's start")
    assert play(inside, ELSEWHERE).splitlines() == ["a page", "refused", "no route"]
