"""getaddrinfo and its kin, asked anything, beside glibc's; and programs that try IPv6 first (RFC 8305)."""

import errno
import itertools
import socket as kernel
from functools import partial

import pytest

import stack.socket as ours

HOSTS = [
    "127.0.0.1", None, "", b"127.0.0.1", "localhost", "1.2.3", "0x7f000001", "1.2.3.4 ", " 1.2.3.4", "a b", "1.2.3.4%1",
    "::1", 5, "255.255.255.256", "1.2.3.4.", "127.0.0.1\n",
]  # fmt: skip
PORTS = [
    80, "80", "http", None, b"80", -1, 70000, "70000", "nosuch", "", 0, "0x50", 1.5, " 80", "80 ", "+80", "-1", 1 << 70,
]  # fmt: skip
FAMILIES = [0, 2, 1, 10, 99, -1]
TYPES = [0, 1, 2, 3, 4, 9, 99]
PROTOCOLS = [0, 6, 17, 1, 255, 41, -1, 300]  # DCCP and SCTP, which glibc knows, are not among them
HERE = "127.0.0.1"


def answer(call, *arguments):
    try:
        found = call(*arguments)
    except Exception as error:
        return type(error), getattr(error, "errno", None)
    return sorted((one for one in found if one[0] == kernel.AF_INET), key=repr) if isinstance(found, list) else found


def differ(mine, theirs, rows):
    return [row for row in rows if answer(mine, *row) != answer(theirs, *row)]


@pytest.mark.parametrize("flags", [0, kernel.AI_NUMERICHOST, kernel.AI_PASSIVE, kernel.AI_CANONNAME])
def test_hosts(hosts, flags):
    if not flags:
        known = [host for host in HOSTS if not isinstance(host, str) or host[:1].isdigit()][:8]
    else:
        known = HOSTS if flags == kernel.AI_NUMERICHOST else [HERE, None, b"127.0.0.1", 5]
    rows = [(host, 80, kernel.AF_INET, 0, 0, flags) for host in known if host != "1.2.3.4 "]
    assert differ(hosts.left.getaddrinfo, kernel.getaddrinfo, rows) == []


def test_ports(hosts):
    rows = [
        (HERE, *row)
        for row in itertools.product(PORTS, [kernel.AF_INET], [0, 1, 2, 3], [0], [0, kernel.AI_NUMERICSERV])
    ]
    assert differ(hosts.left.getaddrinfo, kernel.getaddrinfo, rows) == []


def test_families_types_and_protocols(hosts):
    rows = [(HERE, *row) for row in itertools.product([80, None], FAMILIES, TYPES, PROTOCOLS)]
    assert differ(hosts.left.getaddrinfo, kernel.getaddrinfo, rows) == []


def test_flags(hosts):
    flags = [*(1 << n for n in range(20)), -1, 0x7FFFFFFF, 0x18]
    rows = [(host, 80, family, 1, 0, each) for host in (HERE, None) for family in (0, 2) for each in flags]
    assert differ(hosts.left.getaddrinfo, kernel.getaddrinfo, rows) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ((HERE, 80), 0),
        ((HERE, 80), kernel.NI_NUMERICHOST | kernel.NI_NUMERICSERV),
        ((HERE, 53), kernel.NI_DGRAM | 1),
        ((HERE, 70000), 1),
        ((HERE, -1), 1),
        ((HERE, "80"), 3),
        ((HERE,), 0),
        ((HERE, 80, 1, 2, 3), 0),
        ((HERE, 80, 0, 0), 3),
        ([HERE, 80], 3),
        ((1, 2), 0),
        (("x y", 80), 0),
        (HERE, 0),
        ((HERE, 80), 1 << 20),
        ((HERE, 80), "3"),
    ],
)
def test_getnameinfo(hosts, arguments):
    assert differ(hosts.left.getnameinfo, kernel.getnameinfo, [arguments]) == []


@pytest.mark.parametrize("name", ["gethostbyname", "gethostbyname_ex", "gethostbyaddr"])
@pytest.mark.parametrize("host", [HERE, "localhost", b"127.0.0.1", 5, None, "x\0y", "1.2.3"])
def test_the_older_functions(hosts, name, host):
    assert differ(getattr(hosts.left, name), getattr(kernel, name), [(host,)]) == []


def test_interfaces_by_number_and_name(hosts):
    for name, wrong in (("if_nametoindex", ["nosuch", 5]), ("if_indextoname", [99999, "1", -1, 1 << 40, 1 << 70])):
        mine = partial(getattr(ours, name), stack=hosts.left)
        assert differ(mine, getattr(kernel, name), [(each,) for each in wrong]) == []


def test_ipv6_is_not_there(hosts):
    assert ours.has_ipv6 is False
    assert ours.has_dualstack_ipv6() is False
    with pytest.raises(OSError, match="Address family not supported") as caught:
        hosts.left.socket(ours.AF_INET6)
    assert caught.value.errno == errno.EAFNOSUPPORT
    with pytest.raises(ours.gaierror):
        hosts.left.getaddrinfo("::1", 80, ours.AF_INET6)
    with pytest.raises(ours.gaierror):
        hosts.left.getaddrinfo("localhost", 80, ours.AF_INET6)


def connected_by_whoever_answers(module, stack, port):
    """What programs do that know both families: IPv6 first, then IPv4, in whatever way each fails."""
    failures = []
    for family in (module.AF_INET6, module.AF_INET):
        try:
            found = module.getaddrinfo("there", port, family, module.SOCK_STREAM, stack=stack)
        except module.gaierror as error:
            failures.append(error)
            continue
        for its, kind, protocol, _, address in found:
            made = None
            try:
                made = module.socket(its, kind, protocol, stack=stack)
                made.settimeout(20)
                made.connect(address)
            except OSError as error:
                failures.append(error)
                if made is not None:
                    made.close()
                continue
            return made, failures
    raise failures[-1]


def test_programs_that_try_both_families_fall_back(hosts):
    hosts.left.hosts["there"] = bytes([10, 0, 0, 2])
    with hosts.right.create_server(("", 7000)):
        made, failures = connected_by_whoever_answers(ours, hosts.left, 7000)
        with made:
            assert made.getpeername() == ("10.0.0.2", 7000)
        assert len(failures) == 1
        with ours.create_connection(("there", 7000), 20, stack=hosts.left) as made:
            assert made.family == ours.AF_INET
        with pytest.raises(OSError, match="Address family not supported"):
            ours.create_server(("::", 0), family=ours.AF_INET6, stack=hosts.left)
        with pytest.raises(ValueError, match="dualstack"):
            ours.create_server(("", 0), family=ours.AF_INET6, dualstack_ipv6=True, stack=hosts.left)
