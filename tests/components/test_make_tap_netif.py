"""make_tap_netif on the real kernel, and what it says where it cannot."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys

import pytest

from components.host.privilege import user_name
from components.host.tap import Found, Wish, command_lines, steps_up

MODULE = "components.host.tap"
AS_ORDINARY_USER = ("unshare", "--user", "--map-user=1000", "--")
WISH = Wish(name="tap0", address="192.168.5.1/24", owner=1000, group=None, netns=None)


def devices(namespace, name):
    line = ["ip", "-n", namespace, "-d", "-j", "addr", "show"]
    shown = subprocess.run(line, capture_output=True, text=True, check=True)
    return [device for device in json.loads(shown.stdout) if device.get("ifname") == name]


@pytest.fixture
def make(command, namespace):
    """make_tap_netif in the test's namespace."""
    return lambda *words: command(*words, "--netns", namespace, module=MODULE)


@pytest.mark.host
def test_the_device_is_made_addressed_up_and_owned(make, namespace):
    made = make("tap3", "--user", "1234", "--addr", "10.9.8.7/16")
    assert made.status == 0, made
    (device,) = devices(namespace, "tap3")
    assert device["linkinfo"]["info_data"]["type"] == "tap"
    assert device["linkinfo"]["info_data"]["persist"]
    assert str(device["linkinfo"]["info_data"]["user"]) == "1234"
    assert "UP" in device["flags"]
    assert [(a["local"], a["prefixlen"]) for a in device["addr_info"] if a["family"] == "inet"] == [("10.9.8.7", 16)]
    said = made.out.splitlines()
    assert said[:3] == ["tap3: made for owner 1234", "tap3: address 10.9.8.7/16", "tap3: up"]


@pytest.mark.host
def test_the_second_run_changes_nothing_and_says_so(make, namespace):
    make("--user", "1234")
    before = devices(namespace, "tap0")
    again = make("--user", "1234")
    assert again.status == 0
    assert again.out.splitlines()[0] == "tap0: as asked, nothing to do"
    assert devices(namespace, "tap0") == before


@pytest.mark.host
def test_only_what_is_missing_is_done(make, namespace):
    make("--user", "1234")
    subprocess.run(["ip", "-n", namespace, "link", "set", "tap0", "down"], check=True)
    assert make("--user", "1234").out.splitlines()[0] == "tap0: up"


@pytest.mark.host
def test_another_owner_takes_over_the_same_device(make, namespace):
    make("--user", "1234")
    (before,) = devices(namespace, "tap0")
    assert make("--user", "1235").out.splitlines()[0] == "tap0: now for owner 1235"
    (after,) = devices(namespace, "tap0")
    assert after["ifindex"] == before["ifindex"]
    assert str(after["linkinfo"]["info_data"]["user"]) == "1235"


@pytest.mark.host
def test_down_removes_the_device_and_is_content_without_one(make, namespace):
    make()
    assert make("--down").out == "tap0: removed\n"
    assert devices(namespace, "tap0") == []
    gone = make("--down")
    assert (gone.status, gone.out) == (0, "tap0: not there, nothing to do\n")


@pytest.mark.host
def test_a_dry_run_prints_commands_that_do_the_same(make, namespace):
    printed = make("tap4", "--user", "1234", "--dry-run")
    assert printed.status == 0
    assert devices(namespace, "tap4") == []
    for line in printed.out.splitlines():
        subprocess.run(shlex.split(line), check=True)
    assert make("tap4", "--user", "1234").out.splitlines()[0] == "tap4: as asked, nothing to do"


@pytest.mark.host
def test_a_device_of_another_kind_is_refused(make, namespace):
    subprocess.run(["ip", "-n", namespace, "link", "add", "br7", "type", "bridge"], check=True)
    make("br7").complains("br7 is there and is a bridge, not a TAP", prefix="make_tap_netif")
    make("br7", "--down").complains("br7 is there and is a bridge, not a TAP", prefix="make_tap_netif")
    subprocess.run(["ip", "-n", namespace, "tuntap", "add", "tun7", "mode", "tun"], check=True)
    make("tun7").complains("tun7 is there and is a TUN, not a TAP", prefix="make_tap_netif")


@pytest.mark.host
def test_a_missing_namespace_is_not_made(command, namespace):
    missing = f"{namespace}-not"
    told = command("--netns", missing, module=MODULE)
    told.complains(f"cannot enter the namespace {missing}.*ip netns add {missing}", prefix="make_tap_netif")
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    assert missing not in listed.stdout


