"""Names from dnsmasq, which caches, truncates and talks TCP as real servers do."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.resolve import resolve
from netif.wire import dns
from netif.wire.dns import Mx, Srv, format_name, parse_name
from netif.wire.ip import parse_address
from stack.dns.findings import Finding, Outcome
from tests.host.namespaces import wait_until

pytestmark = pytest.mark.host

KERNEL = "192.168.5.1"
LONG = [f"--host-record=n{n}.cf.test,big.cf.test,10.78.{n // 250}.{n % 250 + 1}" for n in range(300)]
RECORDS = [
    "--address=/www.cf.test/10.77.0.9",
    "--cname=alias.cf.test,target.cf.test",
    "--cname=alias2.cf.test,alias.cf.test",
    "--host-record=target.cf.test,10.77.0.8,600",
    "--txt-record=text.cf.test,one,two",
    "--mx-host=cf.test,mail.cf.test,10",
    "--srv-host=_sip._tcp.cf.test,sip.cf.test,5060,1,2",
    "--host-record=six.cf.test,2001:db8::6",
    "--ptr-record=9.0.77.10.in-addr.arpa,www.cf.test",
    f"--host-record=gateway.cf.test,{KERNEL}",
    "--local=/cf.test/",
]


@pytest.fixture
def dnsmasq(ns, tmp_path) -> None:
    """A name server at 192.168.5.1 with a zone of its own, and nobody behind it; it gives addresses too."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    arguments = ["--no-daemon", "-C", "/dev/null", "--interface=tap0", "--bind-dynamic", "--pid-file=", "--no-ping"]
    leases = [f"--dhcp-leasefile={tmp_path}/leases", "--dhcp-range=192.168.5.50,192.168.5.60,2m", "--domain=cf.test"]
    ns.start("dnsmasq", *arguments, "--no-resolv", "--no-hosts", *leases, *RECORDS, *LONG, **silent)
    wait_until(lambda: f"{KERNEL}:53 " in ns.exec("ss", "-Hlun").stdout, what="dnsmasq's start")


@pytest.fixture
def resolving(dnsmasq, join) -> Any:
    """Our host beside it."""
    host = join()
    host.dns = (parse_address(KERNEL),)
    return host


def look_up(host: Any, name: str, kind: int) -> Finding:
    return resolve(host, name, next(word for word, number in dns.KINDS.items() if number == kind))


def test_addresses_and_aliases(resolving):
    assert resolving.gethostbyname("www.cf.test") == "10.77.0.9"
    assert resolving.gethostbyname("WWW.cf.TEST.") == "10.77.0.9"
    assert resolving.gethostbyname_ex("alias2.cf.test") == ("target.cf.test", ["alias2.cf.test"], ["10.77.0.8"])
    resolving.search = ("cf.test",)
    assert resolving.gethostbyname("target") == "10.77.0.8"


def test_every_kind(resolving):
    assert look_up(resolving, "text.cf.test", dns.TXT).records[0].data == (b"one", b"two")
    assert look_up(resolving, "cf.test", dns.MX).records[0].data == Mx(10, parse_name("mail.cf.test"))
    srv = look_up(resolving, "_sip._tcp.cf.test", dns.SRV).records[0].data
    assert srv == Srv(1, 2, 5060, parse_name("sip.cf.test"))
    assert look_up(resolving, "six.cf.test", dns.AAAA).records[0].data == bytes.fromhex("20010db8" + "0" * 23 + "6")
    assert format_name(look_up(resolving, "9.0.77.10.in-addr.arpa", dns.PTR).records[0].data) == "www.cf.test"
    assert resolving.gethostbyaddr("10.77.0.9") == ("www.cf.test", [], ["10.77.0.9"])


def test_what_is_not_there(resolving):
    with pytest.raises(socket.gaierror) as caught:
        resolving.gethostbyname("nobody.cf.test")
    assert caught.value.errno == socket.EAI_NONAME
    assert look_up(resolving, "text.cf.test", dns.A).outcome is Outcome.NO_DATA
    assert look_up(resolving, "elsewhere.example", dns.A).outcome is Outcome.FAILED  # REFUSED: nobody is behind it


def test_three_hundred_addresses_come_by_tcp(resolving):
    found = resolving.getaddrinfo("big.cf.test", 80, 0, socket.SOCK_STREAM)
    assert len({where for *_, where in found}) == 300
    assert resolving.tcp.connections, "a connection has just been closed"


def test_the_case_comes_back(resolving):
    import attrs

    resolving.resolver.config = attrs.evolve(resolving.resolver.config, mix_case=True)
    for n in range(20):
        assert resolving.gethostbyname(f"n{n}.cf.test") == f"10.78.0.{n + 1}"
    assert not resolving.tcp.connections


def test_connect_by_name(ns, resolving):
    ns.start("nc", "-N", "-l", KERNEL, "7006", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_until(lambda: ":7006 " in ns.exec("ss", "-Htln").stdout, what="nc's start")
    with resolving.create_connection(("gateway.cf.test", 7006), timeout=10) as s:
        assert s.getpeername() == (KERNEL, 7006)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["alias.cf.test"], "alias.cf.test. CNAME target.cf.test.\ntarget.cf.test. 600 A 10.77.0.8\n"),
        (["cf.test", "mx"], "cf.test. 0 MX 10 mail.cf.test.\n"),
        (["10.77.0.9", "--server", KERNEL], "9.0.77.10.in-addr.arpa. 0 PTR www.cf.test.\n"),
    ],
)
def test_the_command_prints_what_is_found(ns, dnsmasq, words, line):
    environment = ["env", f"PYTHONPATH={Path(__file__).parents[2]}"]
    done = ns.exec(*environment, sys.executable, "-m", "netif", "resolve", "-i", "tap0", *words)
    assert (done.stdout, done.stderr) == (line, "")


def test_the_command_says_what_is_not_there(ns, dnsmasq):
    environment = ["env", f"PYTHONPATH={Path(__file__).parents[2]}"]
    done = ns.exec(*environment, sys.executable, "-m", "netif", "resolve", "-i", "tap0", "no.cf.test", check=False)
    assert done.returncode == 1
    assert done.stderr == "netif: no.cf.test A: there is no such name\n"


def test_a_lease_brings_the_server_and_the_domain(ns, dnsmasq):
    from netif import Netif, Stack, Tap, ThreadedRuntime
    from netif.events import GotIp

    runtime = ThreadedRuntime(strict=True)
    driver = ns.call(lambda: Tap("tap0"))
    with Stack("printer", runtime=runtime) as host, Netif(driver, stack=host, dhcp=True) as netif:
        assert netif.wait_for(GotIp, 10) is not None
        assert (netif.dns, netif.search) == ((parse_address(KERNEL),), ("cf.test",))
        assert host.gethostbyname("target") == "10.77.0.8"
        assert host.gethostbyname("printer.cf.test") == str(netif.ip_info.ip)  # our name, as the server tells it
        assert host.getfqdn(str(netif.ip_info.ip)) == "printer.cf.test"
    runtime.check()
    runtime.close()
