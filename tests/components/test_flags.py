"""What a person may say, by flag and by environment."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.command import Complaint, one_line
from components.flags import FLAGS, add_flags, choice_of
from components.parser import Parser


def choose(*words: str, **environment: str):
    parser = Parser(prog="netif test")
    add_flags(parser)
    return choice_of(parser.parse_args(list(words)), environment)


def test_without_a_word_a_pair_in_this_process_is_chosen():
    choice = choose()
    assert choice.wire == "pair:"
    assert choice.ip is None
    assert choice.loss == 0.0


def test_every_flag_reaches_the_choice():
    words = "-i tap:tap7 --ip 10.1.2.3/16 --gw 10.1.0.1 --mac 02-00-00-00-00-07 --mtu 9000 --loss 2% --delay 20ms"
    more = "--seed 0x10 --pcapng f.pcapng --bpf arp --timeout 3s --once -vv"
    choice = choose(*words.split(), *more.split())
    assert choice.wire == "tap:tap7"
    assert choice.ip == IPv4Interface("10.1.2.3/16")
    assert choice.gateway == IPv4Address("10.1.0.1")
    assert choice.mac == bytes.fromhex("020000000007")
    assert (choice.mtu, choice.loss, choice.delay, choice.seed) == (9000, 0.02, 0.02, 16)
    assert (choice.pcapng, choice.bpf, choice.timeout) == ("f.pcapng", "arp", 3.0)
    assert (choice.once, choice.verbose) == (True, 2)


def test_every_flag_has_a_twin_in_the_environment():
    choice = choose(
        NETIF_WIRE="unix:/tmp/lan",
        NETIF_IP="10.1.2.3/16",
        NETIF_GW="10.1.0.1",
        NETIF_MAC="02:00:00:00:00:07",
        NETIF_MTU="1400",
        NETIF_LOSS="0.5",
        NETIF_DELAY="1.5s",
        NETIF_SEED="7",
        NETIF_PCAPNG="g.pcapng",
        NETIF_BPF="arp",
        NETIF_TIMEOUT="2",
    )
    words = "-i unix:/tmp/lan --ip 10.1.2.3/16 --gw 10.1.0.1 --mac 02:00:00:00:00:07 --mtu 1400 --loss 50%"
    more = "--delay 1500ms --seed 7 --pcapng g.pcapng --bpf arp --timeout 2"
    assert choice == choose(*words.split(), *more.split())


def test_an_address_is_asked_for_by_flag_and_by_environment():
    words = ("--dhcp", "--dns", "10.0.0.53, 10.0.0.54", "--hostname", "kitchen-light")
    choice = choose(*words)
    assert choice.dhcp
    assert choice.dns == (IPv4Address("10.0.0.53"), IPv4Address("10.0.0.54"))
    assert choice.hostname == "kitchen-light"
    assert choice == choose(NETIF_DHCP="1", NETIF_DNS="10.0.0.53,10.0.0.54", NETIF_HOSTNAME="kitchen-light")
    assert not choose(NETIF_DHCP="no").dhcp
    assert not choose(NETIF_DHCP="").dhcp


def test_of_an_address_and_dhcp_the_flag_wins_over_the_environment():
    asked = choose("--dhcp", NETIF_IP="10.0.0.2/24", NETIF_GW="10.0.0.1")
    assert (asked.dhcp, asked.ip, asked.gateway) == (True, None, None)
    said = choose("--ip", "10.0.0.2/24", NETIF_DHCP="1", NETIF_GW="10.0.0.1")
    assert (said.dhcp, said.ip, said.gateway) == (False, IPv4Interface("10.0.0.2/24"), IPv4Address("10.0.0.1"))


def test_two_places_for_the_address_at_once_are_a_mistake():
    with pytest.raises(Complaint, match=r"^--dhcp and --ip exclude each other"):
        choose("--dhcp", "--ip", "10.0.0.2/24")
    with pytest.raises(Complaint, match=r"^NETIF_DHCP and NETIF_IP exclude each other"):
        choose(NETIF_DHCP="1", NETIF_IP="10.0.0.2/24")


def test_a_flag_wins_over_its_twin_and_an_empty_twin_says_nothing():
    assert choose("--mtu", "1300", NETIF_MTU="1400").mtu == 1300
    assert choose(NETIF_MTU="").mtu is None


def test_a_random_mac_is_a_locally_administered_station_and_follows_the_seed():
    one, other = choose("--mac", "random").mac, choose("--mac", "random").mac
    assert one != other
    assert one is not None
    assert one[0] & 3 == 2
    assert choose("--mac", "random", "--seed", "5").mac == choose("--mac", "random", "--seed", "5").mac


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--ip kitchen", "--ip: 'kitchen' is not an IPv4 address: write it as in 192.168.5.1"),
        ("--ip 10.0.0.1", "--ip: '10.0.0.1' has no prefix length: write it as in 10.0.0.1/24"),
        ("--ip 10.0.0.256/24", "--ip: '10.0.0.256' is not an IPv4 address"),
        ("--ip 10.0.0.0/24", "--ip: 10.0.0.0 names 10.0.0.0/24 as a whole"),
        ("--ip 10.0.0.255/24", "--ip: 10.0.0.255 names"),
        ("--ip 224.0.0.1/24", "--ip: 224.0.0.1 is no address for a host"),
        ("--ip 127.0.0.1/8", "--ip: 127.0.0.1 is no address for a host"),
        ("--ip 10.0.0.1/33", "--ip: "),
        ("-i ", "-i: wants a wire, such as tap:tap0"),
        ("--gw nonsense", "--gw: 'nonsense' is not an IPv4 address"),
        ("--ip 10.0.0.1/24 --gw 10.0.1.1", "--gw: 10.0.1.1 is not in 10.0.0.0/24"),
        ("--dhcp --gw 10.0.0.1", "--gw: with --dhcp the server says which gateway there is"),
        ("--dns here", "--dns: 'here' is not an IPv4 address"),
        ("--dns 10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4", "--dns: 4 name servers are too many: write at most 3"),
        ("--hostname under_score!", "--hostname: 'under_score!' has more than letters, digits"),
        ("--hostname " + "x" * 40, "--hostname: "),
        ("--mac 01:00:00:00:00:01", "--mac: 01:00:00:00:00:01 is no station's address"),
        ("--mac zebra", "--mac: "),
        ("--mtu 20", "--mtu: 20 is out of range: write 68 to 65521"),
        ("--mtu 70000", "--mtu: 70000 is out of range"),
        ("--mtu many", "--mtu: many is out of range"),
        ("--loss 101%", "--loss: 101% is no share of the frames: write 1% or 0.01"),
        ("--loss 5", "--loss: 5 is no share of the frames"),
        ("--loss nan", "--loss: nan is no share"),
        ("--delay -1", "--delay: "),
        ("--delay 5 minutes", "--delay: "),
        ("--delay inf", "--delay: inf is no time"),
        ("--seed dice", "--seed: dice is no number"),
        ("--timeout soon", "--timeout: soon is no time: write 20ms or 1.5s"),
        ("--bogus", "unrecognized arguments: --bogus (see netif test --help)"),
    ],
)
def test_a_mistake_is_told_in_one_line_that_names_it(words, says):
    if words.startswith(("--delay -1", "--delay 5 m")):
        flag, _, value = words.partition(" ")
        arguments = [f"{flag}={value}"]
    else:
        arguments = words.split(" ")
    with pytest.raises(Complaint) as told:
        choose(*arguments)
    assert str(told.value).startswith(says)
    assert "\n" not in str(told.value)
    assert told.value.status == 2


def test_a_mistake_in_the_environment_names_the_variable():
    with pytest.raises(Complaint, match=r"^NETIF_MTU: 20 is out of range"):
        choose(NETIF_MTU="20")
    with pytest.raises(Complaint, match=r"^NETIF_DHCP: perhaps is neither yes nor no: write 1 or 0"):
        choose(NETIF_DHCP="perhaps")


@given(flag=st.sampled_from([flag for flag, *_ in FLAGS]), value=st.text(max_size=40))
def test_whatever_is_said_is_understood_or_told_in_one_line(flag, value):
    said = f"{flag}: "
    try:
        choose(f"{flag}={value}")
    except Complaint as told:
        said = one_line(told)
    assert said.startswith(f"{flag}: ")