@pytest.mark.host
def test_the_script_is_a_door_to_the_same(namespace, tmp_path):
    from pathlib import Path

    script = Path(__file__).parents[2] / "scripts" / "make_tap_netif"
    line = [sys.executable, str(script), "--netns", namespace]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tap0: made for owner root")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("a/b",), "'a/b' cannot name a device"),
        (("much-too-long-a-name",), "cannot name a device: up to 15"),
        (("--addr", "192.168.5.1"), "--addr 192.168.5.1 leaves no room for a host"),
        (("--addr", "nonsense/24"), "--addr nonsense/24 should be an address"),
        (("--user", "no-such-person"), "--user no-such-person: there is no such user"),
        (("--group", "no-such-group"), "--group no-such-group: there is no such group"),
        (("--sideways",), "unrecognized arguments: --sideways"),
    ],
)
def test_a_mistake_is_told_in_one_line(command, words, says):
    command(*words, module=MODULE).complains(says, prefix="make_tap_netif")


@pytest.fixture
def ordinary_user():
    """A prefix under which a command has no privilege, nor a way to one."""
    if shutil.which("unshare") is None or subprocess.run([*AS_ORDINARY_USER, "true"], capture_output=True).returncode:
        pytest.skip("this machine makes no user namespaces, so nobody here is without privilege")
    return AS_ORDINARY_USER


def test_without_sudo_the_commands_for_an_administrator_are_told(command, ordinary_user, tmp_path):
    (tmp_path / "ip").symlink_to(shutil.which("ip") or "/sbin/ip")
    unshare = shutil.which("unshare")
    told = command(before=(unshare, *ordinary_user[1:]), module=MODULE, PATH=str(tmp_path))
    add = "ip tuntap add dev tap0 mode tap user 1000"
    rest = "ip address replace 192.168.5.1/24 dev tap0 && ip link set dev tap0 up"
    told.complains(f"there is no sudo; ask one for: {add} && {rest}", prefix="make_tap_netif")


@pytest.fixture
def sudo(tmp_path):
    """A PATH on which sudo only tells what it was asked for, a word a line."""
    program = tmp_path / "sudo"
    program.write_text('#!/bin/sh\nshift\nfor word in "$@"; do echo "$word"; done\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


def test_an_ordinary_user_is_led_to_sudo_with_this_interpreter(command, ordinary_user, sudo):
    asked = command("tap5", "--netns", "lab", before=ordinary_user, module=MODULE, PATH=sudo)
    assert asked.status == 0, asked
    words = asked.out.splitlines()
    at = words.index(sys.executable)
    assert words[at + 1 :] == [
        *("-P", "-m", MODULE, "tap5", "--addr", "192.168.5.1/24", "--user", "1000", "--netns", "lab"),
    ]


@pytest.mark.host
def test_what_sudo_is_asked_for_works_in_a_clean_environment(command, ordinary_user, sudo, namespace, tmp_path):
    (tmp_path / "components.py").write_text("raise SystemExit('the wrong components, as root')")
    asked = command("--netns", namespace, before=ordinary_user, module=MODULE, PATH=sudo)
    line = asked.out.splitlines()
    done = subprocess.run(line, env={"PATH": os.defpath}, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (device,) = devices(namespace, "tap0")
    assert str(device["linkinfo"]["info_data"]["user"]) in ("1000", user_name(1000))


def test_an_ordinary_user_needs_nobody_for_what_is_done_already(command, ordinary_user):
    unshare = (*ordinary_user[:-1], "--net", "--")
    done = command("--down", before=unshare, module=MODULE)
    assert (done.status, done.out) == (0, "tap0: not there, nothing to do\n"), done


def test_behind_sudo_the_owner_is_the_caller(command):
    told = command("--dry-run", "--netns", "no-such-namespace", module=MODULE, SUDO_UID="4321")
    if os.geteuid() == 0:
        assert "mode tap user 4321" in told.out
    else:
        assert f"mode tap user {os.getuid()}" in told.out


def test_a_group_alone_admits_its_members():
    import attrs

    wish = attrs.evolve(WISH, owner=None, group=100)
    assert command_lines(wish, None, down=False)[0] == "ip tuntap add dev tap0 mode tap group 100"


def test_what_is_there_already_is_left_as_it_is():
    found = Found(index=7, owner=1000, group=None, multi_queue=True, up=True, addresses=("192.168.5.1/24",))
    assert steps_up(WISH, found) == []
